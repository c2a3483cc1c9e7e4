"""What is kept, averaged, validated, cut short and refit."""

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
from kedro.io import Version

from bodysounds.datasets.encoder import EncoderDataset
from bodysounds.losses.build import WeightedLosses
from bodysounds.models.encoder import Encoder, load_encoder, network
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training import step, validation
from bodysounds.training.best import average, best_epochs
from bodysounds.training.dev import dev_rates, dev_trials
from bodysounds.training.embedding import train_encoder
from bodysounds.training.schedule import cyclic, plateau, warmup_cosine
from bodysounds.training.subjects import choose_sources, joined, list_subjects

Corpus = tuple[Any, SideTable, pd.DataFrame]
TIMES = ["seconds", "items_per_second"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 16, "dev": 8}, seconds=0.4)


def params(folder: Path, **changes: Any) -> TrainEmbeddingParams:
    own: dict[str, Any] = {"epochs": 5, "learning_rate": 5e-3, "losses": [{"name": "triplet"}]}
    return made.small_training(folder, **(own | changes))


def rates(encoder: Encoder, corpus: Corpus) -> tuple[float, float]:
    packed, sides, trials = corpus
    return dev_rates(network(encoder), packed, sides, dev_trials(trials, sides))


@pytest.mark.parametrize(
    ("judged", "expected"),
    [
        ([(0.3, 0.8), (0.2, 0.7), (0.25, 0.9)], [2, 3]),
        ([(0.2, 0.8), (0.2, 0.9), (0.2, 0.85)], [2, 3]),
        ([(0.3, 0.5), (0.2, 0.9), (0.2, 0.9)], [2, 3]),
        ([(0.2, 0.9), (0.2, 0.9)], [1, 2]),
        ([(0.2, 0.9)], [1]),
    ],
)
def test_lower_eer_then_higher_auc_then_the_earlier_epoch(
    judged: list[tuple[float, float]], expected: list[int]
) -> None:
    history = [{"dev_eer": eer, "dev_auc": auc} for eer, auc in judged]
    assert best_epochs(history, TrainEmbeddingParams(keep_best=2)) == expected
    assert best_epochs(history, TrainEmbeddingParams(keep_best=1)) == expected[:1]


def test_the_mean_of_weights_has_the_mean_of_running_statistics() -> None:
    one = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(5), "running_mean": torch.ones(1)}
    two = {"w": torch.tensor([3.0, 2.0]), "n": torch.tensor(9), "running_mean": torch.zeros(1)}
    mean = average([one, two])
    assert mean["w"].tolist() == [2.0, 2.0]
    assert mean["running_mean"].tolist() == [0.5]
    assert int(mean["n"]) == 5
    assert mean["w"].dtype == torch.float32


def test_the_best_are_kept_averaged_and_loaded_again(corpus: Corpus, tmp_path: Path) -> None:
    encoder, _, history = train_encoder(*corpus, params(tmp_path, keep_best=3, average_best=True))
    order = history.sort_values(["dev_eer", "dev_auc"], ascending=[True, False], kind="stable")
    best = order["epoch"].head(3).tolist()
    assert [kept.training["chosen_epoch"] for kept in encoder.best] == best
    assert encoder.training["averaged_epochs"] == sorted(best)
    assert history.loc[history["chosen"], "epoch"].tolist() == sorted(best)
    for kept, row in zip(encoder.best, order.head(3).itertuples(), strict=True):
        assert rates(kept, corpus) == (row.dev_eer, row.dev_auc)  # the weights are of that epoch
    for name, weight in encoder.state.items():
        if weight.is_floating_point():
            by_hand = np.mean([kept.state[name].double().numpy() for kept in encoder.best], axis=0)
            np.testing.assert_allclose(weight.numpy(), by_hand, rtol=1e-6)
    assert rates(encoder, corpus) == (encoder.training["dev_eer"], encoder.training["dev_auc"])

    path = tmp_path / "encoder.safetensors"
    EncoderDataset(filepath=str(path), version=Version(None, "v")).save(encoder)
    for number, kept in enumerate(encoder.best, start=1):
        single = EncoderDataset(filepath=str(path / "v" / f"best_{number}.safetensors")).load()
        assert single.training == kept.training
        assert all(torch.equal(single.state[name], kept.state[name]) for name in kept.state)
    # neither the catalog nor a path of the folder takes one of them for the encoder
    latest = EncoderDataset(filepath=str(path), version=Version(None, None)).load()
    for found in (latest, load_encoder(path), load_encoder(path / "v")):
        assert found.training["averaged_epochs"] == sorted(best)


