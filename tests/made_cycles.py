"""A few made breath cycles: noise, in which crackles click and wheezes sing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.audio.packed import Packed, write_packed
from bodysounds.params import TrainRespiratoryParams

RATE = 4000
LABELS = ("both", "crackle", "normal", "wheeze")
COUNTS = {"train": 10, "dev": 4, "test": 5}


def cycle(rng: np.random.Generator, label: str) -> np.ndarray:
    """Return between a third and two thirds of a second, int16."""
    time = np.arange(int(RATE * rng.uniform(0.35, 0.65))) / RATE
    wave = 0.2 * rng.standard_normal(len(time))
    if label in ("wheeze", "both"):
        wave += np.sin(2 * np.pi * rng.uniform(350, 500) * time)
    if label in ("crackle", "both"):
        click = np.sin(1.9 * np.arange(40)) * np.exp(-np.arange(40) / 8)
        for start in rng.integers(0, len(time) - 40, 8):
            wave[start : start + 40] += 6 * click
    return np.int16(2000 * wave)


def breaths(folder: Path) -> tuple[Packed, pd.DataFrame]:
    """Return waveforms and examples, of each class 10 cycles in train, 4 in dev and 5 in test.

    A sixth of the cycles has no sex.
    """
    rng = np.random.default_rng(0)
    pieces, rows = [], []
    for subset, count in COUNTS.items():
        for label in LABELS:
            for take in range(count):
                name = f"{subset}_{label}{take}#000"
                pieces.append((name, cycle(rng, label)))
                sex = (None, "F", "M", "F", "M", "F")[take % 6]
                rows.append((name, label, subset, sex, ("adult", "child")[take % 2]))
    columns = ["segment_id", "label", "subset", "sex", "age_group"]
    return write_packed(folder / "packed", pieces, RATE), pd.DataFrame(rows, columns=columns)


def breath_params(folder: Path, **changes: Any) -> TrainRespiratoryParams:
    """Return parameters of a training of a second, with what a test changes of them."""
    options: dict[str, Any] = {
        "clip_s": 0.5, "n_fft": 256, "hop": 64, "n_mels": 24, "f_max": 1800.0, "width": 0.125,
        "projection": 16, "method": "sl", "temperature": 0.1, "batch_size": 10, "n_epochs": 2,
        "head_epochs": 3, "head_learning_rate": 0.03, "learning_rate": 3e-3, "random_crop": True,
        "augment": [{"name": "gain"}, {"name": "spec_augment", "freq_width": 5, "time_width": 5}],
        "choose": "dev_score", "class_weights": True, "device": "cpu", "precision": "float32",
        "work_dir": str(folder / "work"),
    }  # fmt: skip
    return TrainRespiratoryParams(**(options | changes))
