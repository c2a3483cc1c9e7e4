"""Each defect of the published triplet solution does what its name says, none by default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch

from bodysounds.params import TrainEmbeddingParams
from bodysounds.training import step, validation
from bodysounds.training.crops import read_crops
from bodysounds.training.embedding import train_encoder
from bodysounds.training.sampler import Batch, plan_epoch
from bodysounds.training.subjects import Subjects

Corpus = tuple[Any, Any, Any]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 16, "dev": 6}, seconds=0.4)


def params(folder: Path, *defects: str, **changes: Any) -> TrainEmbeddingParams:
    options: dict[str, Any] = {
        "channels": 8,
        "depth": 1,
        "dim": 8,
        "n_mels": 24,
        "epochs": 3,
        "subjects_per_batch": 4,
        "crops_per_subject": 2,
        "crop_s": [0.3, 0.5],
        "losses": [{"name": "triplet"}],
        "validation_share": 0.25,
        "device": "cpu",
        "work_dir": str(folder / "work"),
        "defects": list(defects),
    }
    return TrainEmbeddingParams(**(options | changes))


def people(count: int) -> Subjects:
    rows = tuple((np.array([2 * k]), np.array([2 * k + 1])) for k in range(count))
    return Subjects(tuple(map(str, range(count))), np.arange(count), rows)


def plan(count: int, *defects: str, seed: int = 0) -> list[Batch]:
    rng = np.random.default_rng(seed)
    return plan_epoch(people(count), 8, 2, [3.0, 5.0], 16_000, 1, rng, defects)


def test_draw_with_replacement_leaves_38_percent_without_a_partner() -> None:
    batches = [
        batch for seed in range(60) for batch in plan(70, "draw_with_replacement", seed=seed)
    ]
    assert len(batches) == 60 * 4  # of 16; the last 6 subjects are not heard
    counts = [np.bincount(batch.labels, minlength=70) for batch in batches]
    assert {int(count.sum()) for count in counts} == {16}
    alone = sum(int((count == 1).sum()) for count in counts) / (16 * len(counts))
    assert alone == pytest.approx((15 / 16) ** 15, abs=0.02)  # 0.38
    for first in range(0, len(counts), 4):  # blocks of an epoch share no subject
        assert (np.array(counts[first : first + 4]) > 0).sum(axis=0).max() == 1
    assert all((batch.rows // 2 == batch.labels).all() for batch in batches)

    sound = [np.bincount(batch.labels) for batch in plan(70)]
    assert {int(n) for count in sound for n in count[count > 0]} == {2}


def test_pad_crops_pads_crops_of_their_own_length(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []

    def spy(samples: Any, sides: Any, batch: Batch, rng: Any, own: slice) -> Any:
        crops = read_crops(samples, sides, batch, rng, own)
        heard.append((crops, batch.lengths))
        return crops

    monkeypatch.setattr(step, "read_crops", spy)
    train_encoder(*corpus, params(tmp_path, "pad_crops", epochs=1))
    for crops, lengths in heard:
        assert len(set(lengths.tolist())) > 1
        assert crops.shape[1] == max(lengths)
        for crop, length in zip(crops, lengths, strict=True):
            assert not crop[length:].any()
            assert crop[:length].any()
    assert min(int(lengths.min()) for _, lengths in heard) >= 4_800
    assert max(int(lengths.max()) for _, lengths in heard) <= 8_000
    heard.clear()
    train_encoder(*corpus, params(tmp_path, epochs=1))
    assert all((lengths == crops.shape[1]).all() for crops, lengths in heard)


def test_frozen_batch_norm_learns_weights_but_no_statistics(corpus: Corpus, tmp_path: Path) -> None:
    for defects, frozen in (((), False), (("frozen_batch_norm",), True)):
        encoder = train_encoder(*corpus, params(tmp_path, *defects))[0]
        untouched = train_encoder(*corpus, params(tmp_path, *defects, learning_rate=0.0))[0]
        for name, weight in encoder.state.items():
            if name.endswith(("running_mean", "running_var")):
                start = torch.full_like(weight, float("var" in name))
                assert torch.equal(weight, start) == frozen, name
            elif name.endswith("conv.weight"):
                assert not torch.equal(weight, untouched.state[name]), name


def test_validation_gradients_cost_memory_and_change_nothing(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked: list[bool] = []
    original = validation.judge

    def spy(*args: Any) -> Any:
        loss, parts = original(*args)
        tracked.append(loss.requires_grad)
        return loss, parts

    monkeypatch.setattr(validation, "judge", spy)
    _, _, sound = train_encoder(*corpus, params(tmp_path))
    assert tracked
    assert not any(tracked)
    tracked.clear()
    _, _, faulty = train_encoder(*corpus, params(tmp_path, "validation_gradients"))
    assert tracked
    assert all(tracked)
    same = [name for name in sound if name not in ("seconds", "items_per_second")]
    assert faulty[same].equals(sound[same])


def test_choose_by_loss_chooses_by_the_loss_of_random_batches(
    corpus: Corpus, tmp_path: Path
) -> None:
    differ = 0
    for seed in range(4):
        longer = {"epochs": 6, "learning_rate": 5e-3, "seed": seed}
        encoder, _, history = train_encoder(*corpus, params(tmp_path, "choose_by_loss", **longer))
        chosen = history.loc[history["chosen"], "epoch"].item()
        assert chosen == history["validation_loss"].idxmin() + 1
        assert chosen == encoder.training["chosen_epoch"]
        _, _, sound = train_encoder(*corpus, params(tmp_path, **longer))
        best = sound.sort_values(["dev_eer", "dev_auc"], ascending=[True, False], kind="stable")
        assert sound.loc[sound["chosen"], "epoch"].item() == best["epoch"].iloc[0]
        assert history["dev_eer"].equals(sound["dev_eer"])
        differ += chosen != best["epoch"].iloc[0]
    assert differ

    still = {"learning_rate": 0.0}
    frozen = train_encoder(*corpus, params(tmp_path, "frozen_batch_norm", **still))[2]
    assert frozen["validation_loss"].nunique() == 1
    drawn = train_encoder(*corpus, params(tmp_path, "frozen_batch_norm", "choose_by_loss", **still))
    assert drawn[2]["validation_loss"].nunique() == 3
    with pytest.raises(ValueError, match="choose_by_loss and nothing validates"):
        params(tmp_path, "choose_by_loss", validation_share=0.0)


def test_no_seed_draws_one_and_records_it(corpus: Corpus, tmp_path: Path) -> None:
    one, other = (train_encoder(*corpus, params(tmp_path, "no_seed"))[0] for _ in range(2))
    assert one.training["seed"] != other.training["seed"]
    assert one.training["parameters"]["seed"] == one.training["seed"]
    again = train_encoder(*corpus, params(tmp_path, seed=one.training["seed"]))[0]
    assert all(torch.equal(again.state[name], weight) for name, weight in one.state.items())
    assert not all(torch.equal(other.state[name], weight) for name, weight in one.state.items())


def test_an_unknown_defect_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"defects\[\] must be one of .*got 'slow'"):
        params(tmp_path, "slow")
