"""The demo corpus: synthetic infant cries in the layout of CryCeleb2023, made once from a seed.

Identity lives in a baby's voice. What differs between the periods B (birth) and D (discharge),
growth, room, microphone, background and gain, is drawn anew and says nothing about identity.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from bodysounds.corpora._cry_channel import draw_channel, record
from bodysounds.corpora._cry_synthesis import SAMPLE_RATE, expiration
from bodysounds.corpora._cry_voice import aroused, draw_voice, grown
from bodysounds.corpora._demo_folder import make_once
from bodysounds.corpora._demo_rules import check_counts, check_ranges, check_switches
from bodysounds.progress import track
from bodysounds.types import Floats, Table

VERSION = 3
"""Raised whenever the same parameters make other sounds, so that a kept folder is made again."""
_VOICE, _GROWTH, _CHANNEL, _CRIES, _NOISE, _LAYOUT = range(6)


@dataclass(frozen=True)
class DemoParams:
    """How many babies cry, how often, and which control is wanted."""

    seed: int = 0
    n_train: int = 640
    """Babies to train on, with both periods."""
    n_train_one_period: int = 8
    """Further babies to train on that were recorded in one period only."""
    n_dev: int = 40
    n_test: int = 40
    segments: list[int] = field(default_factory=lambda: [3, 4])
    """Fewest and most expirations of a baby in a period."""
    shared_identity: bool = False
    """Control: all babies have one voice, so that nothing can verify them."""
    constant_channel: bool = False
    """Control: a baby keeps its room, microphone and background, a shortcut to its identity."""

    def __post_init__(self) -> None:
        check_counts(self, {"seed": 0, "n_train": 1, "n_train_one_period": 0})
        check_counts(self, {"n_dev": 2, "n_test": 2})
        check_ranges(self, ["segments"])
        check_switches(self, ["shared_identity", "constant_channel"])


@dataclass(frozen=True)
class _Baby:
    number: int
    """Counts from 0 whatever the id: the seed of all that is drawn for the baby."""
    baby_id: str
    split: str
    periods: tuple[str, ...]


def _babies(params: DemoParams) -> list[_Baby]:
    counts = (params.n_train, params.n_train_one_period, params.n_dev, params.n_test)
    total = sum(counts)
    width = max(4, len(str(2 * total)))
    rng = np.random.default_rng((params.seed, _LAYOUT))
    ids = rng.permutation(max(1000, 2 * total))[:total]
    splits = np.repeat(("train", "train", "dev", "test"), counts)
    single = range(params.n_train, params.n_train + params.n_train_one_period)
    return [
        _Baby(
            number,
            f"{ids[number]:0{width}d}",
            str(splits[number]),
            ("B", "D") if number not in single else (("B",), ("D",))[number % 2],
        )
        for number in range(total)
    ]


def _cries(baby: _Baby, params: DemoParams) -> dict[str, list[Floats]]:
    """Synthesise a baby: per period its expirations, float64 in [-1, 1] at 16 kHz."""

    def stream(kind: int, period: str = "") -> np.random.Generator:
        # independent streams, so that a control changes what it names and nothing else
        return np.random.default_rng((params.seed, baby.number, kind, ord(period or "-")))

    shared = np.random.default_rng((params.seed, _VOICE))
    voice = draw_voice(shared if params.shared_identity else stream(_VOICE))
    recorded = {}
    for period in baby.periods:
        of_age = grown(voice, stream(_GROWTH)) if period == "D" else voice
        rng = stream(_CRIES, period)
        mood = aroused(of_age, rng, 0.5)
        n_segments = int(rng.integers(params.segments[0], params.segments[1] + 1))
        waves = [expiration(aroused(mood, rng, 1.0), rng) for _ in range(n_segments)]
        channel = draw_channel(stream(_CHANNEL, "" if params.constant_channel else period))
        recorded[period] = record(waves, channel, stream(_NOISE, period))
    return recorded


def _write_baby(root: Path, baby: _Baby, params: DemoParams) -> list[dict[str, Any]]:
    rows = []
    for period, waves in _cries(baby, params).items():
        folder = root / "audio" / baby.split / baby.baby_id / period
        folder.mkdir(parents=True)
        for index, wave in enumerate(waves):
            file_id = f"{baby.baby_id}_{period}_{index:03d}"
            path = folder / f"{file_id}.wav"
            pcm = np.round(wave * 32767).astype(np.int16)
            soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
            rows.append(
                {
                    "baby_id": baby.baby_id,
                    "period": period,
                    "duration": round(wave.size / SAMPLE_RATE, 6),
                    "split": baby.split,
                    "chronological_index": f"{index:03d}",
                    "file_name": path.relative_to(root).as_posix(),
                    "file_id": file_id,
                }
            )
    return rows


def _pairs(baby_ids: list[str]) -> Table:
    """All (B, D) pairs of the babies of one split: baby_id_B, baby_id_D, id, label."""
    pairs = [(b, d) for b in sorted(baby_ids) for d in sorted(baby_ids)]
    table = pd.DataFrame(pairs, columns=["baby_id_B", "baby_id_D"])
    table["id"] = table["baby_id_B"] + "_" + table["baby_id_D"]
    table["label"] = (table["baby_id_B"] == table["baby_id_D"]).astype(int)
    return table


def _write_corpus(root: Path, params: DemoParams) -> None:
    babies = _babies(params)
    with ThreadPoolExecutor() as pool:
        made = pool.map(lambda baby: _write_baby(root, baby, params), babies)
        rows = [row for some in track(made, "synthesise cries", len(babies)) for row in some]
    metadata = pd.DataFrame(rows).sort_values("file_id", kind="stable")
    metadata.to_csv(root / "metadata.csv", index=False)
    for split in ("dev", "test"):
        pairs = _pairs([baby.baby_id for baby in babies if baby.split == split])
        pairs.to_csv(root / f"{split}_pairs.csv", index=False)
    sample = pairs[["id"]].assign(
        score=np.random.default_rng((params.seed, _LAYOUT, 1)).uniform(size=len(pairs)).round(6)
    )
    sample.to_csv(root / "sample_submission.csv", index=False)


def synthesise(folder: Path, params: DemoParams) -> None:
    """Make the demo corpus in a folder, unless it is there already with these parameters.

    Writes metadata.csv, audio/<split>/<baby>/<period>/<baby>_<period>_<index>.wav (16 kHz, mono,
    16 bit, 0.3 to 2.5 s), dev_pairs.csv, test_pairs.csv, sample_submission.csv and demo.json, the
    same bytes for the same parameters. `make_once` says what happens to a folder that is there.
    """
    make_once(folder, VERSION, params, lambda root: _write_corpus(root, params))
