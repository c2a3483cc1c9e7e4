"""Breath cycles are learnt by four methods, chosen, resumed; what is wrong is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from made_cycles import LABELS, breath_params, breaths
from torch.nn import functional

from bodysounds.audio.clips import places
from bodysounds.audio.packed import Packed
from bodysounds.losses.supcon import supcon
from bodysounds.models.classifier import (
    Classifier,
    first_clips,
    load_classifier,
    predict,
    save_classifier,
)
from bodysounds.models.encoder import state_sha256
from bodysounds.models.network import build_body
from bodysounds.training import classifier as loop
from bodysounds.training import respiratory
from bodysounds.training.classifier_classes import score
from bodysounds.training.classifier_setup import set_up
from bodysounds.training.classifier_start import start_of
from bodysounds.training.classifier_step import dev_figures, hear, train_mode, train_step
from bodysounds.training.contrastive import build_projections, contrastive_losses
from bodysounds.training.respiratory import HISTORY, linear_stage, train_respiratory
from bodysounds.training.state import State

pytestmark = pytest.mark.usefixtures("one_thread")

Corpus = tuple[Packed, pd.DataFrame]
METHODS = pytest.mark.parametrize("method", ["sl", "scl", "hybrid", "mscl"])
TIMES = ["seconds", "items_per_second"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return breaths(tmp_path_factory.mktemp("breaths"))


def same(one: Classifier, other: Classifier) -> bool:
    return state_sha256(one.encoder.state) == state_sha256(other.encoder.state) and (
        state_sha256(one.head) == state_sha256(other.head)
    )


@METHODS
def test_a_method_learns_is_stored_and_predicts(
    corpus: Corpus, tmp_path: Path, method: str
) -> None:
    packed, examples = corpus
    asked = breath_params(tmp_path, method=method, n_epochs=12, head_epochs=30)
    classifier, history = train_respiratory(packed, examples, asked)
    test = examples[examples["subset"] == "test"]
    found = predict(classifier, packed, list(test["segment_id"]), "cpu")
    right = np.array(classifier.labels)[found.argmax(axis=1)] == test["label"].to_numpy()
    assert right.mean() >= 0.75  # by chance 0.25
    assert classifier.labels == list(LABELS)
    assert classifier.training["method"] == classifier.encoder.training["method"] == method
    assert classifier.training["parameters"]["n_epochs"] == 12
    save_classifier(tmp_path / "c.safetensors", classifier)
    again = predict(load_classifier(tmp_path / "c.safetensors"), packed, list(test["segment_id"]))
    np.testing.assert_array_equal(again, found)
    assert tuple(history.columns) == HISTORY
    stages = {"sl": ["sl"], "hybrid": ["hybrid"]}.get(method, ["contrastive", "linear"])
    assert list(history["stage"].unique()) == stages
    assert list(history["epoch"]) == list(range(1, len(history) + 1))
    assert history["step"].is_monotonic_increasing
    assert history["step"].is_unique
    by_stage = history.groupby("stage")
    wanted = {
        "sl": {"loss_cross_entropy"}, "linear": {"loss_cross_entropy"},
        "hybrid": {"loss_cross_entropy", "loss_contrastive"},
        "contrastive": {"loss_contrastive"} | ({"loss_metadata"} if method == "mscl" else set()),
    }  # fmt: skip
    for stage, rows in by_stage:
        losses = {c for c in HISTORY if c.startswith("loss_") and rows[c].notna().all()}
        assert losses == wanted[str(stage)]
        assert rows["dev_score"].notna().all() == (stage != "contrastive")
    assert not list((tmp_path / "work").iterdir())
    # dev's figures are those of the classifier that is handed over
    assert history["chosen"].sum() == 1
    chosen = history[history["chosen"]].iloc[0]
    assert chosen["dev_score"] == history["dev_score"].max()
    dev = examples[examples["subset"] == "dev"]
    given = np.array(LABELS)[predict(classifier, packed, list(dev["segment_id"])).argmax(axis=1)]
    hits, quiet = given == dev["label"].to_numpy(), (dev["label"] == "normal").to_numpy()
    assert chosen["dev_score"] == pytest.approx((hits[quiet].mean() + hits[~quiet].mean()) / 2)


@METHODS
def test_equal_seeds_are_equal_and_others_are_not(
    corpus: Corpus, tmp_path: Path, method: str
) -> None:
    packed, examples = corpus
    asked = breath_params(tmp_path, method=method, n_epochs=1)
    first, _ = train_respiratory(packed, examples, asked)
    again, _ = train_respiratory(packed, examples.sample(frac=1, random_state=1), asked)
    other, _ = train_respiratory(packed, examples, replace(asked, seed=1))
    assert same(first, again)
    assert first.training == again.training
    assert not same(first, other)


@pytest.mark.parametrize("method", ["hybrid", "mscl"])
@pytest.mark.parametrize("dies_at", [3, 13])
def test_a_killed_training_goes_on_with_the_same_bytes(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, dies_at: int
) -> None:
    """8 contrastive steps and 12 linear ones with mscl: it dies in either stage."""
    monkeypatch.setattr("bodysounds.training.checkpoints.CODE", ())
    asked = breath_params(tmp_path, method=method, checkpoint_every=2, dropout=0.1)
    asked = replace(asked, n_epochs=2 if method == "mscl" else 4)
    whole, history = train_respiratory(*corpus, replace(asked, work_dir=str(tmp_path / "other")))
    steps: list[int] = []
    original = loop.train_step

    def dying(run: Any, batch: Any, state: State) -> Any:
        if len(steps) == dies_at:
            raise KeyboardInterrupt
        steps.append(state.step)
        return original(run, batch, state)

    monkeypatch.setattr(loop, "train_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_respiratory(*corpus, asked)
    done = len(steps)
    dies_at += 1000
    torch.manual_seed(2)
    resumed, after = train_respiratory(*corpus, asked)
    total = 20 if method == "mscl" else 16
    assert done == dies_at - 1000
    assert total <= len(steps) <= total + 2  # what was done is not done again
    assert same(resumed, whole)
    assert resumed.training == whole.training
    pd.testing.assert_frame_equal(after.drop(columns=TIMES), history.drop(columns=TIMES))
    assert not list((tmp_path / "work").iterdir())


def test_the_linear_stage_leaves_the_network_as_it_stands(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[Any] = []
    original = respiratory.trained

    def spy(packed: Packed, examples: Any, params: Any, init: Any) -> Any:
        handed.append((params, init))
        return original(packed, examples, params, init)

    monkeypatch.setattr(respiratory, "trained", spy)
    asked = breath_params(tmp_path, method="scl", weight_decay=0.1)
    classifier, _ = train_respiratory(*corpus, asked)
    (_, no_start), (linear, encoder) = handed
    assert no_start is None
    assert state_sha256(classifier.encoder.state) == state_sha256(encoder.state)
    assert (linear.n_epochs, linear.learning_rate, linear.augment) == (3, 0.03, [])
    assert set_up(*corpus, linear, encoder).learning  # the head alone
    sizes = sum(weight.numel() for weight in set_up(*corpus, linear, encoder).learning)
    assert sizes == sum(weight.numel() for weight in classifier.head.values())


def test_without_weight_metadata_teaches_nothing(corpus: Corpus, tmp_path: Path) -> None:
    plain, _ = train_respiratory(*corpus, breath_params(tmp_path, method="scl"))
    none, rows = train_respiratory(
        *corpus, breath_params(tmp_path, method="mscl", metadata_weight=0.0)
    )
    some, _ = train_respiratory(
        *corpus, breath_params(tmp_path, method="mscl", metadata_weight=0.25)
    )
    assert same(plain, none)
    assert not same(plain, some)
    assert rows.loc[rows["stage"] == "contrastive", "loss_metadata"].notna().all()


def test_the_losses_are_weighted_as_published(corpus: Corpus, tmp_path: Path) -> None:
    def first_row(**changes: Any) -> pd.Series:
        _, history = train_respiratory(*corpus, breath_params(tmp_path, n_epochs=1, **changes))
        return history.iloc[0]

    row = first_row(method="mscl", metadata_weight=0.25)
    both = 0.75 * row["loss_contrastive"] + 0.25 * row["loss_metadata"]
    assert row["loss"] == pytest.approx(both, rel=1e-6)
    row = first_row(method="hybrid", hybrid_alpha=0.3)
    both = 0.3 * row["loss_contrastive"] + 0.7 * row["loss_cross_entropy"]
    assert row["loss"] == pytest.approx(both, rel=1e-6)


def test_a_cycle_without_metadata_neither_pulls_nor_pushes(tmp_path: Path) -> None:
    params = breath_params(tmp_path, method="mscl")
    projections = build_projections(params, 8)
    assert projections is not None
    embeddings = torch.randn(12, 8, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.arange(12) % 4
    groups = torch.tensor([0, 0, 1, 1, 2, -1, -1, 0, 1, 2, -1, 0])
    loss = contrastive_losses(params, projections, embeddings, labels, groups)["loss_metadata"]
    known = groups >= 0
    own = projections["loss_metadata"](embeddings)[known]
    assert torch.isclose(loss, supcon(own, groups[known], groups[known], params.temperature))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert (gradient[~known] == 0).all()
    assert (gradient[known].abs().sum(dim=1) > 0).all()
    none = contrastive_losses(params, projections, embeddings, labels, torch.full((12,), -1))
    assert none["loss_metadata"].item() == 0
    (gradient,) = torch.autograd.grad(none["loss_metadata"], embeddings)
    assert (gradient == 0).all()


def test_groups_are_the_combinations_that_are_known(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    run = set_up(packed, examples, breath_params(tmp_path, method="mscl"), None)
    train = examples[examples["subset"] == "train"].sort_values("segment_id")
    told = train["sex"].astype(object).where(train["sex"].notna(), "") + "/" + train["age_group"]
    pairs = {
        (name if not name.startswith("/") else None, int(group))
        for name, group in zip(told, run.train.groups, strict=True)
    }
    # of takes 0 to 5: none, F child, M adult, F child, M adult, F child
    assert {name for name, _ in pairs} == {None, "F/child", "M/adult"}
    assert dict(pairs)[None] == -1
    assert len({group for _, group in pairs}) == len(pairs) == 3
    without = set_up(packed, examples, breath_params(tmp_path, method="scl"), None)
    assert (without.train.groups == -1).all()


def test_views_are_drawn_independently(corpus: Corpus, tmp_path: Path) -> None:
    run = set_up(*corpus, breath_params(tmp_path, method="scl", random_crop=False), None)
    train_mode(run)
    run.module.eval()  # batch norm would mix the items
    labels = torch.from_numpy(run.train.labels)
    rows = np.tile(np.arange(6), run.params.views)
    assert len(rows) == 12
    heard = hear(run, rows, labels[rows], State(), 5)
    assert torch.isfinite(heard).all()
    assert ((heard[:6] - heard[6:]).abs().amax(dim=1) > 1e-3).all()
    still = replace(run, augment=set_up(*corpus, breath_params(tmp_path, augment=[]), None).augment)
    heard = hear(still, rows, labels[rows], State(), 5)
    torch.testing.assert_close(heard[:6], heard[6:])
    starts = first_clips(run.module, run.packed, run.train.spans[rows])
    torch.testing.assert_close(heard, run.module(starts))
    moved = replace(still, params=replace(run.params, random_crop=True))
    heard = hear(moved, rows, labels[rows], State(), 5)
    assert ((heard[:6] - heard[6:]).abs().amax(dim=1) > 1e-4).any()
    assert breath_params(tmp_path, method="sl").views == 1
    assert breath_params(tmp_path, method="hybrid", two_views=False).views == 1


@pytest.mark.parametrize(("method", "views"), [("sl", 1), ("scl", 2), ("hybrid", 2), ("mscl", 2)])
def test_a_step_hears_every_view(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, views: int
) -> None:
    run = set_up(*corpus, breath_params(tmp_path, method=method), None)
    heard: list[Any] = []
    monkeypatch.setattr(
        "bodysounds.training.classifier_step.hear",
        lambda run, rows, *rest: heard.append(rows) or hear(run, rows, *rest),
    )
    train_mode(run)
    figures = train_step(run, np.arange(7), State())
    np.testing.assert_array_equal(heard[0], np.tile(np.arange(7), views))
    assert all(np.isfinite(value) for value in figures.values())


def test_half_precision_learns_and_repeats(corpus: Corpus, tmp_path: Path) -> None:
    asked = breath_params(tmp_path, method="hybrid", precision="bf16", n_epochs=6)
    first, history = train_respiratory(*corpus, asked)
    again, _ = train_respiratory(*corpus, asked)
    assert same(first, again)
    assert first.training["precision"] == "bf16"
    assert history["loss"].iloc[-1] < 0.8 * history["loss"].iloc[0]
    assert all(weight.dtype != torch.bfloat16 for weight in first.encoder.state.values())
    single, _ = train_respiratory(*corpus, replace(asked, precision="float32"))
    assert not same(first, single)


def test_published_panns_are_read_as_the_recipe_says(tmp_path: Path) -> None:
    state = build_body({"name": "cnn6"}, seed=3).state_dict()
    torch.save({"model": state | {"fc_audioset.bias": torch.zeros(527)}}, tmp_path / "c.pth")
    path = str(tmp_path / "c.pth")
    start = start_of(breath_params(tmp_path, published=path, rows="bands", input_norm=False))
    assert start is not None
    assert (start.architecture["rows"], start.architecture["input_norm"]) == ("bands", False)
    name = "conv_block4.conv1.weight"
    assert torch.equal(start.state[name], state[name])
    assert "fc_audioset.bias" in start.training["ignored"]
    assert start_of(breath_params(tmp_path)) is None


def test_the_rows_that_choose_are_named_by_a_column(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    asked = breath_params(tmp_path, n_epochs=1)
    usual = set_up(packed, examples, asked, None)
    told = examples.assign(chooses=examples["subset"] == "dev")
    np.testing.assert_array_equal(set_up(packed, told, asked, None).dev.spans, usual.dev.spans)
    on_test = set_up(packed, examples.assign(chooses=examples["subset"] == "test"), asked, None)
    assert (len(usual.dev.labels), len(on_test.dev.labels)) == (16, 20)
    assert not {tuple(s) for s in on_test.dev.spans} & {tuple(s) for s in usual.dev.spans}
    np.testing.assert_array_equal(on_test.train.spans, usual.train.spans)
    assert on_test.store != usual.store
    with pytest.raises(ValueError, match="is in train and chooses the epoch too"):
        set_up(packed, examples.assign(chooses=True), asked, None)
    with pytest.raises(ValueError, match="dev has no recording"):
        set_up(packed, examples.assign(chooses=False), asked, None)


def test_the_score_is_not_the_accuracy(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    drop = (examples["subset"] == "dev") & (examples["label"] == "normal")
    few = examples.drop(examples.index[drop][1:])
    run = set_up(packed, few, breath_params(tmp_path), None)
    with torch.no_grad():
        run.head.weight.zero_()
        run.head.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))  # all is crackle
    found = dev_figures(run)
    assert found["dev_accuracy"] == pytest.approx(4 / 13)
    assert found["dev_score"] == pytest.approx((0 + 4 / 12) / 2)
    assert np.isnan(score(np.ones(3, dtype=np.int64), np.ones(3, dtype=np.int64), 0))


def test_dev_hears_the_contrastive_loss_of_its_cycles(corpus: Corpus, tmp_path: Path) -> None:
    asked = breath_params(tmp_path, method="scl")
    run = set_up(*corpus, asked, None)
    found = dev_figures(run)
    assert set(found) == {"dev_loss"}
    dev = corpus[1][corpus[1]["subset"] == "dev"]
    labels, heard = list(dev["label"]), places(corpus[0], list(dev["segment_id"]))
    assert run.projections is not None
    with torch.inference_mode():
        embeddings = run.module(first_clips(run.module, corpus[0], heard))
        unit = functional.normalize(run.projections["loss_contrastive"](embeddings)).numpy()
    losses = []
    for i, label in enumerate(labels):
        logits = {j: unit[i] @ unit[j] / asked.temperature for j in range(16) if j != i}
        total = np.log(sum(np.exp(list(logits.values()))))
        losses.append(np.mean([total - logits[j] for j in logits if labels[j] == label]))
    assert found["dev_loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_weights_and_batches_follow_the_score(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    rare = examples["segment_id"].str.match("train_(wheeze|both)[3-9]")
    few = examples[~rare]  # 10 normal, 10 crackle, 3 wheeze, 3 both
    by_score = set_up(packed, few, breath_params(tmp_path, weigh="score"), None)
    assert by_score.class_weights is not None
    expected = torch.tensor([13 / 16, 13 / 16, 13 / 10, 13 / 16])
    torch.testing.assert_close(by_score.class_weights, expected)
    by_class = set_up(packed, few, breath_params(tmp_path), None)
    assert by_class.class_weights is not None
    expected = torch.tensor([26 / 12, 26 / 40, 26 / 40, 26 / 12])
    torch.testing.assert_close(by_class.class_weights, expected)
    options = breath_params(tmp_path, weigh="score", balanced=True)
    drawn = np.concatenate(set_up(packed, few, options, None).plan(0))
    own = np.array(LABELS)[by_score.train.labels[drawn]]
    counts = {label: int((own == label).sum()) for label in LABELS}
    assert counts["normal"] == 13
    assert counts["crackle"] >= 2 * counts["wheeze"]
    equal = np.concatenate(set_up(packed, few, replace(options, weigh="classes"), None).plan(0))
    own = np.array(LABELS)[by_score.train.labels[equal]]
    assert min((own == label).sum() for label in LABELS) >= 5


def test_the_start_of_the_linear_stage_is_heard_once(
    corpus: Corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        train_respiratory(*corpus, breath_params(tmp_path, method="scl", n_epochs=1))
    assert caplog.text.count("each clip is heard once") == 1


def test_contrastive_epochs_are_chosen_as_told(corpus: Corpus, tmp_path: Path) -> None:
    asked = breath_params(tmp_path, method="scl", n_epochs=5, learning_rate=0.1)
    last, _ = train_respiratory(*corpus, asked)
    best, history = train_respiratory(*corpus, replace(asked, choose_contrastive="dev_loss"))
    rows = history[history["stage"] == "contrastive"]
    assert last.training["contrastive"]["chosen_epoch"] == 5
    lowest = int(rows.loc[rows["dev_loss"].idxmin(), "epoch"])
    assert best.training["contrastive"]["chosen_epoch"] == lowest
    assert best.training["contrastive"]["epochs"] == 5


def test_other_weights_start_it_at_their_own_rate(corpus: Corpus, tmp_path: Path) -> None:
    made, _ = train_respiratory(*corpus, breath_params(tmp_path, n_epochs=1))
    asked = breath_params(
        tmp_path, n_epochs=1, schedule=[{"name": "constant"}], learning_rate_published=1e-4
    )
    _, scratch = train_respiratory(*corpus, asked)
    started, history = train_respiratory(*corpus, asked, made.encoder)
    assert (scratch["learning_rate"][0], history["learning_rate"][0]) == (3e-3, 1e-4)
    assert started.training["init"]["n_matched"] == len(made.encoder.state)
    assert started.training["parameters"]["learning_rate"] == 1e-4
    save_classifier(tmp_path / "c.safetensors", made)
    named = replace(asked, published=str(tmp_path / "c.safetensors"))
    assert same(train_respiratory(*corpus, named)[0], started)
    with pytest.raises(ValueError, match=r"published is 'cnn6', and the stage trains cnn10"):
        train_respiratory(*corpus, replace(named, network="cnn10"))


def test_metadata_that_is_not_there_is_named(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    asked = breath_params(tmp_path, method="mscl")
    with pytest.raises(ValueError, match="have no column 'sex', which metadata names"):
        train_respiratory(packed, examples.drop(columns="sex"), asked)
    with pytest.raises(ValueError, match="no example of train has all of its metadata"):
        train_respiratory(packed, examples.assign(sex=None), asked)
    without = examples.drop(columns="sex")
    train_respiratory(packed, without, replace(asked, method="scl", n_epochs=1, head_epochs=1))


def test_a_corpus_without_the_negative_class_is_named(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    sick = examples[examples["label"] != "normal"]
    with pytest.raises(ValueError, match="choose is dev_score, and no cycle of train is 'normal'"):
        set_up(packed, sick, breath_params(tmp_path), None)
    with pytest.raises(ValueError, match="weigh is score, and no cycle of train is 'normal'"):
        set_up(packed, sick, breath_params(tmp_path, choose="dev_loss", weigh="score"), None)
    quiet = examples[(examples["subset"] != "dev") | (examples["label"] == "normal")]
    with pytest.raises(ValueError, match="4 of dev's 4 cycles are 'normal'"):
        set_up(packed, quiet, breath_params(tmp_path), None)
    assert set_up(packed, sick, breath_params(tmp_path, choose="dev_loss"), None).labels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "ccl"}, "method must be one of sl, scl, hybrid, mscl, got 'ccl'"),
        ({"network": "cnn8"}, "network must be one of cnn6, cnn10, cnn14"),
        ({"temperature": 0.0}, r"temperature must lie in \[0.001"),
        ({"metadata_weight": 1.5}, r"metadata_weight must lie in \[0, 1\], got 1.5"),
        ({"metadata": ["bmi"]}, "must be one of sex, age_group, location, domain, got 'bmi'"),
        ({"metadata": [], "method": "mscl"}, "metadata is empty and the method mscl"),
        ({"metadata": ["sex", "sex"]}, "names one twice"),
        ({"f_min": 2000.0}, r"f_min \(2000\) must be below f_max \(1800\)"),
        ({"choose": "dev_eer"}, "choose must be one of .*dev_score, got 'dev_eer'"),
        ({"choose_contrastive": "dev_score"}, "choose_contrastive must be one of last, dev_loss"),
        ({"weigh": "both"}, "weigh must be one of classes, score"),
    ],
)
def test_parameters_that_make_no_sense_are_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        breath_params(tmp_path, **changes)


def test_the_linear_stage_keeps_what_it_should() -> None:
    params = breath_params(Path("work"), method="mscl", weigh="score", dropout=0.2, patience=3)
    linear = linear_stage(params, ["conv_block1"])
    assert (linear.method, linear.freeze, linear.patience) == ("sl", ["conv_block1"], None)
    assert (linear.weigh, linear.dropout, linear.choose) == ("score", 0.2, "dev_score")
    assert linear.schedule == [{"name": "constant"}]
