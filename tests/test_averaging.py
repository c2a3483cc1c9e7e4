"""Test-time averaging: mean embeddings score as the slow loop over n x n cosines does."""

from __future__ import annotations

from dataclasses import replace

import made
import numpy as np
import pandas as pd
import pytest
import torch

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, network, untrained
from bodysounds.scoring import embed
from bodysounds.scoring.averaging import dot_scores, embed_sides_shuffled
from bodysounds.scoring.embed import embed_sides, embed_spans, embed_waveforms
from bodysounds.sides import SideTable, side_waveform

ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
FRONT_END = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packed, SideTable]:
    """Six sides of four segments each: the segments of two subjects' sides together."""
    packed, sides, _ = made.corpus(tmp_path_factory.mktemp("corpus"), {"dev": 6})
    spans = tuple(
        np.concatenate([sides.spans[k], sides.spans[k + 1]]) for k in range(0, len(sides), 2)
    )
    table = pd.DataFrame({"side_id": [f"side{k}" for k in range(len(spans))]})
    return packed, SideTable(table, spans)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return untrained(Encoder({}, ARCHITECTURE, FRONT_END), seed=0)


def spy(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Return what will be heard, in order: a list of spans for each embedding."""
    heard: list[np.ndarray] = []

    def listen(encoder: object, packed: Packed, spans: list[np.ndarray], *rest: object) -> object:
        heard.extend(spans)
        return embed_spans(encoder, packed, spans, *rest)

    monkeypatch.setattr(embed, "embed_spans", listen)
    return heard


@pytest.mark.parametrize("slice_s", [None, [0.4, 1.0]])
def test_products_of_means_equal_the_loop_over_all_cosines(
    corpus: tuple[Packed, SideTable],
    encoder: Encoder,
    slice_s: list[float] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed, sides = corpus
    heard = spy(monkeypatch)
    n = 5
    means = embed_sides_shuffled(encoder, packed, sides, np.arange(6), n, 60.0, slice_s, seed=3)
    assert len(heard) == 6 * n
    waveforms = [side_waveform(packed, spans) for spans in heard]
    each = embed_waveforms(network(encoder), waveforms).reshape(6, n, -1)
    pairs = [(a, b) for a in range(3) for b in range(3, 6)]
    slow = []
    for a, b in pairs:
        cosines = [
            float(x @ y / np.linalg.norm(x) / np.linalg.norm(y)) for x in each[a] for y in each[b]
        ]
        assert len(cosines) == n * n
        slow.append(np.mean(cosines))
    np.testing.assert_allclose(dot_scores(means, means, pairs), slow, atol=1e-5)
    lengths = np.linalg.norm(means, axis=1)
    assert (lengths < 1 - 1e-7).all()  # not scaled back to 1


def test_shuffles_are_orders_of_all_segments(
    corpus: tuple[Packed, SideTable], encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides = corpus
    heard = spy(monkeypatch)
    embed_sides_shuffled(encoder, packed, sides, np.arange(6), 24, 60.0)
    for side in range(6):
        own = {tuple(map(int, span)) for span in sides.spans[side]}
        orders = heard[24 * side : 24 * side + 24]
        assert all({tuple(map(int, span)) for span in order} == own for order in orders)
        assert len({order.tobytes() for order in orders}) > 8  # of 24 there are


def test_a_slice_is_a_run_of_the_shuffled_side(
    corpus: tuple[Packed, SideTable], encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides = corpus
    heard = spy(monkeypatch)
    embed_sides_shuffled(encoder, packed, sides, np.array([2]), 40, 60.0, [0.3, 0.9], seed=1)
    lengths = np.array([spans[:, 1].sum() for spans in heard]) / 16_000
    assert lengths.min() >= 0.3 - 1e-4
    assert lengths.max() <= 0.9 + 1e-4
    assert lengths.std() > 0.05
    firsts = {first: first + count for first, count in sides.spans[2].tolist()}
    assert any(int(spans[0, 0]) not in firsts for spans in heard)  # it starts anywhere
    for spans in heard:
        for place, (first, count) in enumerate(spans.tolist()):
            begin = max(b for b in firsts if b <= first)
            assert first + count <= firsts[begin]  # within one segment
            if place > 0:
                assert first == begin  # what is not first starts at its segment's start
            if place < len(spans) - 1:
                assert first + count == firsts[begin]
    heard.clear()
    embed_sides_shuffled(encoder, packed, sides, np.array([2]), 2, 60.0, [50.0, 60.0], seed=1)
    total = sides.spans[2][:, 1].sum()
    assert [spans[:, 1].sum() for spans in heard] == [total, total]  # a short side is whole


def test_what_a_side_becomes_is_its_own(corpus: tuple[Packed, SideTable], encoder: Encoder) -> None:
    packed, sides = corpus

    def means(table: SideTable, rows: list[int], seed: int = 0) -> np.ndarray:
        return embed_sides_shuffled(encoder, packed, table, np.array(rows), 3, 60.0, seed=seed)

    first = means(sides, [0, 1, 2, 3, 4, 5])
    assert first.dtype == np.float32
    assert first.shape == (6, 8)
    np.testing.assert_array_equal(first, means(sides, [0, 1, 2, 3, 4, 5]))
    np.testing.assert_allclose(first[[4, 0, 2]], means(sides, [4, 0, 2]), atol=1e-6)
    # the side table's own order plays no part
    turned = SideTable(sides.table.iloc[::-1].reset_index(drop=True), sides.spans[::-1])
    np.testing.assert_allclose(first, means(turned, [5, 4, 3, 2, 1, 0]), atol=1e-6)
    assert np.abs(first - means(sides, [0, 1, 2, 3, 4, 5], seed=1)).max() > 1e-4
    # fewer repetitions are the first of more
    one, two = (
        embed_sides_shuffled(encoder, packed, sides, np.array([3]), n, 60.0) for n in (1, 2)
    )
    assert np.linalg.norm(one[0]) == pytest.approx(1, abs=1e-6)
    second = 2 * two[0] - one[0]
    assert np.linalg.norm(second) == pytest.approx(1, abs=1e-5)


def test_a_side_of_one_segment_is_heard_once(
    corpus: tuple[Packed, SideTable], encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides = corpus
    single = replace(sides, spans=(sides.spans[0][:1], *sides.spans[1:]))
    heard = spy(monkeypatch)
    means = embed_sides_shuffled(encoder, packed, single, np.array([1, 0]), 7, 60.0)
    assert len(heard) == 8
    plain = embed_sides(encoder, packed, single, np.array([0]), 60.0)
    np.testing.assert_allclose(means[1], plain[0], atol=1e-6)


def test_long_sides_are_cut_after_shuffling(
    corpus: tuple[Packed, SideTable], encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides = corpus
    heard = spy(monkeypatch)
    means = embed_sides_shuffled(encoder, packed, sides, np.array([0]), 4, 0.5)
    waveforms = [side_waveform(packed, spans, 8_000) for spans in heard]
    assert {len(waveform) for waveform in waveforms} == {8_000}
    assert len({waveform.tobytes() for waveform in waveforms}) > 1
    slow = embed_waveforms(encoder, waveforms).mean(axis=0)
    np.testing.assert_allclose(means[0], slow, atol=1e-6)


def test_no_rows_and_a_network_in_training(
    corpus: tuple[Packed, SideTable], encoder: Encoder
) -> None:
    packed, sides = corpus
    module = network(encoder).train()
    none = embed_sides_shuffled(module, packed, sides, np.empty(0, np.int64), 3, 60.0)
    assert none.shape == (0, 8)
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    embed_sides_shuffled(module, packed, sides, np.array([0]), 3, 60.0)
    assert module.training
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "at least once, got n = 0"),
        ({"slice_s": [0.0, 1.0]}, r"slice_s must be \[lo, hi\]"),
        ({"slice_s": [2.0, 1.0]}, r"got \[2.0, 1.0\]"),
        ({"slice_s": [1.0]}, r"got \[1.0\]"),
        ({"slice_s": [float("nan"), 1.0]}, "slice_s must be"),
    ],
)
def test_wrong_options_are_named(
    corpus: tuple[Packed, SideTable], encoder: Encoder, options: dict[str, object], said: str
) -> None:
    packed, sides = corpus
    wrong = {"n": 2, "max_side_s": 60.0, **options}
    with pytest.raises(ValueError, match=said):
        embed_sides_shuffled(encoder, packed, sides, np.array([0]), **wrong)


def test_another_sample_rate_is_named(corpus: tuple[Packed, SideTable], encoder: Encoder) -> None:
    packed, sides = corpus
    with pytest.raises(ValueError, match="made for 16000 Hz and the waveforms have 8000 Hz"):
        embed_sides_shuffled(
            encoder, replace(packed, sample_rate=8_000), sides, np.array([0]), 2, 60.0
        )


def test_products_equal_the_matrix_product() -> None:
    rng = np.random.default_rng(0)
    enrol, test = rng.normal(size=(20, 6)), rng.normal(size=(9, 6))
    enrol[3] = 0  # opposite embeddings may cancel
    pairs = np.stack([rng.integers(20, size=300), rng.integers(9, size=300)], 1)
    slow = (enrol @ test.T)[pairs[:, 0], pairs[:, 1]]
    np.testing.assert_allclose(dot_scores(enrol, test, pairs), slow, atol=1e-5)
    assert dot_scores(enrol, test, []).shape == (0,)
    with pytest.raises(ValueError, match="finite"):
        dot_scores([[np.nan]], [[1.0]], [[0, 0]])
    with pytest.raises(ValueError, match="outside"):
        dot_scores([[1.0]], [[1.0]], [[0, 1]])
