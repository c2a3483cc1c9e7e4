"""`bodysounds verify`: do two recordings come from the same individual?"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodysounds.commands.models import model_path
from bodysounds.commands.shared import (
    ALL,
    NONE,
    SOME,
    add_decision,
    add_results,
    check_out,
    command_parser,
    parsed,
    recordings_of,
    say,
    say_json,
    shown,
)
from bodysounds.commands.words import at_prior, caveats, rates_on_test

if TYPE_CHECKING:
    from bodysounds.verifier import Verification

ABOUT = """\
Say whether two recordings come from the same individual, by a bundle that a run saved.

A and B are files, or folders whose recordings, in the order of their names, are heard as one.
Several files of each are given as A... --against B...

Many pairs: --pairs is a CSV file with the columns enrol and test, files or folders relative to the
table (or to --root). The table is written to --out with the columns score, same, probability, llr
and abstained (why there is no answer) added; each side is heard once. Where it has a column
target or label (1: the same individual), the error rates on these pairs are told too.

Exit codes: 0 the same, or all pairs have an answer; 1 different, or some pairs have none; 3 no
answer; 2 an error.
"""
EXAMPLE = """\
such as:
  bodysounds verify monday.wav friday.wav --model data/06_models/demo/cry_verification/bundle
  bodysounds verify monday friday --model ... --prior 0.1
  bodysounds verify m1.wav m2.wav --against f1.wav f2.wav --model ...
  bodysounds verify --pairs pairs.csv --out scores.csv --model ...
"""


def run(arguments: Sequence[str]) -> int:
    """Verify and return 0 (same), 1 (different) or 3 (no answer); ValueError, OSError."""
    asked = parsed(_parser(), arguments)
    model = model_path(asked.model, ("bundle",), "verify")
    if asked.pairs is not None:
        return _pairs(asked, model)
    if asked.out is not None:
        raise ValueError("--out is for many pairs, --pairs FILE; one pair can be had as --json")
    a, b = _sides(asked.recordings, asked.against)
    if both := {path.resolve() for path in a} & {path.resolve() for path in b}:
        say(f"note: {shown(min(both))} stands on both sides", to_stderr=True)

    from bodysounds.verifier import Verifier

    verifier = Verifier.load(model, asked.device)
    found = verifier.verify(list(a), list(b), prior=asked.prior, threshold=asked.threshold)
    if asked.json:
        say_json(_as_json(a, b, found, asked.prior, verifier.about))
    else:
        own = asked.threshold is None
        say(sentences(found, asked.prior, verifier.about["threshold"] if own else None))
        if found.same is not None:
            say(caveats(verifier.about))
    return NONE if found.same is None else ALL if found.same else SOME


def sentences(found: Verification, prior: float, point: Mapping[str, Any] | None) -> str:
    """Return what was found: the decision, then what it rests on.

    `point` is the operating point of the bundle; None for another threshold than its.
    """
    if found.same is None or found.score is None:
        return f"No answer. {found.abstained}"
    against = "at or above" if found.same else "below"
    who = "the same individual" if found.same else "two different individuals"
    told = [
        f"This sounds like {who}: score {found.score:.3f}, {against} the threshold of "
        f"{found.threshold:.3f}."
    ]
    if found.probability is None:
        told.append("The scores of this model are not calibrated, so there is no probability.")
    else:
        told.append(f"The same individual: {at_prior(found.probability, prior)} (--prior).")
    if point is None:
        told.append("The error rates of the threshold that was given are not known.")
    else:
        told += filter(None, [rates_on_test(point)])
    return "\n".join(told)


def _sides(recordings: Sequence[str], against: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """Return the recordings of the two sides."""
    if against and recordings:
        return recordings_of(recordings), recordings_of(against)
    if against or len(recordings) != 2:
        raise ValueError(
            "give two recordings (or folders), A B, or several of each, A... --against B..., or a "
            f"table of many pairs, --pairs FILE; got {len(recordings)}"
        )
    return recordings_of(recordings[:1]), recordings_of(recordings[1:])


def _as_json(
    a: Sequence[Path],
    b: Sequence[Path],
    found: Verification,
    prior: float,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    test = about["threshold"].get("test") or {}
    return {
        "a": [shown(path) for path in a],
        "b": [shown(path) for path in b],
        **asdict(found),
        "prior": prior,
        "score_kind": about["score"],
        "bundle_threshold": {
            "threshold": about["threshold"]["threshold"],
            "policy": about["threshold"].get("policy"),
            "test": {
                name: test.get(name) for name in ("far", "far_ci95", "frr", "frr_ci95")
            },
        },
        "synthetic": about["corpus"].get("synthetic"),
    }  # fmt: skip


def _pairs(asked: argparse.Namespace, model: Path) -> int:
    if asked.recordings or asked.against:
        raise ValueError("--pairs names the recordings: give a table, or recordings, not both")
    out = check_out(asked.out, asked.force, (".csv",))

    from bodysounds.commands.pairs import read_pairs, verify_pairs, write_scores
    from bodysounds.verifier import Verifier

    path = asked.pairs.expanduser()
    table = read_pairs(path)
    root = path.parent if asked.root is None else asked.root.expanduser()
    verifier = Verifier.load(model, asked.device)
    return write_scores(
        out, verify_pairs(verifier, table, root, asked.prior, asked.threshold), asked.json
    )


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("verify", ABOUT, EXAMPLE)
    parser.add_argument(
        "recordings", nargs="*", metavar="RECORDING", help="A and B: files or folders"
    )
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="B", help="the other side's, of several files"
    )
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="a table of many pairs")
    parser.add_argument("--root", type=Path, help="folder that the table's paths are relative to")
    add_decision(parser)
    add_results(parser, "where the table goes, with scores: a name in .csv")
    return parser
