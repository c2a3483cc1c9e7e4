"""Members learn, choose, stop, freeze, resume and predict; what is wrong is named."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from bodysounds.audio.augment import build_augment
from bodysounds.audio.mixing import lay_under
from bodysounds.audio.packed import Packed, write_packed
from bodysounds.models.classifier import Classifier, load_classifier, predict, save_classifier
from bodysounds.models.encoder import network, state_sha256
from bodysounds.models.wav2vec2_folder import classifier_from_hf, classifier_to_hf
from bodysounds.params import TrainWav2vec2Params, TrainYamnetParams
from bodysounds.params.train_member import TrainMemberParams
from bodysounds.pipelines.member.nodes import fold_yamnet, predict_windows, train_yamnet
from bodysounds.training import classifier as loop
from bodysounds.training.classifier import best_epoch, is_over, train_classifier
from bodysounds.training.classifier_setup import class_weights, set_up
from bodysounds.training.classifier_step import (
    augment_patches,
    dev_figures,
    hear_once,
    train_mode,
    train_step,
)
from bodysounds.training.state import State

pytestmark = pytest.mark.usefixtures("one_thread")

Corpus = tuple[Packed, pd.DataFrame]
LABELS = ("crying", "normal", "screaming")
SECONDS = 1.0
CONFIG = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": [8, 8, 16], "conv_kernel": [20, 8, 4], "conv_stride": [10, 8, 4],
    "feat_extract_norm": "layer", "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 12, "hidden_dropout": 0.1,
}  # fmt: skip


def sound(rng: np.random.Generator, label: str) -> np.ndarray:
    """Return a second of the class: a steady pitch, noise, or a high and rough one; int16."""
    time = np.arange(round(SECONDS * made.RATE)) / made.RATE
    noise = rng.standard_normal(len(time))
    if label == "normal":
        return np.int16(2000 * rng.uniform(0.5, 1.0) * noise)
    pitch = rng.uniform(350, 500) if label == "crying" else rng.uniform(1500, 2500)
    rough = 1 + (0 if label == "crying" else 0.8) * np.sin(2 * np.pi * 70 * time)
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3)) * rough
    return np.int16(3000 * rng.uniform(0.5, 1.0) * (wave + 0.1 * noise))


def made_corpus(folder: Path) -> Corpus:
    """Return windows of a second: 8 of each class in train, in 2 folds, 4 in dev, 4 in test."""
    rng = np.random.default_rng(0)
    pieces, rows = [], []
    for label in LABELS:
        for take in range(16):
            name = f"{label} {take:02d}#0"
            pieces.append((name, sound(rng, label)))
            subset = "train" if take < 8 else "dev" if take < 12 else "test"
            fold = take % 2 if subset == "train" else -1
            condition = "train" if subset == "train" else "unseen_source"
            rows.append((name, name[:-2], label, subset, condition, fold))
    names = ["segment_id", "recording_id", "label", "subset", "condition", "fold"]
    return write_packed(folder / "packed", pieces, made.RATE), pd.DataFrame(rows, columns=names)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made_corpus(tmp_path_factory.mktemp("corpus"))


def params(member: str, work: Path, **changes: Any) -> TrainMemberParams:
    options: dict[str, Any] = {
        "batch_size": 8, "n_epochs": 3, "learning_rate": 3e-3, "device": "cpu",
        "precision": "float32", "work_dir": str(work),
    }  # fmt: skip
    if member == "yamnet":
        return TrainYamnetParams(**({"width": 0.05, "patch_hop_s": 0.96} | options | changes))
    return TrainWav2vec2Params(**({"config": CONFIG} | options | changes))


MEMBERS = pytest.mark.parametrize("member", ["yamnet", "wav2vec2"])
EVERYTHING: dict[str, dict[str, Any]] = {
    "yamnet": {"augment": [{"name": "gain"}, {"name": "noise"}, {"name": "spec_augment"}]},
    "wav2vec2": {
        "augment": [{"name": "noise"}],
        "config": CONFIG | {"mask_time_prob": 0.3, "mask_time_length": 4, "layerdrop": 0.2},
    },
}
for _own in EVERYTHING.values():
    _own |= {
        "background": [{"label": "normal", "p": 0.5, "snr_db": [5, 15]}],
        "crop_s": 0.6, "dropout": 0.2, "label_smoothing": 0.1, "class_weights": True,
        "balanced": True, "choose": "dev_loss", "layer_decay": 0.8,
    }  # fmt: skip


def ids(examples: pd.DataFrame, subset: str) -> tuple[list[str], list[str]]:
    own = examples[examples["subset"] == subset]
    return list(own["segment_id"]), list(own["label"])


def same(one: Classifier, other: Classifier) -> bool:
    return state_sha256(one.encoder.state) == state_sha256(other.encoder.state) and (
        state_sha256(one.head) == state_sha256(other.head)
    )


@pytest.mark.parametrize(
    ("member", "changes"),
    [("yamnet", {"width": 0.25, "n_epochs": 14}), ("wav2vec2", {"n_epochs": 20})],
    ids=["yamnet", "wav2vec2"],
)
def test_a_member_learns_is_stored_and_predicts(
    corpus: Corpus, tmp_path: Path, member: str, changes: dict[str, Any]
) -> None:
    packed, examples = corpus
    asked = params(member, tmp_path / "work", **changes)
    classifier, history = train_classifier(packed, examples, asked)
    names, labels = ids(examples, "test")
    found = predict(classifier, packed, names, "cpu")
    right = np.array(classifier.labels)[found.argmax(axis=1)] == np.array(labels)
    assert right.mean() >= 0.8
    assert classifier.labels == list(LABELS)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-5)
    assert classifier.encoder.front_end["clip_s"] == SECONDS
    if member == "yamnet":
        save_classifier(tmp_path / "c.safetensors", classifier)
        loaded = load_classifier(tmp_path / "c.safetensors")
    else:
        classifier_to_hf(classifier, tmp_path / "hf")
        loaded = classifier_from_hf(tmp_path / "hf")
    assert same(loaded, classifier)
    assert loaded.encoder.front_end == classifier.encoder.front_end
    np.testing.assert_array_equal(predict(loaded, packed, names, "cpu"), found)
    # dev's figures are those of the classifier that is handed over
    chosen = history[history["chosen"]].iloc[0]
    names, labels = ids(examples, "dev")
    found = predict(classifier, packed, names, "cpu")
    own = np.array([classifier.labels.index(label) for label in labels])
    recalls = [(found.argmax(axis=1) == own)[own == k].mean() for k in range(3)]
    assert chosen["dev_balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert chosen["dev_loss"] == pytest.approx(-found[range(len(own)), own].mean(), rel=1e-4)


@MEMBERS
@pytest.mark.parametrize("dies_at", [2, 5])
def test_a_killed_member_goes_on_with_the_same_bytes(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str, dies_at: int
) -> None:
    """Also where the network itself draws: dropout, masks, layers left out."""
    # what others edit of the package meanwhile must not start the training anew
    monkeypatch.setattr("bodysounds.training.checkpoints.CODE", ())
    changes = EVERYTHING[member] | {"freeze": [], "checkpoint_every": 2}
    freeze = {"freeze": ["stem" if member == "yamnet" else "feature_encoder"], "unfreeze_after": 1}
    asked = params(member, tmp_path / "work", **(changes | freeze))
    torch.manual_seed(1)
    whole, history = train_classifier(*corpus, replace(asked, work_dir=str(tmp_path / "other")))
    steps: list[int] = []
    original = loop.train_step

    def dying(run: Any, batch: Any, state: State) -> Any:
        if len(steps) == dies_at:
            raise KeyboardInterrupt
        steps.append(state.step)
        return original(run, batch, state)

    monkeypatch.setattr(loop, "train_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_classifier(*corpus, asked)
    dies_at += 1000
    torch.manual_seed(2)
    resumed, after = train_classifier(*corpus, asked)
    assert 9 <= len(steps) <= 10
    assert same(resumed, whole)
    times = ["seconds", "items_per_second"]
    pd.testing.assert_frame_equal(after.drop(columns=times), history.drop(columns=times))
    assert not list((tmp_path / "work").iterdir())


@MEMBERS
def test_equal_seeds_are_equal_and_others_are_not(
    corpus: Corpus, tmp_path: Path, member: str
) -> None:
    packed, examples = corpus
    asked = params(member, tmp_path, n_epochs=1, **EVERYTHING[member])
    first, _ = train_classifier(packed, examples, asked)
    again, _ = train_classifier(packed, examples.sample(frac=1, random_state=1), asked)
    other, _ = train_classifier(packed, examples, replace(asked, seed=1))
    assert same(first, again)
    assert not same(first, other)


@MEMBERS
def test_frozen_stages_stay_until_they_are_unfrozen(
    corpus: Corpus, tmp_path: Path, member: str
) -> None:
    stages = {"yamnet": ["stem", "block_1"], "wav2vec2": ["feature_encoder", "projection"]}[member]
    prefixes = {
        "yamnet": ("stem.", "block_1."),
        "wav2vec2": (
            "wav2vec2.feature_extractor.", "wav2vec2.feature_projection.",
            "wav2vec2.encoder.pos_conv_embed.", "wav2vec2.encoder.layer_norm.",
            "wav2vec2.masked_spec_embed",
        ),
    }[member]  # fmt: skip
    asked = params(member, tmp_path, freeze=stages, n_epochs=1, weight_decay=0.1)
    start = {n: w.clone() for n, w in set_up(*corpus, asked, None).module.body.state_dict().items()}
    after = train_classifier(*corpus, asked)[0].encoder.state
    stay = {name for name in start if torch.equal(start[name], after[name])}
    assert stay == {name for name in start if name.startswith(prefixes)}
    later = replace(asked, n_epochs=2, unfreeze_after=1, choose="dev_loss")
    run = set_up(*corpus, later, None)
    state = State()
    for epoch in range(2):
        train_mode(run, epoch)
        before = {n: w.detach().clone() for n, w in run.module.body.named_parameters()}
        train_step(run, run.plan(epoch)[0], state)
        own = dict(run.module.body.named_parameters())
        moved = {name for name in own if not torch.equal(before[name], own[name])}
        assert bool({n for n in moved if n.startswith(prefixes)}) == (epoch == 1)


@MEMBERS
def test_a_frozen_network_is_heard_once_and_learns_the_same(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    from bodysounds.models.stages import stages_of

    probe = set_up(*corpus, params(member, tmp_path), None)
    every = list(stages_of(probe.architecture))
    asked = params(member, tmp_path, freeze=every, n_epochs=3, learning_rate=0.05)
    run = set_up(*corpus, asked, None)
    known = hear_once(run)
    assert known.known is not None
    assert known.known["train"].shape == (24, run.module.dim)
    fast, fast_history = train_classifier(*corpus, asked)
    monkeypatch.setattr(loop, "hear_once", lambda run: run)
    slow, slow_history = train_classifier(*corpus, asked)
    torch.testing.assert_close(fast.head, slow.head, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(fast_history["loss"], slow_history["loss"], rtol=1e-3)
    for changes in (
        {"freeze": every[:-1]}, {"augment": [{"name": "noise"}]}, {"unfreeze_after": 1},
        {"crop_s": 0.5}, {"background": [{"label": "normal", "p": 0.5, "snr_db": [0, 9]}]},
    ):  # fmt: skip
        assert hear_once(set_up(*corpus, replace(asked, **changes), None)).known is None


def test_lower_stages_learn_more_slowly(corpus: Corpus, tmp_path: Path) -> None:
    asked = params("yamnet", tmp_path, layer_decay=0.5, schedule=[{"name": "constant"}])
    run = set_up(*corpus, asked, None)
    train_mode(run)
    train_step(run, run.plan(0)[0], State())
    rates = {
        name: group["lr"]
        for group in run.optimiser.param_groups
        for name, weight in run.module.body.named_parameters()
        if any(weight is own for own in group["params"])
    }
    assert rates["block_13.pointwise.conv.weight"] == 3e-3
    assert rates["block_11.pointwise.conv.weight"] == pytest.approx(3e-3 / 4)
    assert rates["stem.conv.weight"] == pytest.approx(3e-3 / 2**13)


def test_training_ends_where_dev_does_not_improve(corpus: Corpus, tmp_path: Path) -> None:
    losses = [3.0, 2.0, 2.5, 2.0, 1.9, 2.0, 2.0]
    state, ended = State(), []
    for epoch, loss in enumerate(losses):
        state.close_epoch({"dev_loss": loss})
        assert state.epoch == epoch + 1
        ended.append(is_over(state, 7, 2))
    # two epochs without a lower loss than the second's 2.0, the fourth's being equal
    assert ended == [False, False, False, True, False, False, True]
    still = params("yamnet", tmp_path, learning_rate=1e-12, n_epochs=30, patience=2, dropout=0.0)
    still = replace(still, schedule=[{"name": "constant"}], weight_decay=0.0)
    _, history = train_classifier(*corpus, replace(still, freeze=list(STEM_TO_TOP)))
    assert len(history) < 30


STEM_TO_TOP = ("stem", *(f"block_{k}" for k in range(1, 14)))


def test_dev_chooses_by_what_it_is_told() -> None:
    rows = [
        {"dev_accuracy": 0.9, "dev_balanced_accuracy": 0.7, "dev_loss": 0.5},
        {"dev_accuracy": 0.8, "dev_balanced_accuracy": 0.8, "dev_loss": 0.6},
        {"dev_accuracy": 0.9, "dev_balanced_accuracy": 0.8, "dev_loss": 0.4},
        {"dev_accuracy": 0.7, "dev_balanced_accuracy": 0.7, "dev_loss": 0.3},
        {"dev_accuracy": 0.7, "dev_balanced_accuracy": 0.7, "dev_loss": 0.3},
    ]
    assert best_epoch(rows, "dev_accuracy") == 3
    assert best_epoch(rows, "dev_balanced_accuracy") == 3
    assert best_epoch(rows[:2], "dev_balanced_accuracy") == 2
    assert best_epoch(rows, "dev_loss") == 4


def test_class_weights_make_classes_weigh_alike() -> None:
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 2])
    weights = class_weights(labels)
    summed = [float(weights[labels[labels == k]].sum()) for k in range(3)]
    assert summed == pytest.approx([3.0, 3.0, 3.0])
    logits = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    target = torch.from_numpy(labels)
    each = functional.cross_entropy(logits, target, reduction="none")
    by_class = torch.stack([each[target == k].mean() for k in range(3)]).mean()
    assert functional.cross_entropy(logits, target, weights) == pytest.approx(float(by_class))


def test_balanced_batches_need_no_weights(corpus: Corpus, tmp_path: Path) -> None:
    """Twice the same remedy would let the rarest class rule."""
    packed, examples = corpus
    taught = (examples["subset"] == "train") & (examples["label"] == "normal")
    few = examples.drop(examples.index[taught][2:])
    asked = params("yamnet", tmp_path, class_weights=True)
    weights = set_up(packed, few, asked, None).class_weights
    assert weights is not None
    torch.testing.assert_close(weights, torch.tensor([0.75, 3.0, 0.75]))
    assert set_up(packed, few, replace(asked, balanced=True), None).class_weights is None


def test_the_mean_recall_is_not_the_accuracy(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    few = examples[(examples["subset"] != "dev") | (examples["label"] != "normal")]
    one = examples[(examples["subset"] == "dev") & (examples["label"] == "normal")][:1]
    run = set_up(packed, pd.concat([few, one]), params("yamnet", tmp_path), None)
    with torch.no_grad():
        run.head.weight.zero_()
        run.head.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))  # all is crying
    found = dev_figures(run)
    assert found["dev_accuracy"] == pytest.approx(4 / 9)
    assert found["dev_balanced_accuracy"] == pytest.approx(1 / 3)


def test_a_background_lies_under_at_its_ratio() -> None:
    generator = torch.Generator().manual_seed(0)
    waves = torch.randn(40, 4000, generator=generator) * torch.linspace(0.01, 0.5, 40)[:, None]
    quiet = torch.arange(40) >= 35
    mixed = lay_under(waves, quiet, generator, 1.0, (10.0, 10.0))
    added = mixed - waves
    changed = added.abs().amax(dim=1) > 0
    assert changed[:35].all()  # and one that would lie under itself stays
    ratio = 20 * torch.log10(waves.std(dim=1) / added.std(dim=1))
    torch.testing.assert_close(ratio[:35], torch.full((35,), 10.0), rtol=0, atol=0.05)
    unit = functional.normalize(added[:35], dim=1) @ functional.normalize(waves[35:], dim=1).T
    torch.testing.assert_close(unit.amax(dim=1), torch.ones(35), rtol=0, atol=1e-3)
    torch.testing.assert_close(
        lay_under(waves, torch.zeros(40, dtype=torch.bool), generator, 1.0, (0.0, 9.0)), waves
    )
    some = lay_under(waves, quiet, generator, 0.25, (0.0, 9.0)) != waves
    assert 3 <= int(some.any(dim=1).sum()) <= 17


def test_patches_are_masked_one_by_one() -> None:
    specs = [{"name": "spec_augment", "p": 1.0, "freq_width": 20, "time_width": 30}]
    patches = torch.rand(3, 5, 96, 64, generator=torch.Generator().manual_seed(0)) + 4
    changed = augment_patches(build_augment(specs), patches, torch.Generator().manual_seed(0))
    assert changed.shape == patches.shape
    means = patches.mean(dim=(2, 3), keepdim=True).expand_as(patches)
    masked = (changed - patches).abs() > 1e-4
    torch.testing.assert_close(changed[masked], means[masked])
    shares = masked.float().mean(dim=(2, 3)).flatten()
    assert len(shares.unique()) > 5


def test_gains_are_drawn_in_decibels() -> None:
    specs = [{"name": "gain", "p": 1.0, "gain_db": [-6, 6]}]
    waves = torch.ones(500, 8)
    gains = build_augment(specs).waveforms(waves, torch.Generator().manual_seed(0))
    decibels = 20 * torch.log10(gains[:, 0])
    assert -6 <= float(decibels.min()) < -5.5
    assert 5.5 < float(decibels.max()) <= 6
    assert (gains == gains[:, :1]).all()
    with pytest.raises(ValueError, match=r"gain_db must be \[low, high\]"):
        build_augment([{"name": "gain", "gain_db": 6}])


def test_the_nodes_keep_the_held_out_fold_unheard(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, examples = corpus
    taught: list[set[str]] = []
    original = loop.set_up

    def spy(packed: Packed, examples: pd.DataFrame, *rest: Any) -> Any:
        taught.append(set(examples.loc[examples["subset"] == "train", "segment_id"]))
        return original(packed, examples, *rest)

    monkeypatch.setattr(loop, "set_up", spy)
    asked = params("yamnet", tmp_path, n_epochs=1)
    assert isinstance(asked, TrainYamnetParams)
    tables = [fold_yamnet(packed, examples, asked, fold=fold) for fold in range(2)]
    train = set(examples.loc[examples["subset"] == "train", "segment_id"])
    for fold, (table, heard) in enumerate(zip(tables, taught, strict=True)):
        own = examples[(examples["subset"] == "train") & (examples["fold"] == fold)]
        assert set(table["segment_id"]) == set(own["segment_id"])
        assert heard == train - set(own["segment_id"])
        assert set(table["fold"]) == {fold}
        assert list(table.columns) == ["segment_id", "label", "fold", *(f"p_{n}" for n in LABELS)]
        np.testing.assert_allclose(table.filter(like="p_").sum(axis=1), 1.0, rtol=1e-5)
    manifest = pd.DataFrame({"recording_id": examples["recording_id"]})
    manifest["sha256"] = [f"{k:016x}" for k in range(len(manifest))]
    subsets = examples[["recording_id", "subset"]]
    classifier, history = train_yamnet(packed, examples, manifest, subsets, asked)
    assert taught[-1] == train
    assert len(classifier.encoder.training["heard"]) == 36
    assert len(history) == 1
    from bodysounds.params import PredictParams

    told = predict_windows(classifier, packed, examples, PredictParams(max_train=5, device="cpu"))
    counts = told["subset"].value_counts()
    assert (counts["train"], counts["dev"], counts["test"]) == (5, 12, 12)
    found = np.exp(predict(classifier, packed, list(told["segment_id"]), "cpu"))
    np.testing.assert_allclose(told[[f"p_{name}" for name in LABELS]], found, atol=1e-6)


def test_a_member_starts_from_another(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    for member in ("yamnet", "wav2vec2"):
        first, _ = train_classifier(packed, examples, params(member, tmp_path, n_epochs=1))
        path = tmp_path / f"{member}.safetensors"
        if member == "yamnet":
            save_classifier(path, first)
        else:
            classifier_to_hf(first, path)
        still = params(member, tmp_path, n_epochs=1, learning_rate=1e-12, published=str(path))
        run = set_up(packed, examples, still, loop.start_of(still))
        assert state_sha256(run.module.body.state_dict()) == state_sha256(first.encoder.state)
        assert run.started is not None
        assert run.architecture == first.encoder.architecture
        with pytest.raises(ValueError, match="nowhere"):
            train_classifier(packed, examples, replace(still, published="/nowhere/at/all"))


@pytest.mark.data
def test_published_yamnet_is_fine_tuned(corpus: Corpus, data_dir: Path, tmp_path: Path) -> None:
    """All of it frozen, a new head tells three sounds apart within a second."""
    published = data_dir / "weights" / "yamnet" / "yamnet_waveform.tflite"
    if not published.is_file():
        pytest.skip(f"{published} is absent")
    asked = params(
        "yamnet", tmp_path, published=str(published), freeze=list(STEM_TO_TOP), n_epochs=30,
        learning_rate=0.01,
    )  # fmt: skip
    classifier, history = train_classifier(*corpus, asked)
    assert classifier.encoder.architecture == {"name": "yamnet", "width": 1.0, "batch_norm": False}
    assert classifier.training["init"]["loaded_from"] == published.name
    names, labels = ids(corpus[1], "test")
    found = predict(classifier, corpus[0], names, "cpu").argmax(axis=1)
    assert np.mean(np.array(classifier.labels)[found] == np.array(labels)) >= 0.9
    assert history["items_per_second"].iloc[-1] > 500
    assert network(classifier.encoder).dim == 1024


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (TrainYamnetParams, {"width": 0}, r"train_yamnet.width must lie in \[0.01, 4\], got 0"),
        (TrainYamnetParams, {"patience": 0}, "train_yamnet.patience must lie in"),
        (TrainYamnetParams, {"patience": 1.5}, "train_yamnet.patience must be a whole number"),
        (TrainYamnetParams, {"choose": "test"}, "train_yamnet.choose must be one of dev_accuracy"),
        (TrainYamnetParams, {"dropout": 1.0}, "train_yamnet.dropout must lie in"),
        (TrainYamnetParams, {"layer_decay": 0}, "train_yamnet.layer_decay must lie in"),
        (TrainYamnetParams, {"crop_s": 0.0}, "train_yamnet.crop_s must lie in"),
        (TrainWav2vec2Params, {"normalise": "yes"}, "train_wav2vec2.normalise must be one of"),
        (TrainWav2vec2Params, {"unfreeze_after": 0}, "train_wav2vec2.unfreeze_after must lie in"),
        (TrainWav2vec2Params, {"background": [{}]}, r"background\[\] must have label, p and"),
        (
            TrainWav2vec2Params,
            {"background": [{"label": "normal", "p": 0.5, "snr_db": [9, 3]}]},
            r"train_wav2vec2.background\[\].snr_db must be \[low, high\]",
        ),
        (
            TrainWav2vec2Params,
            {"background": [{"label": "normal", "p": 0.5, "snr_db": ["a", "b"]}]},
            r"train_wav2vec2.background\[\].snr_db must be \[low, high\]",
        ),
        (TrainWav2vec2Params, {"augment": ["noise"]}, r"train_wav2vec2.augment\[\] must be a name"),
    ],
)
def test_wrong_parameters_are_named(kind: type, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**change)


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("yamnet", {"freeze": ["layer1"]}, r"train_yamnet.freeze\[\] must be one of stem, block_1"),
        ("wav2vec2", {"freeze": ["stem"]}, r"train_wav2vec2.freeze\[\] must be one of feature_enc"),
        ("yamnet", {"crop_s": 2.0}, "train_yamnet.crop_s is 2, and the windows have 1 s"),
        (
            "yamnet",
            {"background": [{"label": "silence", "p": 0.5, "snr_db": [0, 9]}]},
            r"background\[\].label must be one of crying, normal, screaming, got 'silence'",
        ),
        ("wav2vec2", {"augment": [{"name": "spec_augment"}]}, "the network hears waveforms"),
        ("wav2vec2", {"config": {"hidden": 3}}, "unknown key 'hidden'"),
    ],
)
def test_what_does_not_fit_is_named(
    corpus: Corpus, tmp_path: Path, member: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train_classifier(*corpus, params(member, tmp_path, **change))


def test_a_missing_fold_or_class_is_named(corpus: Corpus, tmp_path: Path) -> None:
    packed, examples = corpus
    taught = (examples["subset"] == "train") & (examples["label"] == "crying")
    one_fold = examples.assign(fold=examples["fold"].where(~taught, 0))
    asked = params("yamnet", tmp_path)
    assert isinstance(asked, TrainYamnetParams)
    with pytest.raises(ValueError, match="dev has recordings of 'crying' and train has none"):
        fold_yamnet(packed, one_fold, asked, fold=0)


def test_every_field_is_told_apart() -> None:
    own = {f.name for f in dataclasses.fields(TrainYamnetParams)}
    other = {f.name for f in dataclasses.fields(TrainWav2vec2Params)}
    assert own - other == {"width", "patch_hop_s"}
    assert other - own == {"config", "changes", "normalise"}
