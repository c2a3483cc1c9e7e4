"""A classifier learns, chooses, resumes, is stored and predicts; what is wrong is named."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from kedro.io import DatasetError, Version

from bodysounds.audio.packed import Packed, to_int16, write_packed
from bodysounds.datasets.classifier import ClassifierDataset
from bodysounds.models.classifier import Classifier, load_classifier, predict, save_classifier
from bodysounds.models.encoder import Encoder, load_encoder, save_encoder, state_sha256
from bodysounds.params import TrainClassifierParams
from bodysounds.pipelines.train_classifier.nodes import train
from bodysounds.training import classifier as loop
from bodysounds.training.classifier import HISTORY, train_classifier
from bodysounds.training.classifier_examples import plan_epoch
from bodysounds.training.classifier_setup import set_up
from bodysounds.training.classifier_start import load_start
from bodysounds.training.classifier_step import augment_images, train_mode, train_step
from bodysounds.training.schedule import learning_rate
from bodysounds.training.state import State

N_SPEAKERS, N_CLIPS = 5, 10
AUGMENT = [{"name": "noise"}, {"name": "tilt"}, {"name": "spec_augment", "freq_width": 4}]

Corpus = tuple[Packed, pd.DataFrame]


pytestmark = pytest.mark.usefixtures("one_thread")


def made_corpus(folder: Path) -> Corpus:
    """Return waveforms and examples: 6 clips of each speaker in train, 2 in dev, 2 in test."""
    rng = np.random.default_rng(0)
    pieces, rows = [], []
    for speaker in range(N_SPEAKERS):
        pitch, timbre = rng.uniform(200, 900), rng.uniform(0.05, 1, 6)
        for take in range(N_CLIPS):
            name = f"s{speaker} {take}"
            pieces.append((name, made.voice(rng, pitch, timbre, rng.uniform(0.3, 0.7))))
            subset = "train" if take < 6 else "dev" if take < 8 else "test"
            rows.append((name, f"id{speaker}", subset))
    packed = write_packed(folder / "packed", pieces, made.RATE)
    return packed, pd.DataFrame(rows, columns=["segment_id", "label", "subset"])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made_corpus(tmp_path_factory.mktemp("corpus"))


def params(work: Path, **changes: Any) -> TrainClassifierParams:
    options: dict[str, Any] = {
        "clip_s": 0.4, "n_fft": 256, "win_s": 0.016, "size": 32, "width": 8, "batch_size": 8,
        "normalise": "min_max", "n_epochs": 4, "learning_rate": 3e-3, "device": "cpu",
        "precision": "float32", "work_dir": str(work),
    }  # fmt: skip
    return TrainClassifierParams(**(options | changes))


@pytest.fixture(scope="module")
def learnt(
    corpus: Corpus, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Classifier, pd.DataFrame]:
    options = params(
        tmp_path_factory.mktemp("learnt"), n_epochs=14, ccl_reg=2.0, ccl_optimiser="adam",
        ccl_learning_rate=0.02, label_smoothing=0.05,
    )  # fmt: skip
    return train_classifier(*corpus, options)


def sha256(classifier: Classifier, folder: Path) -> str:
    save_classifier(folder / "c.safetensors", classifier)
    return hashlib.sha256((folder / "c.safetensors").read_bytes()).hexdigest()


def ids(examples: pd.DataFrame, subset: str) -> tuple[list[str], list[str]]:
    own = examples[examples["subset"] == subset]
    return list(own["segment_id"]), list(own["label"])


def test_it_learns(corpus: Corpus, learnt: tuple[Classifier, pd.DataFrame]) -> None:
    packed, examples = corpus
    classifier, history = learnt
    names, labels = ids(examples, "test")
    found = predict(classifier, packed, names, "cpu").argmax(axis=1)
    assert np.mean([classifier.labels[i] for i in found] == np.array(labels)) >= 0.8
    assert history["train_accuracy"].iloc[-1] > 0.9
    assert history["loss_cross_entropy"].iloc[-1] < 0.5 * history["loss_cross_entropy"].iloc[0]
    assert history["loss_contrastive_center"].iloc[-1] < history["loss_contrastive_center"].iloc[0]


def test_history_has_the_losses_apart(learnt: tuple[Classifier, pd.DataFrame]) -> None:
    classifier, history = learnt
    assert tuple(history.columns) == HISTORY
    assert list(history["epoch"]) == list(range(1, 15))
    assert list(history["step"]) == [4 * epoch for epoch in history["epoch"]]
    np.testing.assert_allclose(
        history["loss"],
        history["loss_cross_entropy"] + 2.0 * history["loss_contrastive_center"],
        rtol=1e-5,
    )
    assert (history["center_learning_rate"] == 0.02).all()
    best = history.sort_values(
        ["dev_accuracy", "dev_loss", "epoch"], ascending=[False, True, True]
    ).iloc[0]
    assert list(history["epoch"][history["chosen"]]) == [best["epoch"]]
    assert classifier.training["chosen_epoch"] == best["epoch"]
    assert classifier.encoder.training == classifier.training


def test_the_chosen_epoch_is_handed_over(
    corpus: Corpus, learnt: tuple[Classifier, pd.DataFrame]
) -> None:
    packed, examples = corpus
    classifier, history = learnt
    names, labels = ids(examples, "dev")
    found = predict(classifier, packed, names, "cpu")
    own = [classifier.labels.index(label) for label in labels]
    chosen = history[history["chosen"]].iloc[0]
    assert (found.argmax(axis=1) == own).mean() == chosen["dev_accuracy"]
    assert -found[range(len(own)), own].mean() == pytest.approx(chosen["dev_loss"], rel=1e-4)


def test_probabilities_sum_to_one_and_stand_alone(
    corpus: Corpus, learnt: tuple[Classifier, pd.DataFrame]
) -> None:
    packed, examples = corpus
    names = ids(examples, "test")[0]
    found = predict(learnt[0], packed, names, "cpu")
    assert found.dtype == np.float32
    assert found.shape == (len(names), N_SPEAKERS)
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-5)
    backwards = predict(learnt[0], packed, names[::-1], "cpu")[::-1]
    np.testing.assert_allclose(found, backwards, atol=1e-5)
    np.testing.assert_allclose(found[:1], predict(learnt[0], packed, names[:1], "cpu"), atol=1e-5)
    assert predict(learnt[0], packed, [], "cpu").shape == (0, N_SPEAKERS)
    with pytest.raises(ValueError, match="such as 'nobody'"):
        predict(learnt[0], packed, [names[0], "nobody"], "cpu")
    with pytest.raises(ValueError, match="made for 16000 Hz and the waveforms have 8000 Hz"):
        predict(learnt[0], replace(packed, sample_rate=8000), names, "cpu")


def test_equal_runs_give_equal_bytes_whatever_the_order_of_rows(
    corpus: Corpus, tmp_path: Path
) -> None:
    packed, examples = corpus
    changes: dict[str, Any] = {"augment": AUGMENT, "ccl_reg": 1.0, "n_epochs": 2, "balanced": True}
    first, _ = train_classifier(packed, examples, params(tmp_path, **changes))
    shuffled = examples.sample(frac=1, random_state=1)
    again, _ = train_classifier(packed, shuffled, params(tmp_path, **changes))
    other, _ = train_classifier(packed, examples, params(tmp_path, seed=1, **changes))
    assert sha256(first, tmp_path) == sha256(again, tmp_path)
    assert sha256(first, tmp_path) != sha256(
        replace(other, training=first.training, encoder=replace(
            other.encoder, training=first.encoder.training)), tmp_path
    )  # fmt: skip
    test_only = examples[examples["subset"] != "test"]
    untested, _ = train_classifier(packed, test_only, params(tmp_path, **changes))
    assert sha256(untested, tmp_path) == sha256(first, tmp_path)


@pytest.mark.parametrize("dies_at", [3, 9])
def test_a_killed_run_goes_on(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    options = params(
        tmp_path / "work", n_epochs=3, checkpoint_every=2, augment=AUGMENT, ccl_reg=1.0,
        ccl_optimiser="adam", schedule=[{"name": "plateau", "factor": 0.5, "patience": 0}],
    )  # fmt: skip
    whole, history = train_classifier(*corpus, replace(options, work_dir=str(tmp_path / "other")))
    steps: list[int] = []
    original = loop.train_step

    def dying(run: Any, batch: Any, state: State) -> Any:
        if len(steps) == dies_at:
            raise KeyboardInterrupt
        steps.append(state.step)
        return original(run, batch, state)

    monkeypatch.setattr(loop, "train_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_classifier(*corpus, options)
    dies_at += 1000
    resumed, after = train_classifier(*corpus, options)
    assert 12 < len(steps) <= 14
    assert sha256(resumed, tmp_path) == sha256(whole, tmp_path)
    times = ["seconds", "items_per_second"]
    pd.testing.assert_frame_equal(after.drop(columns=times), history.drop(columns=times))
    assert not list((tmp_path / "work").iterdir())


def test_centres_move_by_their_own_optimiser(corpus: Corpus, tmp_path: Path) -> None:
    """The first step of Adagrad and of Adam is the learning rate, whatever the gradient."""
    for name, rate in (("adagrad", 1e-3), ("adam", 2e-3), ("sgd", 0.0)):
        options = params(tmp_path, ccl_reg=1.0, ccl_optimiser=name, ccl_learning_rate=rate)
        run = set_up(*corpus, options, None)
        assert run.centers is not None
        before = run.centers.centers.detach().clone()
        train_mode(run)
        train_step(run, run.plan(0)[0], State())
        moved = (run.centers.centers.detach() - before).abs()
        assert float(moved.median()) == pytest.approx(rate, rel=0.02)
        assert run.optimiser.param_groups[0]["lr"] != rate


def test_the_rate_follows_the_dev_loss(corpus: Corpus, tmp_path: Path) -> None:
    still = params(
        tmp_path, freeze=["stem", "layer1", "layer2", "layer3", "layer4"], learning_rate=1e-12,
        schedule=[{"name": "plateau", "factor": 0.5, "patience": 0}],
    )  # fmt: skip
    _, history = train_classifier(*corpus, still)
    assert list(history["learning_rate"]) == [1e-12, 1e-12, 5e-13, 2.5e-13]


def test_without_the_loss_nothing_of_it_is_told(corpus: Corpus, tmp_path: Path) -> None:
    _, history = train_classifier(*corpus, params(tmp_path, n_epochs=1))
    assert history[["loss_contrastive_center", "center_learning_rate"]].isna().all(axis=None)
    np.testing.assert_array_equal(history["loss"], history["loss_cross_entropy"])


def test_frozen_stages_stay(corpus: Corpus, tmp_path: Path) -> None:
    frozen = params(tmp_path, freeze=["stem", "layer1"], n_epochs=1, weight_decay=0.1)
    start = set_up(*corpus, frozen, None).module.body.state_dict()
    start = {name: weight.clone() for name, weight in start.items()}
    after = train_classifier(*corpus, frozen)[0].encoder.state
    same = {name for name in start if torch.equal(start[name], after[name])}
    assert same == {n for n in start if n.startswith(("conv1", "bn1", "layer1"))}


def test_it_starts_from_a_classifier_or_an_encoder(
    corpus: Corpus, learnt: tuple[Classifier, pd.DataFrame], tmp_path: Path
) -> None:
    save_classifier(tmp_path / "c.safetensors", learnt[0])
    save_encoder(tmp_path / "e.safetensors", learnt[0].encoder)
    torch.save(dict(learnt[0].encoder.state), tmp_path / "r.pth")
    wanted = state_sha256(learnt[0].encoder.state)
    for name in ("c.safetensors", "e.safetensors", "r.pth"):
        assert state_sha256(load_start(tmp_path / name).state) == wanted
    slow = params(
        tmp_path, n_epochs=1, learning_rate=1e-9, init_from=str(tmp_path / "c.safetensors"),
        freeze=["stem", "layer1", "layer2", "layer3", "layer4"],
    )  # fmt: skip
    tuned, _ = train_classifier(*corpus, slow)
    assert state_sha256(tuned.encoder.state) == wanted
    assert tuned.training["init"]["sha256"] == wanted
    with pytest.raises(ValueError, match=r"does not fit train_classifier .*'width': 4"):
        train_classifier(*corpus, replace(slow, width=4))
    with pytest.raises(ValueError, match=r"absent\.safetensors does not exist"):
        train_classifier(*corpus, replace(slow, init_from=str(tmp_path / "absent.safetensors")))


def test_what_the_start_had_heard_is_remembered(
    corpus: Corpus, learnt: tuple[Classifier, pd.DataFrame], tmp_path: Path
) -> None:
    packed, examples = corpus
    manifest = pd.DataFrame({"recording_id": examples["segment_id"]})
    manifest["sha256"] = [f"{k:016x}" for k in range(len(manifest))]
    subsets = examples.rename(columns={"segment_id": "recording_id"})[["recording_id", "subset"]]
    known = {**learnt[0].encoder.training, "heard": ["of another corpus"]}
    save_encoder(tmp_path / "e", replace(learnt[0].encoder, training=known))
    asked = params(tmp_path / "work", init_from=str(tmp_path / "e"), n_epochs=1)
    _, encoder, _ = train(packed, examples, manifest, subsets, asked)
    own = manifest["sha256"][(examples["subset"] != "test").to_numpy()]
    assert encoder.training["heard"] == sorted([*own, "of another corpus"])


def test_images_are_masked_as_features_are(corpus: Corpus, tmp_path: Path) -> None:
    specs = [{"name": "spec_augment", "p": 1.0, "freq_width": 9, "time_width": 9}]
    run = set_up(*corpus, params(tmp_path, augment=specs), None)
    # as min-max images are: 0 would be silence, not what is usual
    images = torch.rand(40, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    images = images.expand(-1, 3, -1, -1)
    mean = images[:, 0].mean(dim=(1, 2))[:, None, None]
    changed = augment_images(run.augment, images, torch.Generator().manual_seed(0))
    assert changed.shape == images.shape
    assert torch.equal(changed[:, 0], changed[:, 2])
    masked = (changed[:, 0] - mean).abs() < 1e-6
    assert torch.allclose(changed[:, 0][~masked], images[:, 0][~masked])
    empty_rows = masked.all(dim=2).sum(dim=1)
    empty_columns = masked.all(dim=1).sum(dim=1)
    assert 2 < float(empty_rows.float().mean()) < 16
    assert 2 < float(empty_columns.float().mean()) < 16


@pytest.mark.parametrize("n", [5, 9, 64, 65, 130])
def test_an_epoch_is_each_recording_once_or_each_speaker_alike(n: int) -> None:
    rng = np.random.default_rng(n)
    labels = np.sort(rng.integers(0, 3, n))
    labels[:3] = [0, 1, 2]
    plain = plan_epoch(labels, 4, False, rng)
    assert sorted(np.concatenate(plain)) == list(range(n))
    assert min(map(len, plain)) >= 2
    assert max(map(len, plain)) <= 4
    skewed = np.where(np.arange(n) < 2, np.arange(n), 2)
    rows = np.concatenate(plan_epoch(skewed, 4, True, rng))
    counts = np.bincount(skewed[rows], minlength=3)
    assert counts.sum() == n
    assert counts.max() - counts.min() <= 3


def test_the_audio_budget_ends_it(corpus: Corpus, tmp_path: Path) -> None:
    # 30 clips of 0.4 s an epoch, in 4 batches of 8, 8, 7 and 7
    _, history = train_classifier(*corpus, params(tmp_path, audio_budget_s=15.5))
    assert list(history["step"]) == [4, 6]
    assert set_up(*corpus, params(tmp_path, audio_budget_s=12.1), None).n_steps == 5


def test_the_step_schedule_is_that_of_torch() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.Adam([weight], lr=1e-4)
    theirs = torch.optim.lr_scheduler.StepLR(optimiser, 7, 0.1)
    for epoch in range(25):
        ours = learning_rate(
            {"name": "step", "factor": 0.1, "every": 7}, 3 * epoch, 75, 1e-4, [1.0] * epoch
        )
        assert ours == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        theirs.step()


def test_a_classifier_is_stored(learnt: tuple[Classifier, pd.DataFrame], tmp_path: Path) -> None:
    saved, _ = learnt
    path = tmp_path / "classifier.safetensors"
    entry = ClassifierDataset(filepath=str(path), version=Version(None, "2024-01-01T00.00.00.000Z"))
    entry.save(saved)
    loaded = ClassifierDataset(filepath=str(path), version=Version(None, None)).load()
    assert loaded.labels == saved.labels == [f"id{k}" for k in range(N_SPEAKERS)]
    assert loaded.training == saved.training
    assert loaded.encoder.front_end == saved.encoder.front_end
    assert state_sha256(loaded.encoder.state) == state_sha256(saved.encoder.state)
    assert state_sha256(loaded.head) == state_sha256(saved.head)
    assert state_sha256(load_classifier(path).head) == state_sha256(saved.head)
    single = next(path.glob("*/*.safetensors"))
    assert ClassifierDataset(filepath=str(single)).load().labels == saved.labels
    with pytest.raises(DatasetError, match="is a single classifier"):
        ClassifierDataset(filepath=str(single)).save(saved)


def test_files_that_are_no_classifier_are_named(
    learnt: tuple[Classifier, pd.DataFrame], tmp_path: Path
) -> None:
    good, _ = learnt
    with pytest.raises(ValueError, match="absent does not exist"):
        load_classifier(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no <version>"):
        load_classifier(tmp_path / "empty")
    save_encoder(tmp_path / "e", good.encoder)
    with pytest.raises(ValueError, match=r"has the format 'bodysounds\.encoder/1'"):
        load_classifier(tmp_path / "e")
    save_classifier(tmp_path / "c", replace(good, labels=good.labels[1:]))
    with pytest.raises(ValueError, match="its 4 labels and its encoder need"):
        load_classifier(tmp_path / "c")
    twice: Any
    for twice in (good.labels[:1] * len(good.labels), "abcde", [1, 2, 3, 4, 5]):
        save_classifier(tmp_path / "c", replace(good, labels=twice))
        with pytest.raises(ValueError, match="does not name each of its classes once"):
            load_classifier(tmp_path / "c")
    save_classifier(tmp_path / "c", replace(good, labels=good.labels[1:]))
    with pytest.raises(ValueError, match="its 4 labels and its encoder need"):
        load_classifier(tmp_path / "c")
    with pytest.raises(ValueError, match=r"has the format 'bodysounds\.classifier/1'"):
        load_encoder(tmp_path / "c")


def drop(examples: pd.DataFrame, **where: Any) -> pd.DataFrame:
    gone = np.logical_and.reduce([examples[name] == value for name, value in where.items()])
    return examples[~gone]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e[e["label"] == "id0"], r"train has recordings of 1 class\(es\)"),
        (lambda e: e[:0], r"train has recordings of 0 class\(es\)"),
        (lambda e: drop(e, subset="dev"), "dev has no recording"),
        (lambda e: drop(e, subset="train", label="id3"), "dev has recordings of 'id3' and train"),
        (lambda e: e.assign(label=e["label"].where(e.index != 4)), "'s0 4' has no label"),
        (lambda e: pd.concat([e, e[:1]]), "'s0 0' is in train and dev more than once"),
        (lambda e: e.assign(segment_id=e["segment_id"] + "x"), "have no audio, such as 's0 0x'"),
    ],
)
def test_examples_that_teach_nothing_are_named(
    corpus: Corpus, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train_classifier(corpus[0], change(corpus[1]), params(tmp_path))


def test_a_speaker_without_dev_is_fine(corpus: Corpus, tmp_path: Path) -> None:
    examples = drop(corpus[1], subset="dev", label="id3")
    classifier, _ = train_classifier(corpus[0], examples, params(tmp_path, n_epochs=1))
    assert len(classifier.labels) == N_SPEAKERS


def test_a_loss_that_explodes_is_named(corpus: Corpus, tmp_path: Path) -> None:
    wild = params(
        tmp_path, optimiser="sgd", learning_rate=1e3, schedule=[{"name": "constant"}], n_epochs=30,
        momentum=0.99, weight_decay=100.0,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"the loss is .* lower train_classifier.learning_rate"):
        train_classifier(*corpus, wild)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip_s": 0.0}, r"train_classifier.clip_s must lie in \[0.1, 60\], got 0.0"),
        ({"fill": "mirror"}, "train_classifier.fill must be one of repeat, zeros"),
        ({"batch_size": 2}, r"train_classifier.batch_size must lie in \[4,"),
        ({"batch_size": 7.5}, "train_classifier.batch_size must be a whole number, got 7.5"),
        ({"size": "64"}, "train_classifier.size must be a number, got '64'"),
        ({"ccl_reg": -1.0}, "train_classifier.ccl_reg must lie in"),
        ({"ccl_optimiser": "rmsprop"}, "must be one of adagrad, adam, sgd"),
        ({"freeze": ["layer5"]}, r"train_classifier.freeze\[\] must be one of stem"),
        ({"betas": [0.9]}, r"train_classifier.betas must be two numbers in \[0, 1\)"),
        ({"dim": 1}, "train_classifier.dim must lie in"),
        ({"audio_budget_s": 0}, "train_classifier.audio_budget_s must be above 0 or null"),
        ({"augment": ["noise"]}, r"train_classifier.augment\[\] must be a name"),
        ({"schedule": [{"name": "step", "factor": 0.1}]}, "train_classifier.schedule step takes"),
        (
            {"schedule": [{"name": "step", "factor": 0.1, "every": 0}]},
            "train_classifier.schedule step: every must lie in epochs, 1 or more, got 0",
        ),
    ],
)
def test_wrong_parameters_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainClassifierParams(**change)


def test_a_wrong_augmentation_is_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="echo"):
        train_classifier(*corpus, params(tmp_path, augment=[{"name": "echo"}]))


def recipes(project_dir: Path) -> dict[str, dict[str, Any]]:
    path = project_dir / "conf" / "base" / "parameters_classifier_recipes.yml"
    written = yaml.safe_load(path.read_text())["_classifiers"]
    # what the command line may fill in
    asked = {"init_from": None, "audio_budget_s": None, "work_dir": "work"}
    for recipe in written.values():
        assert all(str(recipe[name]).startswith("${runtime_params:") for name in asked)
    return {name: recipe | asked for name, recipe in written.items()}


def test_a_recipe_spells_out_every_parameter(project_dir: Path) -> None:
    fields = {field.name for field in dataclasses.fields(TrainClassifierParams)}
    for recipe in recipes(project_dir).values():
        assert set(recipe) == fields
        TrainClassifierParams(**recipe)


def test_the_published_recipes_are_what_was_published(project_dir: Path) -> None:
    own = {name: TrainClassifierParams(**r) for name, r in recipes(project_dir).items()}
    assert set(own) == {"ours", "resnet18_ce", "resnet18_ccl_adagrad", "resnet18_ccl_adam"}
    centers = {
        name: (p.ccl_reg, p.ccl_optimiser, p.ccl_learning_rate)
        for name, p in own.items()
        if p.ccl_reg > 0
    }
    assert centers == {
        "resnet18_ccl_adagrad": (1.0, "adagrad", 1e-3),
        "resnet18_ccl_adam": (0.55, "adam", 2e-3),
    }
    for name in ("resnet18_ce", *centers):
        p = own[name]
        assert (p.batch_size, p.n_epochs, p.size, p.width, p.dim) == (64, 20, 224, 64, None)
        assert (p.optimiser, p.learning_rate, p.betas, p.eps) == ("adam", 1e-4, [0.9, 0.98], 1e-9)
        assert p.schedule == [{"name": "step", "factor": 0.1, "every": 7}]
        assert (p.fill, p.normalise, p.n_fft) == ("zeros", "per_frequency", 512)
        assert (p.ccl_ratio, p.ccl_delta) == ("batch", 1e-6)
        assert (p.augment, p.freeze, p.label_smoothing, p.weight_decay) == ([], [], 0.0, 0.0)
        differs = {k for k, v in vars(p).items() if v != vars(own["resnet18_ce"])[k]}
        assert differs <= {"ccl_reg", "ccl_optimiser", "ccl_learning_rate"}


@pytest.mark.data
def test_it_tells_real_people_apart(data_dir: Path, tmp_path: Path) -> None:
    """Ten people's vocal bursts, 21 each: far above the one in ten of chance."""
    from bodysounds.audio.read import read_audio

    root = data_dir / "vocal_bursts"
    table = pd.read_csv(root / "metadata.csv").sort_values("file_name", kind="stable")
    table = table[table["speaker_id"].isin(sorted(table["speaker_id"].unique())[:10])]
    pieces = ((name, to_int16(read_audio(root / name))) for name in table["file_name"])
    packed = write_packed(tmp_path / "packed", pieces, 16_000)
    number = np.random.default_rng(0).permutation(len(table))
    subset = np.array(["train", "train", "train", "dev", "test"])[number % 5]
    examples = pd.DataFrame(
        {"segment_id": table["file_name"], "label": table["speaker_id"], "subset": subset}
    )
    options = TrainClassifierParams(
        clip_s=1.5, size=64, width=8, normalise="min_max", n_epochs=12, batch_size=16,
        learning_rate=3e-3, device="cpu", work_dir=str(tmp_path / "work"),
    )  # fmt: skip
    classifier, _ = train_classifier(packed, examples, options)
    names, labels = ids(examples, "test")
    found = predict(classifier, packed, names, "cpu").argmax(axis=1)
    accuracy = np.mean(np.array(classifier.labels)[found] == np.array(labels))
    assert accuracy > 0.35


def test_an_encoder_of_a_classifier_is_an_encoder(
    learnt: tuple[Classifier, pd.DataFrame], tmp_path: Path
) -> None:
    save_encoder(tmp_path / "e.safetensors", learnt[0].encoder)
    loaded = load_encoder(tmp_path / "e.safetensors")
    assert isinstance(loaded, Encoder)
    assert loaded.architecture == {"name": "resnet18", "width": 8, "dim": 64}