def test_dev_decides_between_the_mean_and_the_best(corpus: Corpus, tmp_path: Path) -> None:
    for seed in range(3):
        options = {"keep_best": 3, "seed": seed, "epochs": 4}
        auto = train_encoder(*corpus, params(tmp_path, average_best="auto", **options))[0]
        mean = train_encoder(*corpus, params(tmp_path, average_best=True, **options))[0]
        best = train_encoder(*corpus, params(tmp_path, average_best=False, **options))[0]
        (mean_eer, mean_auc), (best_eer, best_auc) = rates(mean, corpus), rates(best, corpus)
        better = mean if (mean_eer, -mean_auc) < (best_eer, -best_auc) else best
        assert auto.training["dev_eer"] == min(mean_eer, best_eer)
        assert all(torch.equal(auto.state[name], better.state[name]) for name in auto.state)


@pytest.mark.parametrize(("dev", "averaged"), [((-1.0, 1.0), True), ((1.0, 0.0), False)])
def test_the_mean_is_taken_where_dev_says_so(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    dev: tuple[float, float], averaged: bool,
) -> None:  # fmt: skip
    from bodysounds.training import best

    asked = []

    def say(module: Any, *_: Any) -> tuple[float, float]:
        asked.append({name: weight.clone() for name, weight in module.body.state_dict().items()})
        return dev

    monkeypatch.setattr(best, "dev_rates", say)
    found = train_encoder(*corpus, params(tmp_path, average_best="auto", keep_best=3, epochs=4))[0]
    assert bool(found.training["averaged_epochs"]) is averaged
    (mean,) = asked  # the others are known from their epochs
    assert all(torch.equal(found.state[n], mean[n]) for n in mean) is averaged


def test_the_audio_budget_ends_training_and_fits_the_schedule(
    corpus: Corpus, tmp_path: Path
) -> None:
    whole = train_encoder(*corpus, params(tmp_path, epochs=3))[2]
    assert whole["audio_s"].is_monotonic_increasing
    budget = float(whole["audio_s"].iloc[0]) + 2.0
    encoder, _, cut = train_encoder(*corpus, params(tmp_path, epochs=3, audio_budget_s=budget))
    heard = cut["audio_s"].iloc[-1]
    assert budget <= heard < budget + 8 * 0.4  # less than a batch more
    assert cut["step"].tolist() == [4, 5]
    assert heard == encoder.training["audio_s"] or encoder.training["chosen_epoch"] == 1
    assert cut["dev_eer"].notna().all()  # the epoch cut short too
    assert cut["learning_rate"].iloc[-1] == pytest.approx(5e-3 * 0.5 * (1 + np.cos(np.pi * 4 / 5)))
    never = train_encoder(*corpus, params(tmp_path, epochs=3, audio_budget_s=1e9))[2]
    assert never.drop(columns=TIMES).equals(whole.drop(columns=TIMES))


