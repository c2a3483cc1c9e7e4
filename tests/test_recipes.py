"""The recipes are what was published, number by number."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import made
import pytest
import test_pretrained
import torch
from kedro.config import OmegaConfigLoader

from bodysounds.models.encoder import Encoder, load_encoder, untrained
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import TrainEmbeddingParams
from bodysounds.training.embedding import train_encoder
from bodysounds.training.setup import architecture, features
from bodysounds.training.start import start_from

NAMES = ("ours", "aam_baseline", "triplet_2023", "large_margin", "zalo_2020")
PUBLISHED = ("aam_baseline", "triplet_2023")


def recipe(
    project_dir: Path,
    name: str,
    env: str = "base",
    task: str = "cry_verification",
    **runtime: Any,
) -> dict[str, Any]:
    loader = OmegaConfigLoader(
        str(project_dir / "conf"),
        env=env,
        base_env="base",
        default_run_env="local",
        runtime_params={"recipe": name, **runtime},
        merge_strategy={"parameters": "soft"},
    )
    chosen: dict[str, Any] = loader["parameters"][task]["train_embedding"]
    return chosen


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_spells_out_every_parameter(project_dir: Path, name: str) -> None:
    fields = {field.name for field in dataclasses.fields(TrainEmbeddingParams)}
    assert set(recipe(project_dir, name)) == fields


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_network_is_that_of_voxceleb_and_starts_from_a_path(
    project_dir: Path, name: str
) -> None:
    p = TrainEmbeddingParams(**recipe(project_dir, name))
    assert (p.front_end, p.n_mels, p.mean_over) == ("speechbrain", 80, "band")
    assert (p.channels, p.depth, p.dim) == (1024, 3, 192)
    assert p.init_from is None
    assert recipe(project_dir, name, init_from="/voxceleb")["init_from"] == "/voxceleb"
    assert p.precision == "float32"
    assert p.augment == []
    assert p.audio_budget_s is None


def test_a_published_recipe_starts_from_every_weight_of_voxceleb(
    project_dir: Path, tmp_path: Path
) -> None:
    folder = test_pretrained.folder_of(tmp_path / "spkrec-ecapa", test_pretrained.LARGE)
    for name in PUBLISHED:
        p = TrainEmbeddingParams(**recipe(project_dir, name, init_from=str(folder)))
        heard = features(p, 16_000)
        module = EmbeddingNetwork(architecture(p), heard, p.seed)
        init = load_encoder(str(p.init_from))
        came = start_from(module, init, heard, p.init_strict)
        assert set(came["matched"]) == set(init.state) == set(module.body.state_dict())
        assert (came["missing"], came["skipped"], came["strict"]) == ([], [], True)
        own = module.body.state_dict()
        assert all(torch.equal(own[key], weight) for key, weight in init.state.items())


def test_the_baseline_is_as_published(project_dir: Path) -> None:
    p = TrainEmbeddingParams(**recipe(project_dir, "aam_baseline"))
    # AAM-softmax, margin 0.2, scale 30, on the B recordings of babies with both periods; D validate
    assert p.losses == [{"name": "aam", "weight": 1.0, "margin": 0.2, "scale": 30.0}]
    assert (p.train_session, p.validate_session) == ("B", "D")
    assert (p.validation_share, p.join_sessions) == (0.0, False)
    # Adam 1e-4 cyclic, batch 32, 3-5 s crops, up to 1,000 epochs
    assert (p.optimiser, p.learning_rate) == ("adam", 1e-4)
    assert p.schedule == [{"name": "cyclic", "base_lr": 1e-8, "step_size": 100}]
    assert p.weight_decay == 2e-6
    assert p.clip_norm == 5.0
    assert p.subjects_per_batch * p.crops_per_subject == 32
    assert p.crops_per_subject == 1
    assert (p.crop_s, p.epochs, p.passes_per_epoch) == ([3.0, 5.0], 1000, 1)
    # the checkpoint is chosen by dev EER
    assert (p.keep_best, p.average_best, p.refit, p.defects) == (1, False, None, [])


def test_the_triplet_solution_is_as_published_without_its_defects(project_dir: Path) -> None:
    p = TrainEmbeddingParams(**recipe(project_dir, "triplet_2023"))
    # online batch-hard mining, margin 1, all segments of a baby whatever the period
    assert p.losses == [
        {"name": "triplet", "weight": 1.0, "mining": "hard", "margin": 1.0, "distance": "euclidean"}
    ]
    assert p.unit_length
    assert p.join_sessions
    assert (p.train_session, p.validate_session) == (None, None)
    # random 85/15 split by baby
    assert p.validation_share == pytest.approx(1 - 0.85)
    # Adam 1e-3, plateau x0.5 after 8, up to 300 epochs, best 5, random 3-5 s crops
    assert (p.optimiser, p.learning_rate, p.weight_decay) == ("adam", 1e-3, 0.0)
    assert p.schedule == [{"name": "plateau", "factor": 0.5, "patience": 8}]
    assert p.clip_norm is None
    assert (p.epochs, p.keep_best, p.crop_s) == (300, 5, [3.0, 5.0])
    assert p.subjects_per_batch * p.crops_per_subject == 16
    assert p.defects == []


def test_ours_is_what_it_was(project_dir: Path) -> None:
    p = TrainEmbeddingParams(**recipe(project_dir, "ours"))
    assert (p.optimiser, p.learning_rate, p.weight_decay) == ("adamw", 0.004, 0.05)
    assert p.schedule == [{"name": "warmup_cosine", "warmup_share": 0.1}]
    assert not p.validates
    assert (p.keep_best, p.average_best, p.refit, p.defects) == (1, False, None, [])


def test_large_margin_is_fine_tuning_as_published(project_dir: Path) -> None:
    p = TrainEmbeddingParams(**recipe(project_dir, "large_margin", init_from="/an/encoder"))
    ours = TrainEmbeddingParams(**recipe(project_dir, "ours"))
    # arXiv 2010.11255: margin 0.5, crops of up to 6 s, a low rate, no SpecAugment, no speeds
    assert [(loss["name"], loss["margin"]) for loss in p.losses] == [("aam", 0.5)]
    assert p.crop_s[1] == 6.0
    assert p.learning_rate <= ours.learning_rate / 10
    assert "spec_augment" not in [step["name"] for step in p.augment]
    assert p.speeds == [1.0]
    assert p.head_from_means
    assert p.layer_decay < 1
    assert p.init_from == "/an/encoder"
    # it goes on with the network of ours
    assert architecture(p) == architecture(ours)
    assert features(p, 16_000) == features(ours, 16_000)


@pytest.mark.parametrize(
    ("env", "task"),
    [
        ("emogator", "cry_verification"),
        ("donateacry", "cry_verification"),
        ("zalo", "speaker_verification"),
        ("voxceleb", "speaker_verification"),
    ],
)
def test_large_margin_goes_on_with_the_network_of_ours(
    project_dir: Path, env: str, task: str
) -> None:
    ours, tuned = (
        TrainEmbeddingParams(**recipe(project_dir, name, env, task))
        for name in ("ours", "large_margin")
    )
    assert architecture(tuned) == architecture(ours)
    assert features(tuned, 16_000) == features(ours, 16_000)


def test_zalo_learns_from_short_crops(project_dir: Path) -> None:
    p = TrainEmbeddingParams(**recipe(project_dir, "zalo_2020", task="speaker_verification"))
    assert p.crop_s == [0.75, 0.75]
    assert p.min_seconds_per_subject == 1.0
    assert p.init_from is None
    assert (p.train_session, p.validate_session) == (None, None)


@pytest.mark.parametrize("name", NAMES)
def test_the_network_shrinks_from_the_command_line(project_dir: Path, name: str) -> None:
    chosen = recipe(project_dir, name, channels=16, dim=8, audio_budget_s=60, refit="train+dev")
    p = TrainEmbeddingParams(**chosen)
    assert (p.channels, p.dim, p.audio_budget_s, p.refit) == (16, 8, 60, "train+dev")


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains(project_dir: Path, tmp_path: Path, name: str) -> None:
    torch.set_num_threads(1)
    corpus = made.corpus(tmp_path / "corpus", {"train": 20, "dev": 4}, seconds=0.5)
    chosen = recipe(project_dir, name, channels=8, dim=8)
    chosen |= {
        "depth": 1, "epochs": 2, "device": "cpu", "work_dir": str(tmp_path / "work"),
        # three seconds of every crop are heard by the tests of crops
        "crop_s": [0.3, 0.5],
    }  # fmt: skip
    p = TrainEmbeddingParams(**chosen)
    init = untrained(Encoder({}, architecture(p), features(p, made.RATE)), seed=1)
    start = init if p.head_from_means else None
    encoder, _, history = train_encoder(*corpus, p, start)
    assert len(history) == 2
    validated = {"validation_loss", "validation_accuracy", "validation_active"} & set(history)
    assert validated == {
        "aam_baseline": {"validation_loss", "validation_accuracy"},
        "triplet_2023": {"validation_loss", "validation_active"},
    }.get(name, set())
    assert encoder.training["n_subjects"] == {"triplet_2023": 17}.get(name, 20)
    assert encoder.training["n_validation"] == {"aam_baseline": 20, "triplet_2023": 3}.get(name, 0)
    assert len(encoder.best) == (2 if name == "triplet_2023" else 0)
