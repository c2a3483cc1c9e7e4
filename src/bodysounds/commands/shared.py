"""What the commands share: their options, recordings, output, and results that are whole.

Nothing heavy is imported before a function needs it: `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

ALL, SOME, NONE = 0, 1, 3
"""Exit codes: yes, or all answered; no, or some not answered; no answer at all."""
BEHIND = "\0"
"""Marks a dash behind `--` while arguments are parsed: no argument can hold a NUL."""


def command_parser(name: str, about: str, example: str) -> argparse.ArgumentParser:
    """Return a command's parser with --model, --device and --json; `example` ends its help."""
    parser = argparse.ArgumentParser(
        prog=f"bodysounds {name}",
        description=about,
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", type=Path,
        help="what a run saved below data/06_models: a folder or a .safetensors file; the latest "
        "version of a folder of versions",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    return parser


def add_results(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --out and --force, for a command that writes a file."""
    parser.add_argument("--out", type=Path, metavar="FILE", help=what)
    parser.add_argument("--force", action="store_true", help="replace --out where it exists")


def parsed(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; recordings may stand before, between and behind the options.

    Raises ValueError for a recording that looks like an option; SystemExit for other mistakes.
    """
    given = list(arguments)
    if "--" in given:  # which argparse forgets where arguments are mixed
        at = given.index("--")
        marked = [BEHIND + one if one.startswith("-") else one for one in given[at + 1 :]]
        given = [*given[:at], *marked]
    asked, unknown = parser.parse_known_intermixed_args(given)
    unknown = _without_mark(unknown)
    for name, value in vars(asked).items():
        setattr(asked, name, _without_mark(value))
    for one in unknown:
        if _dashed_file(one):
            raise ValueError(f"{shown(one)} looks like an option: write ./{shown(one)}")
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return asked


def _without_mark(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_mark(one) for one in value]
    if isinstance(value, str | Path):
        return type(value)(str(value).removeprefix(BEHIND))
    return value


def _dashed_file(given: str) -> bool:
    return given.startswith("-") and Path(given).exists()


def add_decision(parser: argparse.ArgumentParser) -> None:
    """Add --prior and --threshold, for a command that decides."""
    parser.add_argument(
        "--prior", type=_prior, default=0.5, metavar="P",
        help="how probable it is beforehand that it is the same individual (default 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=_finite, metavar="T",
        help="score from which it is the same individual, by default the bundle's",
    )  # fmt: skip


def _prior(text: str) -> float:
    if not 0 < (value := _finite(text)) < 1:
        raise argparse.ArgumentTypeError(f"must lie between 0 and 1, both excluded, got {text}")
    return value


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, got {text}")
    return value


def recordings_of(given: Sequence[str | Path]) -> list[Path]:
    """Return the files that were given, and all audio files below folders, in the order of names.

    Raises ValueError for what is not there, and for a folder without audio.
    """
    from bodysounds.corpora.files import audio_only, list_files

    found: list[Path] = []
    for one in given:
        path = Path(one).expanduser()
        if not path.exists():
            raise ValueError(f"{shown(path)} is not there: check the name")
        below = [path / file for file in audio_only(list_files(path))] if path.is_dir() else [path]
        if not below:
            raise ValueError(f"{shown(path)} holds no audio files, such as .wav, .flac or .mp3")
        found += below
    return list(dict.fromkeys(found))


def check_out(path: Path | None, force: bool, endings: Sequence[str]) -> Path:
    """Return where a result goes, once its folder is made.

    Raises ValueError for none, another ending, and a file that exists where it may not be replaced.
    """
    known = ", ".join(endings)
    if path is None:
        raise ValueError(f"say where the result goes with --out FILE, a name in {known}")
    out = path.expanduser()
    if out.suffix.lower() not in endings:
        raise ValueError(f"--out must end in {known}, got {shown(out)}")
    if out.is_dir() or (out.exists() and not force):
        raise ValueError(f"{shown(out)} exists: choose another --out, or add --force to replace it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{shown(out.parent)} can be no folder for --out ({error.strerror}): choose another"
        ) from error
    return out


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a file beside `path` that takes its place at the end, and is gone after an error."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_csv(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
    """Write rows as CSV, all or nothing; a missing value is an empty cell."""
    import pandas as pd

    # as objects: a rank of some rows would be 1.0 where others have none
    table = pd.DataFrame(
        list(rows), columns=None if columns is None else list(columns), dtype=object
    )
    with whole(path) as partial:
        table.to_csv(partial, index=False)


def say(text: str, to_stderr: bool = False) -> None:
    """Write a line at once; what the stream has no letters for, as a broken name, is escaped."""
    stream: TextIO | None = sys.stderr if to_stderr else sys.stdout
    if stream is None:  # closed by who started this
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def say_json(value: Any) -> None:
    """Write one line of JSON; numbers that are not finite are null."""
    say(json.dumps(finite(value), allow_nan=False))


def finite(value: Any) -> Any:
    """Return plain JSON values: Python numbers, null for those that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [finite(own) for own in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def shown(path: str | Path) -> str:
    """Return a path as text that can be written anywhere."""
    return os.fspath(path).encode("utf-8", "backslashreplace").decode()


def count(n: int, noun: str) -> str:
    """Return `1 pair` or `2,000 pairs`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