def spied(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[Any]:
    """Return what is judged by this module from now on."""
    seen: list[Any] = []
    original = module.judge

    def spy(run: Any, features: Any, batch: Any, subjects: Any) -> Any:
        seen.append((features.clone(), batch, subjects, run.sources.sides))
        return original(run, features, batch, subjects)

    monkeypatch.setattr(module, "judge", spy)
    return seen


def test_another_session_of_the_same_subjects_validates(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides, trials = corpus
    # train00 lacks D and train01 lacks B: neither takes part
    gone = sides.table["side_id"].isin(["train00_D", "train01_B"])
    kept = np.flatnonzero(~gone)
    fewer = SideTable(
        sides.table.iloc[kept].reset_index(drop=True), tuple(sides.spans[k] for k in kept)
    )
    learnt, judged = spied(monkeypatch, step), spied(monkeypatch, validation)
    chosen = params(
        tmp_path, losses=[{"name": "aam"}], crops_per_subject=1, train_session="B",
        validate_session="D", epochs=4,
    )  # fmt: skip
    encoder, _, history = train_encoder(packed, fewer, trials, chosen)
    assert encoder.training["n_subjects"] == encoder.training["n_validation"] == 14
    for seen, session in ((learnt, "B"), (judged, "D")):
        for _, batch, subjects, table in seen:
            rows = table.table.iloc[batch.rows]
            assert set(rows["session_id"]) == {session}
            assert set(rows["subset"]) == {"train"}
            assert rows["subject_id"].tolist() == [subjects.ids[k] for k in batch.labels]
    assert learnt[0][2].ids == judged[0][2].ids  # the classes are the same
    assert history["validation_accuracy"].between(0, 1).all()
    assert history["validation_loss"].nunique() == 4
    crops = [features for features, *_ in judged]
    per_epoch = len(crops) // 4
    assert all(torch.equal(a, b) for a, b in zip(crops, crops[per_epoch:], strict=False))


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.9, r"after train_embedding.validation_share = 0.9 .*at least 2: lower that share, or"),
        (0.1, r"kept by train_embedding.validation_share = 0.1 .*at least 2: raise that share, or"),
    ],
)
def test_a_share_that_leaves_too_few_names_the_share(
    corpus: Corpus, tmp_path: Path, share: float, said: str
) -> None:
    table = corpus[1].table
    few = sorted(table.loc[table["subset"] == "train", "subject_id"].unique())[:6]
    rows = np.flatnonzero(table["subject_id"].isin(few))
    sides = SideTable(
        table.iloc[rows].reset_index(drop=True), tuple(corpus[1].spans[row] for row in rows)
    )
    with pytest.raises(ValueError, match=said) as caught:
        choose_sources(sides, params(tmp_path, validation_share=share), made.RATE)
    assert "split." not in str(caught.value)


