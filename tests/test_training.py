"""Training learns, chooses by dev, repeats itself, and refuses what cannot work."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
import torch

from bodysounds.audio import augment
from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device, use_bf16
from bodysounds.models.encoder import (
    Encoder,
    network,
    save_encoder,
    state_sha256,
    untrained,
)
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training import step
from bodysounds.training.dev import dev_rates, dev_trials
from bodysounds.training.embedding import train_encoder

Corpus = tuple[Packed, SideTable, pd.DataFrame]
BOTH = [{"name": "aam"}, {"name": "triplet", "weight": 0.5}]
EVERY = [{"name": "noise", "snr_db": [20, 40]}, {"name": "tilt", "p": 0.2, "depth_db": 2}]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 32, "dev": 16})


def params(folder: Path, **changes: Any) -> TrainEmbeddingParams:
    options: dict[str, Any] = {
        "channels": 16,
        "depth": 1,
        "dim": 16,
        "n_mels": 40,
        "epochs": 3,
        "passes_per_epoch": 3,
        "subjects_per_batch": 8,
        "crop_s": [0.4, 0.5],
        "learning_rate": 3e-3,
        "device": "cpu",
        "work_dir": str(folder / "work"),
    }
    return TrainEmbeddingParams(**(options | changes))


def dev_eer(encoder: Encoder, corpus: Corpus) -> float:
    packed, sides, trials = corpus
    return dev_rates(network(encoder), packed, sides, dev_trials(trials, sides))[0]


def test_it_learns_and_dev_chooses(corpus: Corpus, tmp_path: Path) -> None:
    longer = {"epochs": 4, "passes_per_epoch": 6, "learning_rate": 5e-3}
    steps = [{"name": "spec_augment", "p": 0.3, "time_width": 5}, *EVERY]
    chosen = params(tmp_path, losses=BOTH, augment=steps, **longer)
    encoder, dev_encoder, history = train_encoder(*corpus, chosen)
    assert dev_encoder is encoder
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert history["step"].tolist() == [24, 48, 72, 96]
    assert history["loss"].iloc[-1] < 0.6 * history["loss"].iloc[0]
    assert history["loss_aam"].iloc[-1] < history["loss_aam"].iloc[0]
    assert history["train_accuracy"].iloc[-1] > 0.5
    np.testing.assert_allclose(
        history["loss"], history["loss_aam"] + 0.5 * history["loss_triplet"], rtol=1e-5
    )
    figures = history.drop(columns="chosen").to_numpy(np.float64)
    assert np.isfinite(figures).all()
    assert history["items_per_second"].min() > 0

    best = history.sort_values(["dev_eer", "dev_auc", "epoch"], ascending=[True, False, True])
    assert history.loc[history["chosen"], "epoch"].tolist() == [best["epoch"].iloc[0]]
    assert encoder.training["chosen_epoch"] == best["epoch"].iloc[0]
    assert dev_eer(encoder, corpus) == encoder.training["dev_eer"] == history["dev_eer"].min()
    by_chance = [dev_eer(untrained(encoder, seed), corpus) for seed in range(3)]
    assert encoder.training["dev_eer"] < 0.6 * np.mean(by_chance)
    assert "work_dir" not in encoder.training["parameters"]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("front_end", ["speechbrain", "kaldi"])
def test_two_runs_are_equal_and_another_seed_is_not(
    corpus: Corpus, tmp_path: Path, front_end: str
) -> None:
    made_by = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        chosen = params(tmp_path / folder, seed=seed, epochs=1, augment=EVERY, front_end=front_end)
        save_encoder(tmp_path / folder / "e", train_encoder(*corpus, chosen)[0])
        made_by.append((tmp_path / folder / "e").read_bytes())
        torch.manual_seed(seed + 9)  # the global generator has no say
    assert made_by[0] == made_by[1]
    assert made_by[0] != made_by[2]


def test_every_step_draws_its_own_augmentation(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []

    def spy(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        seeds.append(generator.initial_seed())
        return batch

    monkeypatch.setitem(augment.WAVEFORM_STEPS, "tilt", spy)
    chosen = params(tmp_path, epochs=2, augment=[{"name": "tilt"}])
    train_encoder(*corpus, chosen)
    train_encoder(*corpus, chosen)
    assert len(seeds) == 48
    assert len(set(seeds[:24])) == 24
    assert seeds[24:] == seeds[:24]


def test_init_from_starts_from_the_other_weights(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    still = params(tmp_path, epochs=1, passes_per_epoch=1, learning_rate=0.0)
    other = train_encoder(*corpus, replace(still, seed=5))[0]
    with caplog.at_level(logging.INFO):
        moved = train_encoder(*corpus, still, other)[0]
    for name, weight in other.state.items():
        if not ("running" in name or "num_batches" in name):
            assert torch.equal(moved.state[name], weight)
    assert f"{len(other.state)} weights matched" in caplog.text
    assert "missing: none" in caplog.text
    started = moved.training["init"]
    assert sorted(started["matched"]) == sorted(other.state)
    assert (started["missing"], started["skipped"], started["strict"]) == ([], [], True)
    assert started["sha256"] == state_sha256(other.state) != state_sha256(moved.state)
    assert other.training["init"] is None
    for change, message in (
        ({"dim": 8}, "'dim': 16.* does not fit train_embedding: .*make the two"),
        ({"front_end": "kaldi"}, "front end .*'speechbrain'.* asks for .*'kaldi'"),
    ):
        with pytest.raises(ValueError, match=message):
            train_encoder(*corpus, replace(still, **change), other)


def test_a_loose_start_takes_what_matches_and_lists_the_rest(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    still = params(tmp_path, epochs=1, passes_per_epoch=1, learning_rate=0.0)
    other = train_encoder(*corpus, replace(still, seed=5))[0]
    loose = replace(still, dim=8, front_end="kaldi", init_strict=False)
    with caplog.at_level(logging.INFO):
        moved, _, history = train_encoder(*corpus, loose, other)
    row = history.iloc[0]  # as the bar beside it and the report: in per cent
    assert f"epoch 1 of 1: loss {row['loss']:.4f}, " in caplog.text
    assert f", dev EER {100 * row['dev_eer']:.1f}%, " in caplog.text
    started = moved.training["init"]
    assert "its weights are loaded all the same" in caplog.text
    assert [words.split(":")[0] for words in started["skipped"]] == [
        "fc.conv.weight", "fc.conv.bias",
    ]  # fmt: skip
    assert "skipped: fc.conv.weight: its shape is (16" in caplog.text
    assert set(started["matched"]) == set(other.state) - {"fc.conv.weight", "fc.conv.bias"}
    name = "blocks.1.tdnn1.conv.conv.weight"
    assert torch.equal(moved.state[name], other.state[name])


def test_what_cannot_work_is_refused_in_a_sentence(corpus: Corpus, tmp_path: Path) -> None:
    packed, sides, trials = corpus
    chosen = params(tmp_path)
    no_target = trials[trials["target"] == 0]
    with pytest.raises(ValueError, match="dev has no target pair"):
        train_encoder(packed, sides, no_target, chosen)
    unknown = trials.assign(target=pd.array([pd.NA] * len(trials), dtype="Int64"))
    with pytest.raises(ValueError, match="dev has no target pair"):
        train_encoder(packed, sides, unknown, chosen)
    with pytest.raises(ValueError, match="dev has no non-target pair"):
        train_encoder(packed, sides, trials[trials["target"] == 1], chosen)
    for column, value, message in (
        ("subset", "dev", r"train has 0 known subject\(s\) and needs at least 2"),
        ("subject_id", "one", r"train has 1 known subject\(s\)"),
        ("group_id", "one", "all of one group"),
    ):
        other = SideTable(sides.table.assign(**{column: value}), sides.spans)
        with pytest.raises(ValueError, match=message):
            train_encoder(packed, other, trials, chosen)
    assert not (tmp_path / "work").exists()


def test_a_loss_that_is_not_finite_stops_the_run(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "learning_rate", lambda *_: float("inf"))
    with pytest.raises(ValueError, match=r"epoch 1, step 2: lower train_embedding.learning_rate"):
        train_encoder(*corpus, params(tmp_path))


def test_devices_and_precisions() -> None:
    cpu = torch.device("cpu")
    assert choose_device("cpu") == cpu
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "cuda:x", "cpu:0"):
        with pytest.raises(ValueError, match=f"cuda or cuda:N, got '{name}'"):
            choose_device(name)
    with pytest.raises(ValueError, match="device 'cuda:99' is not there"):
        choose_device("cuda:99")
    assert use_bf16("bf16", cpu) is True
    assert use_bf16("float32", cpu) is False
    assert isinstance(use_bf16("auto", cpu), bool)
