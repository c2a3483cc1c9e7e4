"""Calls of the command line in this process, and a folder of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from made_verifier import RATE, voice

from bodysounds.__main__ import main

HIGH, LOW = 620.0, 110.0
"""Pitches that the made verifier tells apart."""


def call(*arguments: object) -> int:
    """Run `bodysounds ...` and return its exit code."""
    try:
        main([str(one) for one in arguments])
    except SystemExit as left:
        return int(str(left.code))
    return 0


def record(path: Path, pitch: float = LOW, seconds: float = 1.0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, voice(pitch, seconds, seed=seed), RATE)
    return path


def silence(path: Path) -> Path:
    soundfile.write(path, np.zeros(RATE), RATE)
    return path


def text_file(path: Path) -> Path:
    path.write_text("this is no sound\n")
    return path


def left_overs(folder: Path) -> list[Path]:
    """Files that something half-written has left."""
    return [path for path in folder.rglob("*") if "partial" in path.name]
