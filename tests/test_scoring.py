"""Embeddings of sides, cosines of pairs, and the table of systems."""

from __future__ import annotations

from dataclasses import replace

import made
import numpy as np
import pandas as pd
import pytest
import torch

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, network, untrained
from bodysounds.params import ScorePairsParams
from bodysounds.scoring import cosine
from bodysounds.scoring.cohort import cohort_rows
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_sides, embed_waveforms
from bodysounds.scoring.mfcc import mfcc_embeddings
from bodysounds.scoring.systems import Encoders, score_systems
from bodysounds.sides import SideTable, side_waveform

ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packed, SideTable, pd.DataFrame]:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 3, "dev": 2, "test": 2})


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    front_end = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}
    return untrained(Encoder({}, ARCHITECTURE, front_end), seed=0)


def descriptors(packed: Packed, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = packed.index[["segment_id"]].assign(duration_s=packed.index["n_samples"] / 16_000)
    for k in range(3):
        table[f"mfcc_mean_{k:02d}"] = rng.normal(5, 3, len(table))
        table[f"mfcc_std_{k:02d}"] = rng.uniform(1, 2, len(table))
    return table.sample(frac=1, random_state=0)


@pytest.mark.parametrize(("n_enrol", "n_test", "n_pairs"), [(7, 5, 60), (90, 80, 40), (1, 1, 1)])
@pytest.mark.parametrize("block", [1, 64, 1 << 24])
@pytest.mark.parametrize("dense_share", [0, 2])
def test_cosines_equal_the_slow_loop(
    n_enrol: int,
    n_test: int,
    n_pairs: int,
    block: int,
    dense_share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cosine, "BLOCK_BYTES", block)
    monkeypatch.setattr(cosine, "GATHERED_PAIRS", block)
    monkeypatch.setattr(cosine, "NEAR_ROWS", 3)
    monkeypatch.setattr(cosine, "DENSE_SHARE", dense_share)
    rng = np.random.default_rng(0)
    enrol, test = rng.normal(size=(n_enrol, 6)), rng.normal(size=(n_test, 6)).astype(np.float32)
    pairs = np.stack([rng.integers(n_enrol, size=n_pairs), rng.integers(n_test, size=n_pairs)], 1)
    scores = cosine_scores(enrol, test, pairs)
    slow = [
        float(enrol[a] @ test[b] / np.linalg.norm(enrol[a]) / np.linalg.norm(test[b]))
        for a, b in pairs
    ]
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, slow, atol=1e-6)


def test_cosines_stay_within_one() -> None:
    vectors = np.random.default_rng(0).normal(size=(2_000, 16))
    own = cosine_scores(vectors, vectors, np.arange(2_000)[:, None].repeat(2, axis=1))
    assert own.max() <= 1
    np.testing.assert_allclose(own, 1, atol=1e-6)
    assert cosine_scores(vectors, -vectors, [[0, 0]])[0] >= -1
    assert cosine_scores([[0.0, 0.0]], [[1.0, 0.0]], [[0, 0]]).tolist() == [0.0]
    assert cosine_scores(vectors, vectors, []).shape == (0,)


