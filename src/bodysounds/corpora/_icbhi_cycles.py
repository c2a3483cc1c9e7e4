"""The breath cycles of an ICBHI 2017 recording: onset, offset, crackles, wheezes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

LABELS = {(0.0, 0.0): "normal", (1.0, 0.0): "crackle", (0.0, 1.0): "wheeze", (1.0, 1.0): "both"}
"""The class of a cycle by (crackles, wheezes)."""
TOUCHING_S = 0.0005
"""Cycles are written in milliseconds: neighbours may overlap by half of one."""


class Cycle(NamedTuple):
    """One breath, in seconds from the start of its recording."""

    number: int
    start_s: float
    end_s: float
    label: str


def read_cycles(path: Path) -> list[Cycle]:
    """Return the cycles of a recording's text file in their order, numbered from 0.

    A line holds onset and offset (seconds), crackles and wheezes (0 or 1), set apart by blanks.
    Raises ValueError, one sentence that names file and line, where the file is missing, empty or
    no text, a line has other than four numbers, a time is negative or not finite, a cycle ends
    before it starts, a flag is neither 0 nor 1, or a cycle starts before the one above it ends.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise ValueError(
            f"{path.name} is not there: each recording needs its cycles beside it"
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as text: {error}") from error
    cycles: list[Cycle] = []
    for at, line in enumerate(lines, 1):
        if not line.strip():
            continue
        cycle = _cycle(len(cycles), line, f"{path.name}, line {at}")
        if cycles and cycle.start_s < cycles[-1].end_s - TOUCHING_S:
            raise ValueError(
                f"{path.name}, line {at}: the cycle starts at {cycle.start_s:g} s, before the one "
                f"above it ends ({cycles[-1].end_s:g} s): cycles must follow one another"
            )
        cycles.append(cycle)
    if not cycles:
        raise ValueError(f"{path.name} is empty: write its cycles, or take the recording out")
    return cycles


def _cycle(number: int, line: str, where: str) -> Cycle:
    cells = line.split()
    try:
        start, end, crackles, wheezes = (float(cell) for cell in cells)
    except ValueError as error:
        raise ValueError(
            f"{where}: {line.strip()!r} must be four numbers: onset, offset, crackles, wheezes"
        ) from error
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0):
        raise ValueError(
            f"{where}: the times {cells[0]} and {cells[1]} must be finite seconds from 0"
        )
    if end <= start:
        raise ValueError(
            f"{where}: the cycle ends at {end:g} s, not after its start at {start:g} s"
        )
    label = LABELS.get((crackles, wheezes))
    if label is None:
        raise ValueError(
            f"{where}: crackles and wheezes must be 0 or 1, got {cells[2]} and {cells[3]}"
        )
    return Cycle(number, start, end, label)
