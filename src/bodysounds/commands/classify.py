"""`bodysounds classify`: crying or screaming, crackles or wheezes, or which of known speakers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodysounds.commands.answers import answers, some_answered
from bodysounds.commands.models import model_path
from bodysounds.commands.shared import (
    ALL,
    NONE,
    SOME,
    add_results,
    check_out,
    command_parser,
    count,
    parsed,
    recordings_of,
    say,
    say_json,
    shown,
    write_csv,
)

if TYPE_CHECKING:
    from bodysounds.commands.classifiers import Answer

ABOUT = """\
Say what recordings hold. What is said, the model decides:

  the bundle of cry_scream_ensemble     crying, screaming or neither, and from when to when
  the classifier of respiratory_scl     each breath: crackles, wheezes, both or neither; the breaths
                                        are those of a .txt beside a recording (onset, offset and
                                        two flags a line, as ICBHI 2017), or windows without it
  the classifier of speaker_...         the most probable speakers, of those that it knows

Answers are printed as they come; --json prints one object a recording and line. --out writes a row
a recording, a breath or a speaker at the end, or at Ctrl-C those heard so far; the events of an
ensemble go to <name of FILE>.events.csv beside it.

Exit codes: 0 all recordings are answered; 1 some are not; 3 none is; 2 an error.
"""
EXAMPLE = """\
such as:
  bodysounds classify night.wav --model data/06_models/demo/cry_scream_ensemble/bundle
  bodysounds classify lungs --out breaths.csv \\
      --model data/06_models/demo/respiratory_scl/classifier.safetensors
"""


def run(arguments: Sequence[str]) -> int:
    """Classify recordings and return 0, 1 or 3 where some or all have no answer; ValueError."""
    asked = parsed(_parser(), arguments)
    names = ("bundle", "classifier.safetensors", "classifier")
    model = model_path(asked.model, names, "classify")
    out = check_out(asked.out, asked.force, (".csv",)) if asked.out else None
    paths = recordings_of(asked.recordings)

    from bodysounds.commands.classifiers import hears_with

    hear = hears_with(model, asked.device, asked.windows)
    found: list[tuple[str, Answer]] = []
    printed = asked.json or out is None
    try:
        for recording, said in some_answered(answers(hear, paths, "classify", printed)):
            path, answer = shown(recording), _answer(said)
            found.append((path, answer))
            if asked.json:
                say_json({"path": path, **answer})
            elif printed or answer["abstained"]:
                say(told(path, answer), to_stderr=not printed)
    except (KeyboardInterrupt, BrokenPipeError):
        if out is not None and found:
            _write(out, found)
            heard = f"{len(found):,} of {count(len(paths), 'recording')}"
            say(f"{shown(out)} holds what was heard so far: {heard}", to_stderr=True)
        raise
    if out is not None:
        _write(out, found)
    without = sum(answer["abstained"] is not None for _, answer in found)
    if out is not None and not asked.json:
        known = count(len(found) - without, "recording")
        say(f"{shown(out)} holds the answers to {known}; {without:,} had none")
    return NONE if without == len(found) else SOME if without else ALL


def _answer(said: Answer | ValueError) -> Answer:
    """Return an answer; what is wrong is the reason why there is none."""
    if isinstance(said, ValueError):
        return {"label": None, "probabilities": {}, "abstained": shown(str(said))}
    return said


def told(path: str, answer: Answer) -> str:
    """Return an answer as people read it: a line, and one for each event or breath."""
    if "cycles" in answer:
        return "\n".join([f"{path}: {_breaths(answer)}", *map(_cycle, answer["cycles"])])
    said = ", ".join(f"{name} {value:.0%}" for name, value in _ranked(answer["probabilities"]))
    if "of_classes" in answer:
        return (
            f"{path}: {said}\n  of the {answer['of_classes']} that the model knows, and it names "
            f"one of them whoever it was; heard: the first {answer['heard_s']:.1f} s"
        )
    reason = answer["abstained"]
    if reason and reason.startswith(path):
        return str(reason)
    events = answer.get("events", ())
    line = f"{path}: {answer['label']} ({said})"
    if reason:
        # what is unsure as a whole may hold a moment that is not
        line = f"{path}: no answer{' as a whole' if events else ''}, {reason}"
    return "\n".join([line, *map(_event, events)])


def _breaths(answer: Answer) -> str:
    source, n = answer["cycles_from"], len(answer["cycles"])
    heard = f"the breaths of {source}" if source else count(n, "window")
    return f"{heard}: " + ", ".join(f"{n} {label}" for label, n in answer["counts"].items())


def _event(event: dict[str, Any]) -> str:
    times = f"{clock(event['onset_s'])} to {clock(event['offset_s'])}"
    return f"  {times}  {event['label']} ({event['confidence']:.0%})"


def clock(seconds: float) -> str:
    """Return seconds as `1:02:03.4` or `2:03.4`."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    told = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{told}" if hours else f"{minutes}:{told}"


def _cycle(cycle: dict[str, Any]) -> str:
    sure = cycle["probabilities"][cycle["label"]]
    return f"  {cycle['start_s']:.2f} to {cycle['end_s']:.2f} s  {cycle['label']} ({sure:.0%})"


def _ranked(probabilities: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda item: -item[1])


def _write(out: Path, found: Sequence[tuple[str, Answer]]) -> None:
    """Write the table and, of an ensemble, its events beside it."""
    from bodysounds.commands.classifiers import rows_of

    write_csv(out, [row for path, answer in found for row in rows_of(path, answer)])
    if not any("events" in answer for _, answer in found):
        return
    rows = [{"path": path, **event} for path, one in found for event in one.get("events", ())]
    columns = ["path", "label", "onset_s", "offset_s", "confidence"]
    write_csv(out.with_suffix(".events.csv"), rows, columns)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("classify", ABOUT, EXAMPLE)
    parser.add_argument(
        "recordings", nargs="+", metavar="RECORDING", help="files, and folders of them"
    )
    add_results(parser, "write a table, a name in .csv, in the place of what is printed")
    parser.add_argument(
        "--windows", action="store_true",
        help="of breath: hear windows, even where a .txt has the breaths",
    )  # fmt: skip
    return parser
