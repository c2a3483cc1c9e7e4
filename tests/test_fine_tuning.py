"""Frozen stages, slower stages, classes from means, and subjects with little audio."""

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
from torch.nn import functional

from bodysounds.beforehand import check_task
from bodysounds.models.encoder import Encoder, network
from bodysounds.models.network import build_body
from bodysounds.models.stages import stage_of, stages_of
from bodysounds.params import TrainEmbeddingParams
from bodysounds.scoring.embed import embed_sides
from bodysounds.sides import SideTable
from bodysounds.training import loop
from bodysounds.training.embedding import train_encoder
from bodysounds.training.fine_tuning import parameter_groups
from bodysounds.training.setup import Given, architecture, build, set_up
from bodysounds.training.subjects import choose_sources

Corpus = tuple[Any, SideTable, pd.DataFrame]
STAGES = ["block_0", "block_1", "join", "pooling", "embedding"]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 8, "dev": 4}, seconds=0.4)


def params(folder: Path, **changes: Any) -> TrainEmbeddingParams:
    own: dict[str, Any] = {"learning_rate": 5e-3, "weight_decay": 0.1, "losses": [{"name": "aam"}]}
    return made.small_training(folder, **(own | changes))


@pytest.fixture(scope="module")
def start(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return train_encoder(*corpus, params(tmp_path_factory.mktemp("start"), seed=3))[0]


def moved(before: Encoder, after: Encoder) -> dict[str, set[bool]]:
    """Whether the weights and statistics of each stage changed, all of them or some."""
    found: dict[str, set[bool]] = {stage: set() for stage in STAGES}
    for name, weight in before.state.items():
        stage = stage_of(before.architecture, name)
        found[stage].add(not torch.equal(weight, after.state[name]))
    return found


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ecapa", "n_mels": 24, "channels": 8, "depth": 3, "dim": 8},
        {"name": "resnet18", "width": 2, "dim": 4},
    ],
)
def test_every_weight_is_in_one_stage_and_they_are_in_order(body: dict[str, Any]) -> None:
    seen = []
    for name in build_body(body, seed=0).state_dict():
        holders = [s for s, heads in stages_of(body).items() if name.startswith(heads)]
        assert holders == [stage_of(body, name)], name
        seen += [holders[0]] if not seen or seen[-1] != holders[0] else []
    assert seen == list(stages_of(body))
    with pytest.raises(ValueError, match="weight 'tail' is in no stage"):
        stage_of(body, "tail")


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": "adam", "schedule": [{"name": "cyclic", "base_lr": 1e-4, "step_size": 2}]},
        {"refit": "train+dev", "keep_best": 2, "average_best": True},
        {"schedule": [{"name": "plateau", "factor": 0.5, "patience": 0}], "layer_decay": 0.5},
    ],
)
def test_frozen_stages_stay_bit_for_bit(
    corpus: Corpus, start: Encoder, tmp_path: Path, changes: dict[str, Any]
) -> None:
    frozen = ["block_0", "block_1", "pooling"]
    after = train_encoder(*corpus, params(tmp_path, freeze=frozen, **changes), start)[0]
    found = moved(start, after)
    assert all(found[stage] == {False} for stage in frozen)
    # what is not frozen learns, each weight of it
    assert found["join"] == found["embedding"] == {True}
    free = moved(start, train_encoder(*corpus, params(tmp_path, **changes), start)[0])
    assert all(found == {True} for found in free.values())


def test_frozen_weights_take_no_part_in_the_optimiser_or_the_gradient(
    corpus: Corpus, start: Encoder, tmp_path: Path
) -> None:
    run, _ = set_up(Given(*corpus, params(tmp_path, freeze=STAGES[:3]), start))
    learning = {id(w) for group in run.optimiser.param_groups for w in group["params"]}
    for name, weight in run.module.body.named_parameters():
        free = stage_of(start.architecture, name) not in STAGES[:3]
        assert (id(weight) in learning) == weight.requires_grad == free
    assert all(id(weight) in learning for weight in run.losses.parameters())


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_lower_stages_learn_more_slowly(
    corpus: Corpus, start: Encoder, tmp_path: Path, optimiser: str
) -> None:
    # Adam's first step moves a weight by its rate: what moved is the rate of its stage
    schedule = [{"name": "constant"}]
    p = params(
        tmp_path, epochs=1, subjects_per_batch=8, layer_decay=0.5, schedule=schedule,
        optimiser=optimiser, weight_decay=0.0, clip_norm=None,
    )  # fmt: skip
    after, _, history = train_encoder(*corpus, p, start)
    assert history["step"].tolist() == [1]
    assert history["learning_rate"].tolist() == [p.learning_rate]
    names = [name for name, _ in build_body(start.architecture, 0).named_parameters()]
    for above, stage in enumerate(reversed(STAGES)):
        steps = torch.cat([
            (after.state[name] - start.state[name]).abs().flatten()
            for name in names if stage_of(start.architecture, name) == stage
        ])  # fmt: skip
        assert float(steps.median()) == pytest.approx(5e-3 * 0.5**above, rel=1e-2)