def test_a_share_of_the_groups_validates_and_its_loss_is_the_losses_own(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = corpus[1]
    # two siblings share a group
    group = sides.table["subject_id"].replace({"train02": "train01", "train09": "train08"})
    grouped = SideTable(sides.table.assign(group_id=group), sides.spans)
    drawn = set()
    for seed in range(5):
        sources = choose_sources(
            grouped, params(tmp_path, validation_share=0.25, seed=seed), made.RATE
        )
        assert sources.validation is not None
        teach, judge = set(sources.train.ids), set(sources.validation.ids)
        assert not teach & judge
        assert teach | judge == set(list_subjects(grouped).ids)
        for a, b in (("train01", "train02"), ("train08", "train09")):
            assert (a in judge) == (b in judge)
        assert len(set(sources.validation.groups.tolist())) == round(0.25 * 14)
        drawn.add(tuple(sorted(judge)))
    assert len(drawn) > 1

    judged = spied(monkeypatch, validation)
    encoder, _, history = train_encoder(
        *corpus, params(tmp_path, epochs=1, validation_share=0.25, precision="float32")
    )
    total, count = 0.0, 0
    for features, batch, _, _ in judged:
        with torch.inference_mode():
            found = network(encoder).embed(features).numpy()
        unit = found / np.linalg.norm(found, axis=1, keepdims=True)
        distance = 1 - unit @ unit.T
        for k, label in enumerate(batch.labels):
            own = (batch.labels == label) & (np.arange(len(unit)) != k)
            furthest, nearest = distance[k][own].max(), distance[k][batch.labels != label].min()
            total += max(0.0, 0.3 + furthest - nearest)
            count += 1
    assert history["validation_loss"].item() == pytest.approx(total / count, abs=1e-5)


def test_joined_sessions_are_one_recording(corpus: Corpus, tmp_path: Path) -> None:
    _, sides, _ = corpus
    whole = joined(sides)
    assert whole.table["side_id"].tolist() == sorted(set(sides.table["subject_id"]))
    for row in range(len(whole)):
        own = np.flatnonzero(sides.table["subject_id"] == whole.table["subject_id"][row])
        segments = np.concatenate([sides.spans[k] for k in own])
        assert whole.spans[row].tolist() == segments.tolist()
        assert whole.table["n_samples"][row] == segments[:, 1].sum()
    sources = choose_sources(sides, params(tmp_path, join_sessions=True), made.RATE)
    assert all(len(sessions) == 1 for sessions in sources.train.sessions)


def test_plateau_follows_the_validation_loss_or_dev(corpus: Corpus, tmp_path: Path) -> None:
    eager = {"schedule": [{"name": "plateau", "factor": 0.5, "patience": 0}], "epochs": 6}
    for share, column in ((0.25, "validation_loss"), (0.0, "dev_eer")):
        _, _, history = train_encoder(*corpus, params(tmp_path, validation_share=share, **eager))
        seen = history[column].tolist()
        expected = [plateau(seen[:epoch], 5e-3, 0.5, 0) for epoch in range(6)]
        assert history["learning_rate"].tolist() == expected
        assert len(set(expected)) > 1


def test_the_losses_are_told_how_far_training_is(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(WeightedLosses, "set_progress", lambda _, share: shares.append(share))
    train_encoder(*corpus, params(tmp_path, epochs=2))
    assert shares == [step / 8 for step in range(8)]


def test_the_optimisers_differ_by_how_weights_decay(corpus: Corpus, tmp_path: Path) -> None:
    def trained(optimiser: str, **changes: Any) -> torch.Tensor:
        one_step = {"epochs": 1, "subjects_per_batch": 16, "schedule": [{"name": "constant"}]}
        chosen = params(tmp_path, optimiser=optimiser, **(one_step | changes))
        return train_encoder(*corpus, chosen)[0].state["fc.conv.weight"]

    start = trained("adam", learning_rate=0.0)
    free = trained("adam", weight_decay=0.0)
    assert torch.equal(free, trained("adamw", weight_decay=0.0))
    # AdamW shrinks the weights by rate times decay; Adam's first step has the rate's length still
    shrunk = trained("adamw", weight_decay=0.5) - free
    torch.testing.assert_close(shrunk, -5e-3 * 0.5 * start, rtol=1e-3, atol=1e-6)
    stepped = (trained("adam", weight_decay=0.5) - start).abs()
    torch.testing.assert_close(stepped, torch.full_like(stepped, 5e-3), rtol=1e-2, atol=0)


def test_unit_length_is_what_the_losses_see(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[bool] = []
    original = WeightedLosses.forward

    def spy(self: Any, embeddings: torch.Tensor, *rest: Any) -> Any:
        unit = torch.ones(len(embeddings))
        lengths.append(torch.allclose(embeddings.detach().norm(dim=1), unit, atol=1e-5))
        return original(self, embeddings, *rest)

    monkeypatch.setattr(WeightedLosses, "forward", spy)
    for unit_length in (True, False):
        lengths.clear()
        train_encoder(*corpus, params(tmp_path, epochs=1, unit_length=unit_length))
        assert set(lengths) == {unit_length}


def test_refit_learns_from_train_and_dev_for_as_long_as_dev_chose(
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alone = params(
        tmp_path,
        validation_share=0.25,
        schedule=[{"name": "cyclic", "base_lr": 0.0, "step_size": 6}],
    )
    plain, same, before = train_encoder(*corpus, alone)
    assert plain is same
    learnt = spied(monkeypatch, step)
    with caplog.at_level(logging.INFO):
        encoder, dev_encoder, history = train_encoder(*corpus, replace(alone, refit="train+dev"))
    # dev's choice is what it was, and is handed over for dev's trials
    assert history.drop(columns=TIMES).equals(before.drop(columns=TIMES))
    assert all(torch.equal(dev_encoder.state[name], weight) for name, weight in plain.state.items())
    assert dev_encoder.training["refit"] is None
    chosen = dev_encoder.training["chosen_epoch"]
    assert encoder.training["refit"] == {
        "subsets": ["train", "dev"], "epochs": chosen,
        "dev_eer_before": dev_encoder.training["dev_eer"],
    }  # fmt: skip
    assert f"24 subjects, {chosen} epochs as dev chose" in caplog.text
    assert encoder.training["n_subjects"] == 24
    assert encoder.training["dev_eer"] is None
    first, later = learnt[: 5 * 3], learnt[5 * 3 :]  # 12 subjects teach, then 24, 4 a batch
    assert len(later) == encoder.training["steps"] == chosen * 6

    def heard(batches: list[Any]) -> set[str]:
        return {subjects.ids[k] for _, batch, subjects, _ in batches for k in batch.labels}

    everybody = {f"train{k:02d}" for k in range(16)} | {f"dev{k:02d}" for k in range(8)}
    assert len(heard(first)) == 12
    assert heard(later) == everybody
    assert all(torch.isfinite(weight).all() for weight in encoder.state.values())
    assert list((tmp_path / "work").iterdir()) == []


def test_a_refit_repeats_the_learning_rate_and_the_mean(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[float] = []
    original = step.rate

    def spy(run: Any, state: Any) -> float:
        used.append(original(run, state))
        return used[-1]

    monkeypatch.setattr(step, "rate", spy)
    # epochs of 4 steps become epochs of 6: the cosine and the cycle take half as long again
    for schedule, expected in (
        (
            {"name": "plateau", "factor": 0.5, "patience": 0},
            lambda before: np.repeat(before[::4], 6),
        ),
        (
            {"name": "warmup_cosine", "warmup_share": 0.1},
            lambda _: [warmup_cosine(s, 30, 5e-3, 0.1) for s in range(30)],
        ),
        (
            {"name": "cyclic", "base_lr": 0.0, "step_size": 8},
            lambda _: [cyclic(s, 0.0, 5e-3, 12) for s in range(30)],
        ),
    ):
        used.clear()
        chosen = params(
            tmp_path, schedule=[schedule], keep_best=2, average_best=True, refit="train+dev"
        )
        encoder, dev_encoder, _ = train_encoder(*corpus, chosen)
        before, after = used[: 5 * 4], used[5 * 4 :]
        last = max(dev_encoder.training["averaged_epochs"])
        assert encoder.training["averaged_epochs"] == dev_encoder.training["averaged_epochs"]
        assert len(after) == last * 6
        assert after == pytest.approx(expected(before)[: len(after)])
        assert encoder.best == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crops_per_subject": 1}, "loss triplet needs two crops of a subject"),
        ({"crops_per_subject": 1, "losses": [{"name": "supcon"}]}, "loss supcon needs two crops"),
        ({"optimiser": "sgd"}, "optimiser must be one of adam, adamw, got 'sgd'"),
        ({"refit": "all"}, r"refit must be one of None, train\+dev, got 'all'"),
        ({"average_best": "yes"}, "average_best must be one of True, False, auto"),
        ({"keep_best": 0}, r"keep_best must lie in \[1, 100\], got 0"),
        ({"audio_budget_s": 0}, "audio_budget_s must be above 0 or null, got 0"),
        ({"clip_norm": -1.0}, "clip_norm must be above 0 or null"),
        ({"validate_session": "D"}, "name the session that teaches too"),
        ({"train_session": "B", "validate_session": "B"}, "name two sessions"),
        ({"validation_share": 0.95}, r"validation_share must lie in \[0, 0.9\]"),
        ({"validation_share": 0.2, "losses": [{"name": "aam"}]}, "aam, which knows only those"),
        (
            {"validation_share": 0.2, "train_session": "B", "validate_session": "D"},
            "both ask for a validation set",
        ),
        ({"join_sessions": True, "train_session": "B"}, "leave one of them out"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_together_is_refused(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        params(tmp_path, **wrong)


def test_sessions_that_nobody_has_are_named(corpus: Corpus, tmp_path: Path) -> None:
    chosen = params(tmp_path, train_session="B", validate_session="X")
    with pytest.raises(ValueError, match=r"0 known subject\(s\) with sessions B and X"):
        train_encoder(*corpus, chosen)
