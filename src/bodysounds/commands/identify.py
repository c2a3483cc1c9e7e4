"""`bodysounds identify`: who of a gallery is it, or somebody unknown?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bodysounds.commands.answers import answers, some_answered
from bodysounds.commands.models import model_path
from bodysounds.commands.shared import (
    ALL,
    NONE,
    SOME,
    add_decision,
    command_parser,
    parsed,
    recordings_of,
    say,
    say_json,
    shown,
)
from bodysounds.commands.words import abstention, at_prior, caveats

if TYPE_CHECKING:
    from bodysounds.verifier import Identification

ABOUT = """\
Say who of a gallery was recorded, or that it is somebody unknown: each recording by itself.

The best candidate is named where its score is at or above the threshold. Everybody in the gallery
is one more chance for a stranger to be taken for somebody: the threshold's error rates are those of
one comparison, so raise --threshold for a large gallery.

Answers are printed as they come; --json prints one object a recording and line.

Exit codes: 0 all are known; 1 some are unknown or have no answer; 3 none has an answer; 2 an error.
"""
EXAMPLE = """\
such as:
  bodysounds identify night.wav --gallery ward.safetensors \\
      --model data/06_models/demo/cry_verification/bundle
"""


def run(arguments: Sequence[str]) -> int:
    """Identify recordings and return 0, 1 or 3; ValueError where nothing can be asked."""
    asked = parsed(_parser(), arguments)
    model = model_path(asked.model, ("bundle",), "identify")
    if asked.gallery is None:
        raise ValueError("say which gallery with --gallery FILE, one that `bodysounds enrol` made")
    paths = recordings_of(asked.recordings)

    from bodysounds.verifier import Identification, Verifier

    verifier = Verifier.load(model, asked.device)
    verifier.load_gallery(asked.gallery.expanduser())

    def identify(path: Path) -> Identification:
        return verifier.identify(
            path, top_k=asked.top_k, prior=asked.prior, threshold=asked.threshold
        )

    threshold = verifier.threshold if asked.threshold is None else asked.threshold
    said: list[Identification] = []
    for path, found in some_answered(answers(identify, paths, "identify", printed=True)):
        if isinstance(found, ValueError):
            one = Identification(None, [], threshold, shown(str(found)))
        else:
            one = found
        said.append(one)
        if asked.json:
            say_json({"path": shown(path), **asdict(one), "prior": asked.prior})
        else:
            say(sentence(shown(path), one, asked.prior))
    if all(one.abstained for one in said):
        return NONE
    if not asked.json:
        say(caveats(verifier.about))
    return ALL if all(one.subject is not None for one in said) else SOME


def sentence(path: str, one: Identification, prior: float) -> str:
    """Return who it was taken for, and the others that came near."""
    if one.abstained is not None:
        return abstention(path, one.abstained)
    best, *others = one.candidates
    against = f"threshold {one.threshold:.3f}"
    if one.subject is None:
        told = f"{path}: unknown; the nearest is {best.subject}, score {best.score:.3f} ({against})"
    else:
        told = f"{path}: {one.subject}, score {best.score:.3f} ({against})"
    if best.probability is not None:
        told += f", {at_prior(best.probability, prior)}"
    after = ", ".join(f"{other.subject} {other.score:.3f}" for other in others)
    return f"{told}\n  then {after}" if after else told


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("identify", ABOUT, EXAMPLE)
    parser.add_argument(
        "recordings", nargs="+", metavar="RECORDING", help="files, and folders of them"
    )
    parser.add_argument("--gallery", type=Path, metavar="FILE", help="who may be named")
    parser.add_argument(
        "--top-k", type=int, default=5, metavar="K", help="candidates to show (default 5)"
    )
    add_decision(parser)
    return parser
