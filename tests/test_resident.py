"""Crops gathered from a corpus on the device are those read from the host's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
import torch

from bodysounds.audio.packed import Packed
from bodysounds.sides import SideTable
from bodysounds.training import resident, setup
from bodysounds.training.crops import draw_windows, read_crops, read_windows
from bodysounds.training.embedding import train_encoder
from bodysounds.training.sampler import Batch

RNG = np.random.default_rng(0)
SAMPLES = RNG.integers(-32768, 32768, 30_000).astype(np.int16)
pytestmark = pytest.mark.usefixtures("one_thread")


def batches(n: int) -> list[tuple[SideTable, Batch]]:
    """Sides of one to eight segments, some empty; crops shorter and longer than they are."""
    found = []
    for number in range(n):
        spans = []
        for n_segments in RNG.integers(1, 9, 6):
            counts = RNG.integers(0, 400, n_segments)
            counts[0] += 1
            spans.append(np.stack([RNG.integers(0, 29_000, n_segments), counts], axis=1))
        n_crops = int(RNG.integers(1, 9))
        one = np.full(n_crops, RNG.integers(1, 1500))
        lengths = RNG.integers(1, 1500, n_crops) if number % 2 else one
        sides = SideTable(pd.DataFrame(), tuple(spans))
        found.append((sides, Batch(RNG.integers(0, 6, n_crops), np.zeros(n_crops, int), lengths)))
    return found


def slow_crop(spans: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """All segments in random order as one row of samples, and a part of it, or it again and again.

    The draws are one permutation and one start.
    """
    joined = np.concatenate([SAMPLES[f : f + c] for f, c in spans[rng.permutation(len(spans))]])
    if len(joined) >= length:
        start = rng.integers(len(joined) - length + 1)
        return joined[start : start + length]
    start = rng.integers(len(joined))
    return joined[(start + np.arange(length)) % len(joined)]


def test_windows_are_read_as_a_plain_loop_would_with_the_same_draws() -> None:
    for seed, (sides, batch) in enumerate(batches(200)):
        ours, slow = np.random.default_rng(seed), np.random.default_rng(seed)
        crops = read_crops(SAMPLES, sides, batch, ours)
        assert crops.shape == (len(batch.rows), batch.lengths.max())
        for crop, row, length in zip(crops, batch.rows, batch.lengths, strict=True):
            assert (crop[:length] == slow_crop(sides.spans[row], length, slow)).all()
            assert not crop[length:].any()
        assert ours.random() == slow.random()


def test_gathered_crops_are_the_read_ones() -> None:
    on_device = torch.from_numpy(SAMPLES)
    for seed, (sides, batch) in enumerate(batches(200)):
        windows = draw_windows(sides, batch, np.random.default_rng(seed))
        table = torch.from_numpy(resident.pieces(windows))
        n_samples = int(batch.lengths.sum())
        crops = resident.gather(on_device, table, len(windows), windows.longest, n_samples)
        assert crops.dtype == torch.int16
        assert (crops.numpy() == read_windows(SAMPLES, windows)).all()


@pytest.mark.parametrize("changes", [{}, {"speeds": [0.9, 1.0]}, {"defects": ["pad_crops"]}])
def test_a_training_on_a_resident_corpus_ends_with_the_same_weights(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = made.corpus(tmp_path, {"train": 6, "dev": 3})
    params = made.small_training(tmp_path / "work", epochs=2, **changes)
    plain = train_encoder(*corpus, params)[0]
    used: list[torch.Size] = []

    def counted(*given: Any) -> torch.Tensor:
        crops = gather(*given)
        used.append(crops.shape)
        return crops

    gather = resident.gather
    monkeypatch.setattr(setup, "resident_samples", resident.put)
    monkeypatch.setattr("bodysounds.training.step.gather", counted)
    gathered = train_encoder(*corpus, params)[0]
    assert used
    assert all(torch.equal(gathered.state[name], weight) for name, weight in plain.state.items())


def test_only_a_gpu_with_room_takes_the_corpus(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    packed = Packed(SAMPLES, pd.DataFrame(), 16_000)
    assert resident.resident_samples(packed, torch.device("cpu")) is None
    monkeypatch.setattr(resident, "put", lambda packed, device: "taken")
    room = SAMPLES.nbytes * 4
    for free, expected in ((room, "taken"), (room - 4, None)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        with caplog.at_level("INFO"):
            assert resident.resident_samples(packed, torch.device("cuda")) == expected
    assert "samples stay in the host's memory" in caplog.text


def test_all_samples_are_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = Packed(SAMPLES, pd.DataFrame(), 16_000)
    monkeypatch.setattr(resident, "AT_A_TIME", 7_001)
    assert (resident.put(packed, torch.device("cpu")).numpy() == SAMPLES).all()
