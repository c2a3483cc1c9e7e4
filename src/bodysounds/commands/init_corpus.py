"""`bodysounds init-corpus`: looks at a folder of recordings, writes its table and environment."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

ROLES = (
    "subject", "group", "session", "recorded_at", "order", "domain", "sex", "age", "label", "split",
)  # fmt: skip
ASKED = 2


def run(arguments: Sequence[str]) -> int:
    """Survey a folder and return 0; 2 where a guess must be chosen; ValueError where it fails."""
    from bodysounds.corpora.survey.layout import understand
    from bodysounds.corpora.survey.plan import plan
    from bodysounds.corpora.survey.words import guesses_text

    asked = _parser().parse_args(arguments)
    folder = asked.folder.expanduser().resolve()
    chosen = {role: getattr(asked, role) for role in ROLES if getattr(asked, role) is not None}
    layout = understand(folder, asked.pattern, chosen)
    if layout.guesses:
        if asked.json:
            guesses = [
                {"confidence": one.confidence, "roles": dict(one.roles), "reasons": one.reasons,
                 "options": one.options()}
                for one in layout.guesses
            ]  # fmt: skip
            _print_json({"folder": str(folder), "question": layout.said, "guesses": guesses})
        else:
            sys.stdout.write(f"{folder}: {layout.said}\n{guesses_text(layout.guesses)}\n")
        sys.stderr.write(
            "bodysounds init-corpus: nothing was written; choose with the options of a guess, or "
            r"with --pattern '(?P<subject>[^_]+)_'" + "\n"
        )
        return ASKED
    with redirect_stdout(sys.stderr):  # where progress goes
        found = plan(
            folder, layout, conf=asked.conf, name=asked.name, task=asked.task, force=asked.force,
            seed=asked.seed, dry_run=asked.dry_run,
        )  # fmt: skip
    if asked.json:
        _print_json(found.to_dict())
    else:
        sys.stdout.write(_told(folder, found))
    return 0


def _print_json(found: Any) -> None:
    sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _told(folder: Path, found: Any) -> str:
    from bodysounds.corpora.survey.words import facts_text, fit_text, shortcuts_text

    layout = found.layout
    parts = [
        f"{shlex.quote(str(folder))}",
        f"layout (confidence {layout.confidence:.0%}): {layout.said}",
        *(f"note: {note}" for note in [*layout.notes, *found.notes]),
        "",
        facts_text(found.facts),
        "",
        "does how a recording was made tell who or what is heard?",
        shortcuts_text(found.of_subjects, found.of_labels, found.facts),
        "",
        "what it serves",
        fit_text(found.fits, found.task),
        "",
        *found.done,
    ]
    return "\n".join(parts) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bodysounds init-corpus",
        description="Look at a folder of recordings: guess whose they are, write metadata.csv "
        "there and an environment in the project, and say what the folder holds.",
        epilog="A COLUMN is one of the folder's table; folder1, folder2, ... counted from the "
        "outside; field1, field2, ... of the files' names, cut at _ - . and blanks; or none. "
        "Nothing is asked while it runs: where two guesses are near, both are printed with the "
        "options that choose them, and the exit code is 2.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of recordings")
    parser.add_argument("--name", help="of the environment, by default the folder's")
    for role in ROLES:
        parser.add_argument(
            f"--{role.replace('_', '-')}", metavar="COLUMN", help=f"which column is the {role}"
        )
    parser.add_argument(
        "--pattern", metavar="REGEX",
        help="searched for in each path below the folder, without its ending; named groups are "
        "subject, session, ...: '(?P<subject>[^_]+)_(?P<session>[^_]+)_'",
    )  # fmt: skip
    parser.add_argument(
        "--task",
        help="a verification, speaker_identification or cry_scream_ensemble; else what fits",
    )
    parser.add_argument("--conf", type=Path, default=Path("conf"), help="the project's (conf)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    parser.add_argument(
        "--force", action="store_true",
        help="overwrite metadata.csv (the old one stays as metadata.csv.bak) and an environment "
        "that this command made",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    return parser
