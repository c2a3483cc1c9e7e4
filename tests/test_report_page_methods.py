"""Methods and references to paste: those of the run and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from reporting_tables import made_tables
from test_recipes import recipe
from test_reporting import metrics_of, point_of

from bodysounds.corpora.base import Corpus
from bodysounds.models.classifier import Classifier
from bodysounds.models.encoder import Encoder
from bodysounds.reporting.cards import subset_rows
from bodysounds.reporting.citations import CITATIONS, WHERE, bibtex, plain_list
from bodysounds.reporting.methods_respiratory import respiratory_methods
from bodysounds.reporting.methods_verification import verification_methods
from bodysounds.reporting.record import run_record

RATE = 16_000


@pytest.fixture(scope="module")
def tables() -> Any:
    return made_tables()


@pytest.fixture(scope="module")
def metrics(tables: Any) -> Any:
    return metrics_of(tables)


@pytest.fixture(scope="module")
def point(tables: Any) -> Any:
    return point_of(tables)


def encoder_of(parameters: dict[str, Any], **training: Any) -> Encoder:
    state = {"w": torch.ones(7), "norm.running_mean": torch.ones(5)}
    body = {"name": "ecapa", "n_mels": 80, "channels": parameters["channels"], "depth": 3,
            "dim": parameters["dim"]}  # fmt: skip
    hears = {"name": parameters["front_end"], "sample_rate": RATE, "n_mels": 80,
             "mean_over": parameters["mean_over"]}  # fmt: skip
    record = {
        "seed": 3, "epochs": 9, "chosen_epoch": 4, "averaged_epochs": [], "n_subjects": 11,
        "precision": "float32", "init": None, "refit": None, "parameters": parameters,
    }  # fmt: skip
    return Encoder(state, body, hears, record | training)


def told(
    tables: Any, metrics: Any, point: Any, encoder: Encoder, score: str = "cosine", **more: Any
) -> dict[str, Any]:
    parameters = {
        "split": {"seed": 3, "dev_share": 0.2, "test_share": 0.3},
        "score_pairs": {"seed": 3, "max_side_s": 60.0, "cohort_subjects": 300, "cohort_top_k": 50,
                        **more.pop("score_pairs", {})},
        "report": {"seed": 3, "n_bootstrap": 1234},
    }  # fmt: skip
    rows = subset_rows(tables["manifest"], tables["subsets"], tables["sides"])
    return verification_methods(
        metrics=metrics, point=point | {"score": score}, subset_rows=rows, hinted=0.0,
        encoder=encoder, corpus=Corpus(Path("."), "cryceleb", "CryCeleb2023", licence="own terms"),
        record=run_record() | {"parameters": parameters}, n_folds=0, **more,
    )  # fmt: skip


WORDS = {
    "aam": "additive angular margin softmax", "triplet": "triplet loss",
    "supcon": "supervised contrastive loss", "spec_augment": "SpecAugment",
    "tilt": "spectral tilt", "noise": "noise at",
}  # fmt: skip


@pytest.mark.parametrize("task", ["cry_verification", "speaker_verification"])
@pytest.mark.parametrize("name", ["ours", "aam_baseline", "triplet_2023", "zalo_2020"])
def test_the_methods_are_those_of_the_recipe(
    tables: Any, metrics: Any, point: Any, project_dir: Path, task: str, name: str
) -> None:
    own = recipe(project_dir, name, task=task)
    text = told(tables, metrics, point, encoder_of(own))["text"]
    used = {part["name"] for part in [*own["losses"], *own["augment"]]}
    assert {key for key, words in WORDS.items() if words in text} == used
    for loss in own["losses"]:
        if "margin" in loss:
            assert f"margin {loss['margin']:g}" in text
    for words in (
        f"in batches of {own['subjects_per_batch']} subjects",
        f"highest learning rate {own['learning_rate']:g}",
        {"adam": "was Adam ", "adamw": "was AdamW "}[own["optimiser"]],
        f"{own['channels']} channels (7 parameters)",  # running means are not learnt
        "from random weights on 11 subjects", "for 9 epochs", "Epoch 4 was kept", "in single",
        "Every random draw had the seed 3.", "1,234 bootstrap resamples of subjects",
        "40 recordings of 10 subjects", "20% for development and 30% for testing",
        "licence: own terms", f"bodysounds {run_record()['bodysounds']}",
    ):  # fmt: skip
        assert words in text, words
    for absent in ("None", "nan", "AS-norm", "pretrained", "backend", "  ", "_", "{", "Session"):
        if absent != "Session" or not own["train_session"]:
            assert absent not in text, absent
    assert ("Only session B taught" in text) == (own["train_session"] == "B")


def test_what_a_run_did_besides_is_told_and_nothing_else(
    tables: Any, metrics: Any, point: Any, project_dir: Path
) -> None:
    own = recipe(project_dir, "ours")
    plain = told(tables, metrics, point, encoder_of(own))
    assert "as_norm" not in plain["references"]["bibtex"]
    normalised = told(tables, metrics, point, encoder_of(own), score="normalised")
    assert "AS-norm against a cohort of training subjects" in normalised["text"]
    assert "@inproceedings{as_norm," in normalised["references"]["bibtex"]
    started = encoder_of(own, init={"loaded_from": "spkrec-x", "sha256": "ab" * 32},
                         averaged_epochs=[2, 4], refit={"subsets": ["train", "dev"]})  # fmt: skip
    text = told(tables, metrics, point, started, score_pairs={"embed": "windows", "window_s": 1.5,
                                                       "hop_s": 0.75})["text"]  # fmt: skip
    for words in (
        "from pretrained weights spkrec-x (sha256 abababababab)", "epochs 2 and 4 were averaged",
        "trained anew on train and dev", "windows of 1.5 s every 0.75 s were averaged",
    ):  # fmt: skip
        assert words in text, words
        assert words not in plain["text"], words
    network = encoder_of(own)
    with_backend = Encoder(
        network.state,
        {"name": "backend", "network": network.architecture, "over": "band",
         "dims": {"network": 4, "statistics": 5}},
        network.front_end | {"mean_over": "none"}, network.training,
    )  # fmt: skip
    text = told(tables, metrics, point, with_backend)["text"]
    assert "backend on the embeddings and long-term statistics of the features was fitted" in text
    assert "the mean of each band taken off" in text
    published = Encoder(network.state, network.architecture, network.front_end,
                        {"loaded_from": "spkrec-x"})  # fmt: skip
    found = told(tables, metrics, point, published)
    assert "as published, not trained here" in found["text"]
    assert "optimiser" not in found["text"]
    assert "aam" not in found["references"]["bibtex"]


@pytest.mark.parametrize("method", ["sl", "scl", "hybrid", "mscl"])
def test_the_methods_of_breath_are_those_of_its_loss(project_dir: Path, method: str) -> None:
    loader = recipe_of_breath(project_dir, method)
    training = {"seed": 0, "epochs": 50, "chosen_epoch": 7, "n_train": 4, "precision": "float32",
                "init": None, "method": method, "parameters": loader,
                "contrastive": {"epochs": 15}}  # fmt: skip
    encoder = Encoder({"w": torch.ones(7)}, {"name": "cnn6", "width": 0.25},
                      {"name": "log_mel", "sample_rate": 4000}, training)  # fmt: skip
    examples = pd.DataFrame({
        "session_id": ["1", "2", "3"], "subset": ["train", "dev", "test"],
        "condition": ["train", "dev", "unseen_patient"],
    })  # fmt: skip
    head = {"n": 1, "n_groups": 1, "unheard": True, "rate": "score", "unit": "cycle",
            "level": 0.95, "resampled": "patients", "chosen_by": "dev"}  # fmt: skip
    found = respiratory_methods(
        metrics={"headline": head, "test": {"ours": {}, "mfcc": {}}, "calibration": {}},
        examples=examples, split_facts={"protocol": "official"},
        classifiers={"": Classifier(encoder, {}, ["normal"])}, rule={},
        corpus=Corpus(Path("."), "icbhi", "ICBHI 2017"), record=run_record(),
    )  # fmt: skip
    text, bib = found["text"], found["references"]["bibtex"]
    contrastive = method != "sl"
    assert ("supervised contrastive loss (temperature" in text) == contrastive
    assert ("{supcon," in bib) == ("{metadata," in bib) == contrastive
    assert ("A linear layer was then trained" in text) == (method in ("scl", "mscl"))
    # the epochs of the network, and those of the layer above it
    assert ("for 15 epochs" in text) == (method in ("scl", "mscl"))
    assert "for 50 epochs" in text
    assert ("groups by sex and age group" in text) == (method == "mscl")
    assert "{icbhi," in bib
    assert "{panns," in bib
    assert "1 breath cycle of 1 patient for training" in text
    assert "None" not in text


def recipe_of_breath(project_dir: Path, method: str) -> dict[str, Any]:
    from kedro.config import OmegaConfigLoader

    loader = OmegaConfigLoader(
        str(project_dir / "conf"), base_env="base", default_run_env="local",
        runtime_params={"method": method}, merge_strategy={"parameters": "soft"},
    )  # fmt: skip
    own: dict[str, Any] = loader["parameters"]["respiratory_scl"]["train_respiratory"]
    return own


# --- references ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CITATIONS)
def test_a_citation_is_whole(name: str) -> None:
    one = CITATIONS[name]
    entry = bibtex([name])
    assert entry.startswith(f"@{one.kind}{{{name},\n")
    assert entry.count("{") == entry.count("}")
    assert one.kind in WHERE
    assert one.author
    assert one.title in entry
    assert one.doi or one.arxiv or one.where
    assert one.kind == "misc" or (one.where and one.year)
    assert not one.doi or re.fullmatch(r"10\.\d{4,5}/\S+", one.doi)
    if one.arxiv:
        assert re.fullmatch(r"\d{4}\.\d{4,5}", one.arxiv)
        assert 0 <= int(one.year) - 2000 - int(one.arxiv[:2]) <= 1
    (line,) = plain_list([name])
    assert not re.search(r"[{}\\]|--", line)
    assert one.title in line
    assert ":" not in name