@pytest.mark.parametrize(
    ("enrol", "test", "pairs", "message"),
    [
        ([[1.0, np.nan]], [[1.0, 0.0]], [[0, 0]], "enrol must be finite, but row 0 has"),
        ([[1.0, 0.0]], [[np.inf, 0.0]], [[0, 0]], "test must be finite"),
        ([1.0, 0.0], [[1.0, 0.0]], [[0, 0]], r"enrol must have shape \(n, dim\), got \(2,\)"),
        ([[1.0, 0.0]], [[1.0]], [[0, 0]], "one dimension, got 2 and 1"),
        ([[1.0]], [[1.0]], [[0, 1]], r"pair \[0, 1\] lies outside the 1 x 1"),
        ([[1.0]], [[1.0]], [[-1, 0]], r"pair \[-1, 0\] lies outside"),
        ([[1.0]], [[1.0]], [0, 0], r"integers of shape \(n, 2\)"),
        ([[1.0]], [[1.0]], [[0.5, 0]], r"integers of shape \(n, 2\)"),
    ],
)
def test_bad_embeddings_and_pairs_are_named(
    enrol: object, test: object, pairs: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        cosine_scores(enrol, test, pairs)


def test_sides_are_embedded_in_the_order_asked_for(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, _ = corpus
    rows = np.array([3, 0, 11, 3, 7])
    found = embed_sides(encoder, packed, sides, rows, max_side_s=60, device="cpu")
    assert found.dtype == np.float32
    assert found.shape == (5, 8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    module = network(encoder)
    for row, embedding in zip(rows, found, strict=True):
        wave = side_waveform(packed, sides.spans[row])
        with torch.inference_mode():
            alone = torch.nn.functional.normalize(module(torch.from_numpy(wave)[None]))[0]
        np.testing.assert_allclose(embedding, alone.numpy(), atol=1e-5)
        np.testing.assert_allclose(embedding, embed_waveforms(module, [wave])[0], atol=1e-5)


def test_long_sides_are_cut_and_short_ones_repeated(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, _ = corpus
    wave = side_waveform(packed, sides.spans[0])
    cut = embed_sides(encoder, packed, sides, np.array([0]), max_side_s=0.5, device="cpu")
    np.testing.assert_allclose(cut, embed_waveforms(encoder, [wave[:8_000]]), atol=1e-5)
    assert not np.allclose(cut, embed_waveforms(encoder, [wave]), atol=1e-3)
    assert np.isfinite(embed_waveforms(encoder, [wave[:100], wave[:1]])).all()


def test_equal_lengths_share_a_batch(encoder: Encoder) -> None:
    module, shapes = network(encoder), []
    module.front_end.register_forward_pre_hook(
        lambda _, given: shapes.append(tuple(given[0].shape))
    )
    waveforms = [np.ones(n, dtype=np.float32) for n in (4_000, 7_900, 3_900, 7_841, 10, 8_000)]
    embed_waveforms(module, waveforms)
    # as many frames of 10 ms; the longest fits without zeros
    assert shapes == [(3, 4_000), (2, 7_900), (1, 8_000)]


def test_embedding_leaves_the_mode_and_the_statistics(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, _ = corpus
    module = network(encoder).train()
    before = {name: value.clone() for name, value in module.body.state_dict().items()}
    embed_sides(module, packed, sides, np.arange(4), 60)
    assert module.training
    assert all(torch.equal(before[k], v) for k, v in module.body.state_dict().items())


def test_embedding_refuses_another_rate_and_a_broken_network(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, _ = corpus
    other = Packed(packed.samples, packed.index, 8_000)
    with pytest.raises(ValueError, match="made for 16000 Hz and the waveforms have 8000 Hz"):
        embed_sides(encoder, other, sides, np.arange(2), 60)
    broken = network(encoder)
    next(broken.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        embed_sides(broken, packed, sides, np.arange(2), 60)


def test_mfcc_pools_segments_as_if_their_frames_were_one() -> None:
    rng = np.random.default_rng(0)
    lengths = [[30, 70], [50], [20, 20, 60], [40]]
    index, rows, spans, frames = [], [], [], []
    for counts in lengths:
        own = []
        for count in counts:
            name, segment = f"s{len(rows)}", rng.normal(rng.normal(), 2, (count, 3))
            values = {f"mfcc_mean_{k:02d}": segment[:, k].mean() for k in range(3)}
            values |= {f"mfcc_std_{k:02d}": segment[:, k].std() for k in range(3)}
            rows.append({"segment_id": name, "duration_s": count / 100, **values})
            index.append((name, 1_000 * len(index), count))
            own.append(segment)
        spans.append(np.array([i[1:] for i in index[-len(counts) :]]))
        frames.append(np.concatenate(own))
    raw = np.array([np.hstack([f.mean(0), f.std(0)]) for f in frames])
    expected = (raw - raw[:3].mean(0)) / raw[:3].std(0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    table = pd.DataFrame({"subset": ["train", "train", "train", "test"]})
    columns = ["segment_id", "first_sample", "n_samples"]
    sides, packed_index = SideTable(table, tuple(spans)), pd.DataFrame(index, columns=columns)
    described = pd.DataFrame(rows).sample(frac=1, random_state=1)
    found = mfcc_embeddings(described, sides, packed_index)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)

    with pytest.raises(ValueError, match="segment 's0' has no row in descriptors"):
        mfcc_embeddings(described[described["segment_id"] != "s0"], sides, packed_index)
    described.loc[described["segment_id"] == "s6", "mfcc_mean_01"] = np.nan  # side 3 has no other
    silent = mfcc_embeddings(described, sides, packed_index)
    np.testing.assert_allclose(silent[:3], expected[:3], atol=1e-5)
    assert not silent[3].any()


def test_every_system_scores_every_trial(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, trials = corpus
    params = ScorePairsParams(device="cpu")
    described = descriptors(packed)
    embeddings, index, scores = score_systems(
        Encoders(encoder, encoder), packed, sides, trials, described, params
    )
    named = set(trials["enrol_id"]) | set(trials["test_id"])
    assert index["side_id"].tolist() == [s for s in sides.table["side_id"] if s in named]
    assert len(named) < len(sides)
    rows = pd.Series(index.index, index["side_id"])
    assert set(embeddings) == {"ours", "untrained", "mfcc"}
    for matrix in embeddings.values():
        assert matrix.dtype == np.float32
        assert len(matrix) == len(index)
        np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-5)
    assert list(scores.columns) == ["system", "trial_id", "cosine", "normalised"]
    assert scores["cosine"].dtype == np.float64
    for system, table in scores.groupby("system"):
        assert table["normalised"].isna().all() == (system == "random")
        assert table["trial_id"].tolist() == trials["trial_id"].tolist()
        assert table["cosine"].between(-1, 1).all()
        if system != "random":
            matrix = embeddings[str(system)]
            first = matrix[rows[trials["enrol_id"]]]
            expected = (first * matrix[rows[trials["test_id"]]]).sum(axis=1)
            np.testing.assert_allclose(table["cosine"], expected, atol=1e-5)
    again = score_systems(Encoders(encoder, encoder), packed, sides, trials, described, params)[2]
    pd.testing.assert_frame_equal(scores, again)
    other = ScorePairsParams(device="cpu", seed=1, systems=["ours", "random"])
    changed = score_systems(Encoders(encoder, encoder), packed, sides, trials, described, other)[2]
    assert set(changed["system"]) == {"ours", "random"}
    mine = scores[scores["system"] == "random"]["cosine"].to_numpy()
    assert not np.array_equal(mine, changed[changed["system"] == "random"]["cosine"].to_numpy())


def test_a_trial_of_an_unknown_side_is_named(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, trials = corpus
    wrong = trials.assign(test_id="nobody")
    params = ScorePairsParams(systems=["ours"])
    with pytest.raises(ValueError, match="such as 'nobody'"):
        score_systems(Encoders(encoder, encoder), packed, sides, wrong, descriptors(packed), params)


def test_normalised_is_as_norm_against_the_means_of_train_subjects(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, trials = corpus
    params = ScorePairsParams(device="cpu", systems=["ours"], cohort_top_k=2)
    embeddings, index, scores = score_systems(
        Encoders(encoder, encoder), packed, sides, trials, descriptors(packed), params
    )
    train = np.flatnonzero(sides.table["subset"] == "train")
    heard = embed_sides(encoder, packed, sides, train, 60.0, "cpu").astype(np.float64)
    subjects = sides.table["subject_id"].to_numpy()[train]
    cohort = np.stack([heard[subjects == name].mean(axis=0) for name in np.unique(subjects)])
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    rows = pd.Series(range(len(index)), index["side_id"])
    for trial, row in zip(trials.itertuples(), scores.itertuples(), strict=True):
        expected = 0.0
        for side in (trial.enrol_id, trial.test_id):
            nearest = np.sort(cohort @ embeddings["ours"][rows[side]])[-2:]
            expected += (row.cosine - nearest.mean()) / nearest.std() / 2
        assert row.normalised == pytest.approx(expected, rel=1e-3)


def test_dev_is_heard_by_the_encoder_that_dev_chose(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, trials = corpus
    params = ScorePairsParams(device="cpu", systems=["ours"])
    final, own = untrained(encoder, seed=1), descriptors(packed)

    def cosines(test: Encoder, dev: Encoder) -> pd.Series:
        scores = score_systems(Encoders(test, dev), packed, sides, trials, own, params)[2]
        return scores.set_index("trial_id")[["cosine", "normalised"]]

    both, first, second = cosines(final, encoder), cosines(encoder, encoder), cosines(final, final)
    dev = trials.loc[trials["subset"] == "dev", "trial_id"]
    test = trials.loc[trials["subset"] == "test", "trial_id"]
    pd.testing.assert_frame_equal(both.loc[dev], first.loc[dev])
    pd.testing.assert_frame_equal(both.loc[test], second.loc[test])
    assert not np.allclose(both.loc[test, "cosine"], first.loc[test, "cosine"])


def test_pretrained_is_centred_and_averaged_is_a_mean_of_shuffles(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, trials = corpus
    other = untrained(encoder, seed=5)
    params = ScorePairsParams(device="cpu", systems=["ours"], pretrained="elsewhere", shuffles=3)
    embeddings, index, scores = score_systems(
        Encoders(encoder, encoder, other), packed, sides, trials, descriptors(packed), params
    )
    assert list(embeddings) == ["ours", "averaged", "pretrained"]
    plain = embed_sides(other, packed, sides, sides.rows(index["side_id"]), 60.0, "cpu")
    assert (embeddings["pretrained"] @ plain.mean(axis=0)).mean() < (plain @ plain.mean(0)).mean()
    by_system = scores.set_index(["system", "trial_id"])
    assert by_system.loc["pretrained", "normalised"].notna().all()
    assert by_system.loc["averaged", "normalised"].isna().all()
    means = embeddings["averaged"].astype(np.float64)
    lengths = np.linalg.norm(means, axis=1)
    assert (lengths < 1 + 1e-6).all()
    assert (lengths < 0.9999).any()
    rows = pd.Series(range(len(index)), index["side_id"])
    expected = (means[rows[trials["enrol_id"]]] * means[rows[trials["test_id"]]]).sum(axis=1)
    np.testing.assert_allclose(by_system.loc["averaged", "cosine"], expected, atol=1e-6)


def test_the_cohort_is_drawn_from_train_whatever_the_order(
    corpus: tuple[Packed, SideTable, pd.DataFrame],
) -> None:
    _, sides, _ = corpus
    rows = cohort_rows(sides, 2, seed=0)
    chosen = sides.table.iloc[rows]
    assert set(chosen["subset"]) == {"train"}
    assert chosen["subject_id"].nunique() == 2
    assert len(chosen) == 4  # both sessions of each
    turned = SideTable(sides.table.iloc[::-1].reset_index(drop=True), sides.spans[::-1])
    again = turned.table.iloc[cohort_rows(turned, 2, seed=0)]
    assert set(again["side_id"]) == set(chosen["side_id"])
    assert len(cohort_rows(sides, 0, seed=0)) == 0


def test_a_collapsed_encoder_keeps_its_cosines_and_has_no_normalised_scores(
    corpus: tuple[Packed, SideTable, pd.DataFrame], encoder: Encoder
) -> None:
    packed, sides, trials = corpus
    constant = {name: torch.zeros_like(weight) for name, weight in encoder.state.items()}
    constant["fc.conv.bias"] = torch.ones_like(constant["fc.conv.bias"])
    collapsed = replace(encoder, state=constant)
    params = ScorePairsParams(device="cpu", systems=["ours", "mfcc"])
    scores = score_systems(
        Encoders(collapsed, collapsed), packed, sides, trials, descriptors(packed), params
    )[2]
    by_system = scores.set_index("system")
    assert by_system.loc["ours", "normalised"].isna().all()
    np.testing.assert_allclose(by_system.loc["ours", "cosine"], 1)
    assert by_system.loc["mfcc", "normalised"].notna().all()
