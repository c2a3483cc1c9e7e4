"""Subjects at other speeds are other subjects, in what is heard, in classes and in groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
import torch

from bodysounds.losses.build import WeightedLosses
from bodysounds.losses.pairs import pair_masks
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training import step
from bodysounds.training.embedding import train_encoder
from bodysounds.training.sampler import Batch, plan_epoch
from bodysounds.training.speeds import as_recorded, at_speeds, class_groups, draw_speeds, n_read
from bodysounds.training.subjects import list_subjects

RATE = 16_000
SPEEDS = [0.9, 1.0, 1.1]
Corpus = tuple[Any, SideTable, pd.DataFrame]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 12, "dev": 6}, seconds=0.4)


def params(folder: Path, **changes: Any) -> TrainEmbeddingParams:
    own: dict[str, Any] = {"losses": [{"name": "aam"}, {"name": "triplet"}], "speeds": SPEEDS}
    return made.small_training(folder, **(own | changes))


def pitch(waveform: np.ndarray) -> float:
    """The strongest frequency (Hz)."""
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 8 * len(waveform)))
    return float(np.argmax(spectrum)) * RATE / (8 * len(waveform))


@pytest.mark.parametrize("length", [4_000, 4_001])
def test_a_faster_voice_is_higher_by_the_speed(length: int) -> None:
    speeds = np.array([1.0, 0.9, 1.1, 2.0, 0.5, 1.07, 0.9])
    tones = np.array([440, 440, 440, 440, 440, 440, 700.0])
    time = np.arange(2 * length) / RATE
    waveforms = torch.from_numpy(np.sin(2 * np.pi * tones[:, None] * time)).float()
    read = n_read(np.full(len(speeds), length), speeds)
    np.testing.assert_allclose(read, length * speeds, atol=1)
    waveforms[torch.arange(2 * length)[None, :] >= torch.from_numpy(read)[:, None]] = 9.0
    heard = at_speeds(waveforms, speeds, length)
    assert heard.shape == (7, length)
    assert torch.equal(heard[0], waveforms[0, :length])
    for wave, speed, tone in zip(heard.numpy(), speeds, tones, strict=True):
        assert pitch(wave) == pytest.approx(speed * tone, rel=2e-3)
        # the whole crop sounds: nothing of what was not read is in it, and no silence
        assert np.abs(wave).max() < 1.3
        assert np.abs(wave[-400:]).max() > 0.7


def test_a_subject_at_another_speed_is_another_class_and_group(corpus: Corpus) -> None:
    subjects = list_subjects(corpus[1])
    rng = np.random.default_rng(0)
    plan = plan_epoch(subjects, 4, 2, [0.3, 0.4], RATE, 30, rng)
    drawn = [draw_speeds(batch, SPEEDS, rng) for batch in plan]
    seen = set()
    for before, after in zip(plan, drawn, strict=True):
        assert after.speeds is not None
        assert (after.labels // 3 == before.labels).all()
        assert (np.array(SPEEDS)[after.labels % 3] == after.speeds).all()
        # the crops of a subject in a batch have one speed, so that each has its positive
        assert len(set(after.labels.tolist())) == len(set(before.labels.tolist()))
        assert (after.lengths == before.lengths).all()
        seen |= set(after.labels.tolist())
    assert seen == set(range(12 * 3))
    counts = np.bincount(np.concatenate([batch.labels % 3 for batch in drawn]))
    assert (np.abs(counts / counts.sum() - 1 / 3) < 0.06).all()


def test_groups_are_apart_at_one_speed_and_rivals_at_two() -> None:
    # subjects 0 and 1 are of one group, 2 of another
    groups = class_groups(np.array([0, 0, 1]), 2)
    labels = torch.arange(6)
    _, negative = pair_masks(labels, torch.from_numpy(groups))
    for a in range(6):
        for b in range(6):
            same_group, same_speed = a // 4 == b // 4, a % 2 == b % 2
            assert bool(negative[a, b]) == (not (same_group and same_speed))
    assert (class_groups(np.array([4, 4, 7]), 1) == [4, 4, 7]).all()


def test_one_speed_draws_nothing() -> None:
    rng = np.random.default_rng(5)
    batch = Batch(np.arange(3), np.arange(3), np.full(3, 60))
    assert draw_speeds(batch, [1.0], rng) is batch
    assert rng.random() == np.random.default_rng(5).random()
    assert (as_recorded(batch, [1.0]).labels == batch.labels).all()
    assert as_recorded(batch, SPEEDS).labels.tolist() == [1, 4, 7]


def test_training_hears_the_speeds_and_validation_does_not(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: dict[bool, set[int]] = {True: set(), False: set()}
    speeds: dict[bool, set[float]] = {True: set(), False: set()}
    whole, forward = step.at_speeds, WeightedLosses.forward

    def judged(losses: WeightedLosses, *given: torch.Tensor) -> Any:
        labels[losses.training] |= set(given[1].tolist())
        assert losses.losses["aam"].weight.shape == (36, 8)
        return forward(losses, *given)

    def heard(waveforms: torch.Tensor, drawn: np.ndarray, n_samples: int) -> torch.Tensor:
        speeds[True] |= set(drawn.tolist())
        assert waveforms.shape[1] >= n_read(np.array([n_samples]), np.array([drawn.max()]))[0]
        return whole(waveforms, drawn, n_samples)

    monkeypatch.setattr(WeightedLosses, "forward", judged)
    monkeypatch.setattr(step, "at_speeds", heard)
    chosen = params(tmp_path, epochs=4, train_session="B", validate_session="D")
    encoder, _, history = train_encoder(*corpus, chosen)
    assert labels[False] == {3 * k + 1 for k in range(12)}
    assert {k % 3 for k in labels[True]} == {0, 1, 2}
    assert speeds[True] == set(SPEEDS)
    assert encoder.training["parameters"]["speeds"] == SPEEDS
    assert encoder.training["n_subjects"] == 12
    assert np.isfinite(history["validation_loss"]).all()


def test_runs_with_speeds_repeat_themselves_and_are_refit(corpus: Corpus, tmp_path: Path) -> None:
    chosen = params(tmp_path, refit="train+dev")
    first, second = (train_encoder(*corpus, chosen)[0] for _ in range(2))
    plain = train_encoder(*corpus, replace(chosen, speeds=[1.0]))[0]
    assert first.training["n_subjects"] == 18
    for name, weight in first.state.items():
        assert torch.equal(weight, second.state[name])
    assert not torch.equal(first.state["fc.conv.weight"], plain.state["fc.conv.weight"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speeds": []}, r"must hold 1\.0"),
        ({"speeds": [0.9, 1.1]}, r"must hold 1\.0"),
        ({"speeds": [1.0, 0.9, 0.9]}, "none twice"),
        ({"speeds": [1.0, 0.4]}, r"must lie in \[0\.5, 2\], got 0\.4"),
        ({"speeds": [1.0, float("nan")]}, r"must lie in \[0\.5, 2\], got nan"),
        ({"speeds": [1.0, "fast"]}, "must be a number, got 'fast'"),
        ({"speeds": [1.0, 0.905]}, r"hundredths, got 0\.905"),
        ({"defects": ["pad_crops"]}, "pad_crops do not go together"),
    ],
)
def test_speeds_that_make_no_sense_are_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        params(tmp_path, **changes)
