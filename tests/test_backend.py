"""The linear backend: statistics, discriminant directions, and the encoder that holds both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from bodysounds.audio.statistics import PERCENTILES, long_term_statistics
from bodysounds.models.encoder import Encoder, load_encoder, network_of, save_encoder, untrained
from bodysounds.params import ScorePairsParams, TrainEmbeddingParams
from bodysounds.scoring.embed import embed_sides
from bodysounds.scoring.systems import Encoders, score_systems
from bodysounds.sides import SideTable, side_waveform
from bodysounds.training.dev import MAX_SIDE_S, dev_trials
from bodysounds.training.embedding import train_encoder
from bodysounds.training.lda import directions, scatter

Corpus = tuple[Any, SideTable, pd.DataFrame]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 16, "dev": 8}, seconds=0.4)


def params(folder: Path, **changes: Any) -> TrainEmbeddingParams:
    own: dict[str, Any] = {"losses": [{"name": "triplet"}], "backend": ["network", "statistics"]}
    return made.small_training(folder, **(own | changes))


@pytest.fixture(scope="module")
def trained(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    packed, sides, trials = corpus
    work = tmp_path_factory.mktemp("work")
    encoder, dev_encoder, _ = train_encoder(packed, sides, trials, params(work))
    assert encoder is dev_encoder
    return encoder


def slow_statistics(features: np.ndarray) -> np.ndarray:
    level = features.mean(axis=1)
    loud = features[level >= np.percentile(level, 60)]
    quiet = features[level <= np.percentile(level, 30)]
    steps = np.abs(np.diff(features, axis=0)).mean(axis=0)
    parts = [np.percentile(features, share, axis=0) for share in PERCENTILES]
    parts += [features.mean(axis=0), features.std(axis=0), steps]
    for some in (loud, quiet):
        parts += [some.mean(axis=0), some.std(axis=0)]
    return np.concatenate(parts)


def test_the_statistics_are_those_of_each_clip() -> None:
    features = np.random.default_rng(0).normal(-40, 15, (3, 37, 5)).astype(np.float32)
    found = long_term_statistics(torch.from_numpy(features)).numpy()
    for own, clip in zip(found, features, strict=True):
        np.testing.assert_allclose(own, slow_statistics(clip), atol=1e-3)


def test_the_statistics_of_one_frame_are_finite() -> None:
    found = long_term_statistics(torch.full((2, 1, 3), -7.0))
    assert torch.isfinite(found).all()
    assert found[0, 0] == -7.0


def drawn() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(6), 9)
    vectors = rng.normal(size=(6, 12))[labels] + rng.normal(size=(54, 12)) * rng.uniform(0.2, 5, 12)
    return vectors, labels


def test_without_shrinkage_the_directions_are_those_of_scikit_learn() -> None:
    vectors, labels = drawn()
    found = scatter(vectors, labels)
    ours = (vectors - found.mean) @ directions(found, 1e-12, 100)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(vectors, labels)
    plain = theirs.transform(vectors - vectors.mean(axis=0))[:, :5]
    assert ours.shape == (54, 5)
    # directions have no sign: what matters is every product of two vectors
    np.testing.assert_allclose(ours @ ours.T, plain @ plain.T, rtol=1e-6, atol=1e-6)


def test_with_shrinkage_they_whiten_what_differs_within_a_class() -> None:
    vectors, labels = drawn()
    found = scatter(vectors, labels)
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    means = np.stack([scaled[labels == k].mean(axis=0) for k in range(6)])[labels]
    within = (scaled - means).T @ (scaled - means) / len(scaled)
    shrunk = 0.7 * within + 0.3 * np.diag(within).mean() * np.eye(12)
    values, axes = np.linalg.eigh(shrunk)
    whitened = scaled @ (axes / np.sqrt(values)) @ axes.T
    # the leading directions of the means, in the whitened space
    white_means = means @ (axes / np.sqrt(values)) @ axes.T
    _, leading = np.linalg.eigh(white_means.T @ white_means)
    expected = whitened @ leading[:, -3:]
    ours = (vectors - found.mean) @ directions(found, 0.3, 3)
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, rtol=1e-6, atol=1e-6)


def test_classes_of_one_recording_are_refused() -> None:
    with pytest.raises(ValueError, match=r"train has 3 classes with at most 1 each.*backend: \[\]"):
        scatter(np.eye(3), np.arange(3))


def test_an_embedding_is_both_parts_at_their_shares(trained: Encoder, corpus: Corpus) -> None:
    packed, sides, _ = corpus
    found = embed_sides(trained, packed, sides, np.array([3]), MAX_SIDE_S)[0]
    alone = network_of(trained)
    assert alone.architecture["name"] == "ecapa"
    assert alone.front_end["mean_over"] == "band"
    heard = {
        "network": embed_sides(alone, packed, sides, np.array([3]), MAX_SIDE_S)[0],
        "statistics": slow_statistics(log_mel(trained, packed, sides, 3)),
    }
    shares = trained.training["backend"]["shares"]
    expected = []
    for part, vector in heard.items():
        mean, matrix = (
            trained.state[f"projections.{part}.{name}"].numpy() for name in ("mean", "matrix")
        )
        projected = (vector - mean) @ matrix
        expected.append(np.sqrt(shares[part]) * projected / np.linalg.norm(projected))
    assert sum(shares.values()) == pytest.approx(1)
    np.testing.assert_allclose(found, np.concatenate(expected), atol=2e-3)


def log_mel(encoder: Encoder, packed: Any, sides: SideTable, row: int) -> np.ndarray:
    from bodysounds.audio.frontends import front_end

    options = {k: v for k, v in encoder.front_end.items() if k != "mean_over"}
    wave = side_waveform(packed, sides.spans[row]).astype(np.float32)
    return np.asarray(front_end(**options)(torch.from_numpy(wave)[None])[0])


def test_dev_s_rate_is_that_of_the_encoder_handed_over(trained: Encoder, corpus: Corpus) -> None:
    from bodysounds.metrics.verification import equal_error_rate
    from bodysounds.scoring.cosine import cosine_scores

    packed, sides, trials = corpus
    dev = dev_trials(trials, sides)
    embeddings = embed_sides(trained, packed, sides, dev.rows, MAX_SIDE_S)
    eer, _ = equal_error_rate(dev.targets, cosine_scores(embeddings, embeddings, dev.pairs))
    assert trained.training["dev_eer"] == pytest.approx(eer, abs=0.02)


def test_it_is_saved_loaded_and_has_an_untrained_twin(trained: Encoder, tmp_path: Path) -> None:
    save_encoder(tmp_path / "e.safetensors", trained)
    loaded = load_encoder(tmp_path / "e.safetensors")
    assert loaded.architecture == trained.architecture
    assert all(torch.equal(loaded.state[name], trained.state[name]) for name in trained.state)
    twin = untrained(trained, 1)
    assert twin.state.keys() == trained.state.keys()


def test_it_starts_another_training_without_its_backend(
    trained: Encoder, corpus: Corpus, tmp_path: Path
) -> None:
    again, _, _ = train_encoder(*corpus, params(tmp_path, backend=[]), trained)
    assert again.architecture["name"] == "ecapa"
    assert not again.training["init"]["missing"]


def test_a_refit_has_a_backend_of_its_own(corpus: Corpus, tmp_path: Path) -> None:
    asked = params(tmp_path, refit="train+dev", backend=["statistics"], speeds=[0.9, 1.0])
    encoder, dev_encoder, _ = train_encoder(*corpus, asked)
    name = "projections.statistics.mean"
    assert encoder.training["backend"] == dev_encoder.training["backend"]
    assert not torch.equal(encoder.state[name], dev_encoder.state[name])
    assert encoder.training["dev_eer"] is None


def test_a_refit_with_more_directions_is_scored(tmp_path: Path) -> None:
    packed, sides, trials = made.corpus(tmp_path, {"train": 6, "dev": 4, "test": 3}, seconds=0.4)
    asked = params(tmp_path, refit="train+dev", backend=["statistics"], epochs=1)
    encoder, dev_encoder, _ = train_encoder(packed, sides, trials, asked)
    assert encoder.architecture["dim"] > dev_encoder.architecture["dim"]
    scoring = ScorePairsParams(systems=["ours", "plain", "statistics"], device="cpu")
    embeddings, index, scores = score_systems(
        Encoders(encoder, dev_encoder), packed, sides, trials, pd.DataFrame(), scoring
    )
    ours = embeddings["ours"]
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    row = pd.Series(index.index, index["side_id"])
    products = (ours[row[trials["enrol_id"]]] * ours[row[trials["test_id"]]]).sum(axis=1)
    told = scores[scores["system"] == "ours"].set_index("trial_id")["cosine"]
    np.testing.assert_allclose(told[trials["trial_id"]], products, atol=1e-5)


def test_subjects_of_one_recording_are_refused_before_the_training(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bodysounds.training.embedding.teach", pytest.fail)
    with pytest.raises(ValueError, match=r"at most 1 each.*backend: \[\]"):
        train_encoder(*corpus, params(tmp_path, join_sessions=True))


def test_the_scatter_of_many_is_that_of_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=101)
    vectors = (rng.normal(size=(101, 4)) + labels[:, None]) * [1, 10, 0.1, 0] - 60
    monkeypatch.setattr("bodysounds.training.lda.AT_A_TIME", 10)
    found = scatter(vectors, labels)
    spread = vectors.std(axis=0)
    scaled = (vectors - vectors.mean(axis=0)) / np.where(spread > 1e-8, spread, 1)
    around = np.concatenate(
        [scaled[labels == k] - scaled[labels == k].mean(axis=0) for k in range(5)]
    )
    np.testing.assert_allclose(found.within, around.T @ around / 101, atol=1e-12)
    np.testing.assert_allclose(found.total, scaled.T @ scaled / 101, atol=1e-12)


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"backend\[\] must be one of network, statistics"):
        params(tmp_path, backend=["plda"])
