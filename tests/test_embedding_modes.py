"""What of a side is heard: each mode against one side at a time, in plain numpy and torch."""

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
from bodysounds.params.score_pairs import MODES
from bodysounds.scoring.embed import embed_sides
from bodysounds.scoring.modes import embed_in_mode, heard_spans, loud_spans, window_spans
from bodysounds.scoring.systems import Encoders, score_systems
from bodysounds.sides import SideTable, cut_spans, side_waveform

pytestmark = pytest.mark.usefixtures("one_thread")

Corpus = tuple[Packed, SideTable, pd.DataFrame]
ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
FRONT_END = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}
PARAMS = ScorePairsParams(
    device="cpu", systems=["ours"], max_side_s=2.2, window_s=0.5, hop_s=0.2, loud_share=0.3,
    first_s=0.75,
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Sides of 1.9 to 2.9 s; the first one is cut to 0.3 s, shorter than a window."""
    counts = {"train": 3, "dev": 2, "test": 2}
    packed, sides, trials = made.corpus(tmp_path_factory.mktemp("corpus"), counts, seconds=1.2)
    short = cut_spans(sides.spans[0], 1_000, 4_800)
    return packed, replace(sides, spans=(short, *sides.spans[1:])), trials


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return untrained(Encoder({}, ARCHITECTURE, FRONT_END), seed=0)


def slow_pieces(mode: str, wave: np.ndarray, params: ScorePairsParams) -> list[np.ndarray]:
    """Return what is heard of a waveform, sample by sample."""
    rate = 16_000
    wave = wave[: int(params.max_side_s * rate)]
    if mode == "whole":
        return [wave]
    if mode == "first":
        return [wave[: int(params.first_s * rate)]]
    if mode == "windows":
        window, hop = int(params.window_s * rate), int(params.hop_s * rate)
        if len(wave) <= window:
            return [wave]
        starts = [s for s in range(0, len(wave), hop) if s + window <= len(wave)]
        if starts[-1] + window < len(wave):
            starts.append(len(wave) - window)
        return [wave[s : s + window] for s in starts]
    frames = [wave[s : s + 400] for s in range(0, len(wave), 400)]
    loudness = [float(np.mean(frame.astype(np.float64) ** 2)) for frame in frames]
    n_kept = max(1, round(params.loud_share * len(frames)))
    kept = sorted(sorted(range(len(frames)), key=lambda k: (-loudness[k], k))[:n_kept])
    return [np.concatenate([frames[k] for k in kept])]


def slow_embedding(encoder: Encoder, pieces: list[np.ndarray]) -> np.ndarray:
    module, vectors = network(encoder).eval(), []
    for piece in pieces:
        repeated = np.resize(piece, max(4_000, len(piece))).astype(np.float32)
        with torch.inference_mode():
            vectors.append(torch.nn.functional.normalize(module(torch.from_numpy(repeated)[None])))
    return torch.nn.functional.normalize(torch.cat(vectors).mean(dim=0), dim=0).numpy()


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_equals_one_side_at_a_time(mode: str, corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, _ = corpus
    rows = np.array([0, 5, 9, 12])
    found = embed_in_mode(mode, encoder, packed, sides, rows, PARAMS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    for row, embedding in zip(rows, found, strict=True):
        pieces = slow_pieces(mode, side_waveform(packed, sides.spans[row]), PARAMS)
        np.testing.assert_allclose(embedding, slow_embedding(encoder, pieces), atol=2e-6)


def test_the_modes_hear_different_things(corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, _ = corpus
    rows = np.arange(1, 14)
    found = [embed_in_mode(mode, encoder, packed, sides, rows, PARAMS) for mode in MODES]
    for first in range(4):
        for second in range(first):
            assert np.abs(found[first] - found[second]).max(axis=1).min() > 1e-4


@pytest.mark.parametrize("mode", MODES)
def test_what_a_side_becomes_is_its_own(mode: str, corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, _ = corpus
    everything = embed_in_mode(mode, encoder, packed, sides, np.arange(14), PARAMS)
    for rows in ([13, 4, 0, 4], [7], list(range(13, -1, -1))):
        own = embed_in_mode(mode, encoder, packed, sides, np.array(rows), PARAMS)
        np.testing.assert_allclose(own, everything[rows], atol=1e-6)
    none = embed_in_mode(mode, encoder, packed, sides, np.empty(0, np.int64), PARAMS)
    assert none.shape == (0, 8)


def test_windows_of_all_sides_share_batches(
    corpus: Corpus, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides, _ = corpus
    module, shapes = network(encoder), []
    module.front_end.register_forward_pre_hook(
        lambda _, given: shapes.append(tuple(given[0].shape))
    )
    monkeypatch.setattr("bodysounds.scoring.embed.network", lambda _: module)
    embed_in_mode("windows", encoder, packed, sides, np.arange(1, 14), PARAMS)
    total = sum(len(heard_spans("windows", packed, sides.spans[k], PARAMS)) for k in range(1, 14))
    assert shapes == [(total, 8_000)]
    assert total > 13 * 7


def test_whole_is_what_embed_sides_gives(corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, _ = corpus
    found = embed_in_mode("whole", encoder, packed, sides, np.arange(14), PARAMS)
    np.testing.assert_array_equal(
        found, embed_sides(encoder, packed, sides, np.arange(14), 2.2, "cpu")
    )


def marked(segments: list[list[int]]) -> tuple[Packed, np.ndarray]:
    """Return segments apart from one another in a file, and their spans."""
    samples: list[int] = []
    spans = []
    for segment in segments:
        samples += [-9] * 3
        spans.append((len(samples), len(segment)))
        samples += segment
    index = pd.DataFrame({"segment_id": [], "first_sample": [], "n_samples": []})
    return Packed(np.array(samples, np.int16), index, 16_000), np.array(spans)


def told(packed: Packed, spans: np.ndarray) -> list[int]:
    return [int(v) for first, count in spans for v in packed.samples[first : first + count]]


def test_a_cut_is_the_slice_of_the_joined_segments() -> None:
    packed, spans = marked([[1, 2, 3], [4], [5, 6, 7, 8]])
    joined = told(packed, spans)
    for start in range(10):
        for length in range(1, 12):
            cut = cut_spans(spans, start, length)
            assert told(packed, cut) == joined[start : start + length]
            assert (cut[:, 1] > 0).all()


@pytest.mark.parametrize("total", range(1, 24))
@pytest.mark.parametrize(("window", "hop"), [(5, 2), (5, 5), (4, 3), (7, 1)])
def test_windows_hear_all_of_a_side(total: int, window: int, hop: int) -> None:
    packed, spans = marked([list(range(total // 2)), list(range(total // 2, total))])
    windows = [told(packed, part) for part in window_spans(spans[spans[:, 1] > 0], window, hop)]
    assert set().union(*windows) == set(range(total))
    assert {len(part) for part in windows} == {min(window, total)}
    starts = [part[0] for part in windows]
    assert np.diff(starts[:-1]).tolist() == [hop] * (len(starts) - 2)
    assert starts == sorted(set(starts))


def test_the_loud_part_keeps_the_order_and_is_never_empty() -> None:
    packed, spans = marked([[1, 1, 9, 9, 2], [2, -8, 8, 0, 0, 7]])  # frames of 2: 11, 99, 22, ...
    assert told(packed, loud_spans(packed, spans, 2, 0.5)) == [9, 9, -8, 8, 7]
    assert told(packed, loud_spans(packed, spans, 2, 0.3)) == [9, 9, -8, 8]
    assert told(packed, loud_spans(packed, spans, 2, 0.01)) == [9, 9]
    assert told(packed, loud_spans(packed, spans, 2, 1.0)) == told(packed, spans)
    assert len(loud_spans(packed, spans, 2, 1.0)) == 2  # whole runs, not frames
    silent, own = marked([[0] * 8])
    assert loud_spans(silent, own, 2, 0.5).tolist() == [[3, 4]]  # the earlier of equal ones
    loudest, own = marked([[-32768] * 3 + [0] * 3])
    assert told(loudest, loud_spans(loudest, own, 3, 0.5)) == [-32768] * 3


def test_another_mode_is_named(corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, _ = corpus
    with pytest.raises(ValueError, match="one of whole, windows, loud, first, got 'middle'"):
        embed_in_mode("middle", encoder, packed, sides, np.array([0]), PARAMS)


def scored(corpus: Corpus, encoder: Encoder, **options: object) -> tuple[dict, pd.DataFrame]:
    packed, sides, trials = corpus
    described = packed.index[["segment_id"]].assign(duration_s=1.0, mfcc_mean_00=0.0)
    params = replace(PARAMS, **options)
    listeners = Encoders(encoder, encoder, untrained(encoder, seed=5))
    vectors, _, scores = score_systems(listeners, packed, sides, trials, described, params)
    return vectors, scores.set_index(["system", "trial_id"])


def test_modes_are_rows_beside_ours(corpus: Corpus, encoder: Encoder) -> None:
    listed = ["first", "ours", "windows", "loud", "random", "whole"]
    vectors, table = scored(corpus, encoder, systems=listed, cohort_top_k=2)
    order = ["ours", "whole", "windows", "loud", "first", "random"]
    assert list(dict.fromkeys(table.index.get_level_values(0))) == order
    assert list(vectors) == order[:-1]
    pd.testing.assert_frame_equal(table.loc["ours"], table.loc["whole"])
    for mode in MODES:  # a row is what ours is in that mode, AS-norm included
        alone_vectors, alone = scored(corpus, encoder, embed=mode, cohort_top_k=2)
        pd.testing.assert_frame_equal(alone.loc["ours"], table.loc[mode])
        np.testing.assert_array_equal(alone_vectors["ours"], vectors[mode])
        assert table.loc[mode, "normalised"].notna().all()
    distinct = table["cosine"].unstack(0)[order[1:-1]]
    assert (distinct.corr().to_numpy()[np.triu_indices(4, 1)] < 1 - 1e-6).all()


def test_every_network_and_its_cohort_hear_the_mode(corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, trials = corpus
    options = {"systems": ["ours", "untrained"], "pretrained": "elsewhere", "cohort_top_k": 2}
    vectors, table = scored(corpus, encoder, embed="windows", centre=[], **options)
    named = np.unique(sides.rows([*trials["enrol_id"], *trials["test_id"]]))
    places = {name: k for k, name in enumerate(sides.table["side_id"].to_numpy()[named])}
    train = sides.table[sides.table["subset"] == "train"]
    for system, seed in (("ours", None), ("untrained", 0), ("pretrained", 5)):
        who = encoder if seed is None else untrained(encoder, seed)

        def slow(row: int, who: Encoder = who) -> np.ndarray:
            wave = side_waveform(packed, sides.spans[row])
            return slow_embedding(who, slow_pieces("windows", wave, PARAMS)).astype(np.float64)

        expected = np.stack([slow(row) for row in named])
        np.testing.assert_allclose(vectors[system], expected, atol=2e-6)
        means = [
            np.mean([slow(row) for row in rows], axis=0)
            for rows in train.groupby("subject_id").groups.values()
        ]
        cohort = np.stack([mean / np.linalg.norm(mean) for mean in means])
        for trial in trials.itertuples():
            pair = [expected[places[side]] for side in (trial.enrol_id, trial.test_id)]
            nearest = [np.sort(cohort @ side)[-2:] for side in pair]
            normal = np.mean([(pair[0] @ pair[1] - n.mean()) / n.std() for n in nearest])
            row = table.loc[(system, trial.trial_id)]
            assert row["cosine"] == pytest.approx(pair[0] @ pair[1], abs=1e-5)
            assert row["normalised"] == pytest.approx(normal, rel=1e-2)


def test_a_mode_is_centred_as_ours_is(corpus: Corpus, encoder: Encoder) -> None:
    _, table = scored(corpus, encoder, systems=["ours", "loud"], centre=["ours"])
    _, alone = scored(corpus, encoder, embed="loud", centre=["ours"])
    _, plain = scored(corpus, encoder, embed="loud")
    pd.testing.assert_frame_equal(table.loc["loud"], alone.loc["ours"])
    assert np.abs(plain.loc["ours", "cosine"] - alone.loc["ours", "cosine"]).max() > 0.01


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"embed": "middle"}, "score_pairs.embed must be one of whole, windows, loud, first"),
        ({"window_s": 0.05}, r"score_pairs.window_s must lie in \[0.1, 3600\]"),
        ({"hop_s": 0}, "score_pairs.hop_s must lie in"),
        ({"window_s": 1.0, "hop_s": 1.5}, "hop_s must not exceed window_s, got 1.5 and 1.0"),
        ({"loud_share": 0}, r"score_pairs.loud_share must lie in \[0.01, 1\]"),
        ({"loud_share": float("nan")}, "score_pairs.loud_share"),
        ({"first_s": "two"}, "score_pairs.first_s must be a number, got 'two'"),
        ({"systems": ["ours", "middle"]}, "systems.. must be one of ours, whole"),
    ],
)
def test_wrong_parameters_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScorePairsParams(**wrong)