def test_the_losses_learn_at_the_whole_rate(corpus: Corpus, start: Encoder, tmp_path: Path) -> None:
    p = params(tmp_path, layer_decay=0.5)
    run, _ = set_up(Given(*corpus, p, start))
    shares = {
        id(w): group["share"] for group in run.optimiser.param_groups for w in group["params"]
    }
    assert {shares[id(weight)] for weight in run.losses.parameters()} == {1.0}
    assert sorted(set(shares.values())) == [0.5**4, 0.5**3, 0.5**2, 0.5, 1.0]
    alike = parameter_groups(run.module, run.losses, architecture(p), 1.0)
    assert [group["share"] for group in alike] == [1.0]
    assert alike[0]["params"] == [*run.module.parameters(), *run.losses.parameters()]


def test_a_killed_fine_tuning_goes_on_as_if_it_were_not(
    corpus: Corpus, start: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = params(
        tmp_path, freeze=["block_0"], layer_decay=0.5, head_from_means=True, checkpoint_every=1
    )
    whole = train_encoder(*corpus, p, start)[0]
    take, steps = loop.train_step, []

    def killed(*given: Any) -> Any:
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return take(*given)

    monkeypatch.setattr(loop, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(*corpus, p, start)
    after = train_encoder(*corpus, p, start)[0]
    assert len(steps) == 5
    assert all(torch.equal(weight, after.state[name]) for name, weight in whole.state.items())


def test_the_classes_begin_at_the_mean_embeddings(
    corpus: Corpus, start: Encoder, tmp_path: Path
) -> None:
    packed, sides, _ = corpus
    p = params(
        tmp_path, head_from_means=True, speeds=[0.9, 1.0], losses=[{"name": "aam", "subcenters": 2}]
    )
    sources = choose_sources(sides, p, made.RATE)
    module, parts, _ = build(Given(*corpus, p, start), sources)
    weight = parts["losses"].losses["aam"].weight.detach().reshape(8, 2, 2, 8)
    other = []
    for k, subject in enumerate(sources.train.ids):
        rows = np.flatnonzero(sides.table["subject_id"] == subject)
        mean = embed_sides(network(start), packed, sides, rows, 30.0).mean(axis=0)
        expected = torch.from_numpy(mean / np.linalg.norm(mean))
        torch.testing.assert_close(weight[k, 1, 0], expected, atol=1e-5, rtol=0)
        other.append(float((weight[k, 0, 0] @ expected).item()))
        # the second centre is near the first, and not the same, so that they can part
        near = functional.cosine_similarity(weight[k, 1, 0], weight[k, 1, 1], dim=0)
        assert 0.99 < float(near) < 0.9999
    # at another speed it is another voice
    assert min(other) < 0.9999
    torch.testing.assert_close(weight.norm(dim=-1), torch.ones(8, 2, 2))
    assert all(torch.equal(w, start.state[n]) for n, w in module.body.state_dict().items())


def test_classes_from_means_begin_better_than_anywhere(
    corpus: Corpus, start: Encoder, tmp_path: Path
) -> None:
    still = params(tmp_path, epochs=1, learning_rate=0.0, passes_per_epoch=4)
    by_chance, from_means = (
        train_encoder(*corpus, replace(still, head_from_means=flag), start)[2]["loss"][0]
        for flag in (False, True)
    )
    assert from_means < 0.5 * by_chance


def short(sides: SideTable, seconds: dict[str, float]) -> SideTable:
    """Cut the sides of these subjects so that both together last so long."""
    spans, table = list(sides.spans), sides.table.copy()
    for subject, total in seconds.items():
        for row in np.flatnonzero(table["subject_id"] == subject):
            count = round(total / 2 * made.RATE)
            spans[row] = np.array([[spans[row][0, 0], count]])
            table.loc[row, "n_samples"] = count
    return SideTable(table, tuple(spans))


def test_subjects_with_little_audio_teach_nothing(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sides = short(corpus[1], {"train01": 0.49, "train02": 0.5, "train05": 0.2, "dev01": 0.3})
    p = params(tmp_path, min_seconds_per_subject=0.5)
    with caplog.at_level(logging.INFO):
        sources = choose_sources(sides, p, made.RATE)
    left = [f"train{k:02d}" for k in (0, 2, 3, 4, 6, 7)]
    assert list(sources.train.ids) == left
    assert "2 of 8 subjects have less than 0.5 s" in caplog.text
    for subject, sessions in zip(sources.train.ids, sources.train.sessions, strict=True):
        rows = np.concatenate(sessions)
        assert set(sources.sides.table["subject_id"].iloc[rows]) == {subject}
        assert len(rows) == 2
    both = choose_sources(sides, p, made.RATE, ("train", "dev"))
    assert list(both.train.ids) == ["dev00", "dev02", "dev03", *left]
    # of the session that teaches alone
    of_one = replace(p, train_session="B", validate_session="D", min_seconds_per_subject=0.3)
    sources = choose_sources(sides, of_one, made.RATE)
    assert sources.validation is not None
    assert list(sources.train.ids) == list(sources.validation.ids) == [
        name for name in left if name != "train02"
    ]  # fmt: skip
    joined = choose_sources(sides, replace(p, join_sessions=True), made.RATE)
    assert list(joined.train.ids) == left


def test_too_few_subjects_with_enough_audio_name_the_rule(corpus: Corpus, tmp_path: Path) -> None:
    sides = short(corpus[1], {f"train{k:02d}": 0.2 for k in range(7)})
    p = params(tmp_path, min_seconds_per_subject=0.5)
    with pytest.raises(ValueError, match=r"min_seconds_per_subject = 0\.5 leaves 1 of 8 subjects"):
        train_encoder(corpus[0], sides, corpus[2], p)


def test_the_refit_leaves_out_whom_the_training_left_out(corpus: Corpus, tmp_path: Path) -> None:
    sides = short(corpus[1], {"train01": 0.2, "dev01": 0.3})
    p = params(tmp_path, epochs=1, min_seconds_per_subject=0.5, refit="train+dev")
    encoder, dev_encoder, _ = train_encoder(corpus[0], sides, corpus[2], p)
    assert dev_encoder.training["n_subjects"] == 7
    assert encoder.training["n_subjects"] == 10


def test_one_short_clip_a_subject_is_enough(corpus: Corpus, tmp_path: Path) -> None:
    packed, sides, trials = corpus
    # train01 and train02 have one clip of a fifth of a second; crops are of three quarters
    table = sides.table
    first = ~table["subject_id"].isin(["train01", "train02"]) | (table["session_id"] == "B")
    rows = np.flatnonzero(first)
    few = SideTable(table.iloc[rows].reset_index(drop=True), tuple(sides.spans[r] for r in rows))
    few = short(few, {"train01": 0.4, "train02": 0.4})
    p = params(
        tmp_path, crop_s=[0.75, 0.75], losses=[{"name": "aam"}, {"name": "triplet"}], augment=[]
    )
    encoder, _, history = train_encoder(packed, few, trials, p)
    assert encoder.training["n_subjects"] == 8
    assert np.isfinite(history["loss_triplet"]).all()
    assert (history["loss_triplet"] > 0).all()
    assert encoder.training["audio_s"] == pytest.approx(
        encoder.training["chosen_epoch"] * 8 * 2 * 0.75
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ["block_2"]}, "must be one of block_0, block_1, join, pooling, embedding, got"),
        ({"freeze": STAGES}, "names every stage"),
        ({"layer_decay": 0.0}, r"layer_decay must lie in \[0\.01, 1\], got 0"),
        ({"layer_decay": 1.5}, "layer_decay must lie in"),
        ({"min_seconds_per_subject": -1.0}, "min_seconds_per_subject must lie in"),
        ({"head_from_means": True, "losses": [{"name": "triplet"}]}, "classes of the loss aam"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        params(tmp_path, **changes)


@pytest.mark.parametrize("changes", [{"freeze": ["block_0"]}, {"head_from_means": True}])
def test_fine_tuning_without_a_start_is_refused_before_the_run(
    corpus: Corpus, tmp_path: Path, changes: dict[str, Any]
) -> None:
    name = next(iter(changes))
    said = rf"{name} is .* nothing to start from: give --params init_from="
    with pytest.raises(ValueError, match=said):
        train_encoder(*corpus, params(tmp_path, **changes))
    given = {"train_embedding": {"init_from": None, **changes}}
    with pytest.raises(ValueError, match=said):
        check_task(given, ["task.train_embedding.train"])
    check_task({"train_embedding": {"init_from": None}}, ["task.train_embedding.train"])
