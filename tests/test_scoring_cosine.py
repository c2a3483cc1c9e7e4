"""Cosines of many pairs: blocks, rows that few pairs name, memory; identification; models."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from bodysounds import scoring
from bodysounds.scoring import cosine as cosine_module
from bodysounds.scoring import cosine_blocks, cosine_scores, identify, model_scores
from bodysounds.scoring.identification import _best


def slow_cosine(a: np.ndarray, b: np.ndarray) -> float:
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.dot(a.astype(float), b.astype(float)) / lengths) if lengths else 0.0


def table(rng: np.random.Generator, n: int, dim: int = 8) -> np.ndarray:
    return rng.normal(size=(n, dim)).astype(np.float32)


def test_the_package_imports_nothing_heavy() -> None:
    names = "cosine_scores, as_norm, s_norm, centre, identify, model_scores, choose_threshold"
    script = (
        "import sys\nimport bodysounds.scoring\n"
        "assert not {'numpy', 'pandas', 'scipy', 'sklearn', 'torch'} & set(sys.modules)\n"
        f"from bodysounds.scoring import {names}, fit_calibration, cross_fitted_llrs, fuse\n"
        "assert not {'sklearn', 'torch', 'kedro'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = scoring.nonsense


def test_pairs_of_few_rows_cost_those_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    enrol, test = table(rng, 300), table(rng, 200)
    grid = np.stack(np.meshgrid([7, 250, 9], [199, 3], indexing="ij"), -1).reshape(-1, 2)
    pairs = rng.permutation(np.repeat(grid, 2, axis=0))
    products = []
    product = cosine_module._by_product

    def spy(left, right, rows, columns):  # type: ignore[no-untyped-def]
        products.append((len(left), len(right)))
        return product(left, right, rows, columns)

    monkeypatch.setattr(cosine_module, "_by_product", spy)
    expected = [slow_cosine(enrol[a], test[b]) for a, b in pairs]
    np.testing.assert_allclose(cosine_scores(enrol, test, pairs), expected, atol=1e-6)
    assert products == [(3, 2)]


def test_the_order_of_pairs_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    enrol, test = table(rng, 90), table(rng, 4_000)
    for n_pairs in (5_000, 100_000):  # gathered, multiplied
        pairs = np.stack([rng.integers(90, size=n_pairs), rng.integers(4_000, size=n_pairs)], 1)
        order = rng.permutation(n_pairs)
        once = cosine_scores(enrol, test, pairs)
        np.testing.assert_allclose(cosine_scores(enrol, test, pairs[order]), once[order], atol=1e-6)
        small = pairs.astype(np.int32)
        np.testing.assert_array_equal(cosine_scores(enrol, test, small), once)


def test_inputs_are_left_as_they_are() -> None:
    rng = np.random.default_rng(0)
    enrol, pairs = table(rng, 20), rng.integers(20, size=(50, 2))
    kept, kept_pairs = enrol.copy(), pairs.copy()
    cosine_scores(enrol, enrol, pairs)
    list(cosine_blocks(enrol, enrol))
    identify(enrol, enrol, 3)
    np.testing.assert_array_equal(enrol, kept)
    np.testing.assert_array_equal(pairs, kept_pairs)


@pytest.mark.parametrize("block_bytes", [1, 400, 1_000, 1 << 24])
def test_blocks_make_up_the_whole_matrix(block_bytes: int) -> None:
    rng = np.random.default_rng(0)
    enrol, test = table(rng, 30), rng.normal(size=(50, 8))
    test[4] = 0
    blocks = list(cosine_blocks(enrol, test, block_bytes))
    assert [first for first, _ in blocks] == np.cumsum(
        [0, *(len(b) for _, b in blocks[:-1])]
    ).tolist()
    assert all(
        b.dtype == np.float32 and (b.nbytes <= block_bytes or len(b) == 1) for _, b in blocks
    )
    whole = np.concatenate([block for _, block in blocks])
    assert np.abs(whole).max() <= 1
    expected = [[slow_cosine(a, b) for b in test] for a in enrol]
    np.testing.assert_allclose(whole, expected, atol=1e-6)


def test_blocks_stay_within_one() -> None:
    voices = table(np.random.default_rng(0), 500, 16)
    bare = [(voice @ voice.T).max() for voice in [cosine_module.unit_rows(voices, "voices")]]
    assert bare[0] > 1  # by rounding
    assert max(block.max() for _, block in cosine_blocks(voices, voices)) == 1
    assert min(block.min() for _, block in cosine_blocks(voices, -voices)) == -1


def test_blocks_refuse_at_the_call() -> None:
    with pytest.raises(ValueError, match="block_bytes must be at least 1, got 0"):
        cosine_blocks([[1.0]], [[1.0]], 0)
    with pytest.raises(ValueError, match="enrol must be finite, but row 1 has nan"):
        cosine_blocks([[1.0], [np.nan]], [[1.0]])


def peak_bytes(work) -> int:  # type: ignore[no-untyped-def]
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_bounded() -> None:
    rng = np.random.default_rng(0)
    n = 6_000  # the whole matrix has 144 MB in float32
    enrol, test = table(rng, n, 32), table(rng, n, 32)
    few, many = rng.integers(n, size=(200_000, 2)), rng.integers(n, size=(2_000_000, 2))

    def all_blocks() -> None:
        for _ in cosine_blocks(enrol, test, 1 << 20):
            pass

    assert peak_bytes(all_blocks) < 2 * enrol.nbytes + (3 << 20) + 2 * 4_096 * 32 * 8
    for pairs in (few, many):
        own = peak_bytes(lambda pairs=pairs: cosine_scores(enrol, test, pairs))
        assert own < 3 * pairs.nbytes + 4 * enrol.nbytes + 2 * cosine_module.BLOCK_BYTES
        # the gathered rows of all pairs, and the whole matrix, are far larger
    assert peak_bytes(lambda: identify(enrol, test, 5)) < 8 * cosine_module.BLOCK_BYTES


@pytest.mark.parametrize("top_k", [1, 3, 40, 99])
def test_identification_is_the_sorted_row(top_k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bodysounds.scoring.identification.BLOCK_BYTES", 500)
    rng = np.random.default_rng(0)
    # axes and diagonals of four dimensions: every cosine is exact, and many are equal
    voices = np.vstack(
        [np.eye(4), -np.eye(4), np.zeros((1, 4)), 2 * rng.integers(2, size=(6, 4)) - 1]
    )
    probes = rng.choice(voices, 25).astype(np.float32)
    gallery = rng.choice(voices, 40).astype(np.float32)
    indices, scores = identify(probes, gallery, top_k)
    kept = min(top_k, 40)
    assert indices.shape == scores.shape == (25, kept)
    assert (indices.dtype, scores.dtype) == (np.int64, np.float64)
    for probe, row, values in zip(probes, indices, scores, strict=True):
        cosines = [round(slow_cosine(probe, other), 6) for other in gallery]
        expected = sorted(range(40), key=lambda i: (-cosines[i], i))[:kept]
        assert row.tolist() == expected
        np.testing.assert_allclose(values, [cosines[i] for i in expected], atol=1e-6)


def test_zeros_of_either_sign_are_equal() -> None:
    block = np.array([[-0.0, 0.0, -1.0, -0.5, -0.0]], dtype=np.float32)
    assert _best(block, 5).tolist() == [[0, 1, 4, 3, 2]]


def test_identification_of_random_voices() -> None:
    rng = np.random.default_rng(1)
    probes, gallery = table(rng, 30), table(rng, 700)
    indices, scores = identify(probes, gallery, 10)
    whole = np.array([[slow_cosine(p, g) for g in gallery] for p in probes])
    np.testing.assert_array_equal(indices, np.argsort(-whole, axis=1)[:, :10])
    np.testing.assert_allclose(scores, -np.sort(-whole, axis=1)[:, :10], atol=1e-6)


def test_identification_refuses() -> None:
    with pytest.raises(ValueError, match="gallery is empty"):
        identify([[1.0, 0.0]], np.empty((0, 2)))
    with pytest.raises(ValueError, match="top_k must be at least 1, got 0"):
        identify([[1.0]], [[1.0]], 0)


def test_the_benchmark_runs(project_dir: Path) -> None:
    script = project_dir / "benchmarks" / "scoring.py"
    done = subprocess.run(
        [sys.executable, str(script), "--quick", "--repeats=1"],
        capture_output=True,
        text=True,
        check=True,
    )
    titles = [line for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    assert [title.split()[0] for title in titles] == [
        "dimension",
        "25,600",
        "25,000",
        "all",
        "AS-norm",
    ]
    assert done.stdout.count(" x ") > 12
    for apart in re.findall("largest difference .*: (.*)", done.stdout):
        assert float(apart) < 1e-4


@pytest.mark.parametrize("how", ["mean_embedding", "mean_score", "best"])
@pytest.mark.parametrize("expanded", [7, 1 << 22])
def test_models_equal_the_slow_loop(
    how: str, expanded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bodysounds.scoring.models.EXPANDED_PAIRS", expanded)
    rng = np.random.default_rng(0)
    enrol, test = 5 * table(rng, 12), table(rng, 9)
    models = [[0, 1, 2], [3], np.array([11, 4, 4]), [5, 6, 7, 8, 9, 10]]
    pairs = np.stack([rng.integers(4, size=60), rng.integers(9, size=60)], 1)
    expected = []
    for model, side in pairs:
        rows = enrol[np.asarray(models[model])].astype(float)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        each = [slow_cosine(row, test[side]) for row in unit]
        of_mean = slow_cosine(unit.mean(0), test[side])
        expected.append(
            {"mean_embedding": of_mean, "mean_score": np.mean(each), "best": max(each)}[how]
        )
    found = model_scores(enrol, models, test, pairs, how)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert model_scores(enrol, models, test, [], how).shape == (0,)


@pytest.mark.parametrize(
    ("models", "pairs", "how", "message"),
    [
        ([[0], []], [[0, 0]], "best", "model 1 must be one row of integers or more"),
        ([[0], [0.5]], [[0, 0]], "best", "model 1 must be"),
        ([[0, 2]], [[0, 0]], "best", "model 0 names row 2 of 2 rows"),
        ([[-1]], [[0, 0]], "best", "model 0 names row -1"),
        ([[0]], [[1, 0]], "best", r"pair \[1, 0\] lies outside the 1 x 1 models"),
        ([[0]], [[0, 0]], "median", "mean_embedding, mean_score, best, got 'median'"),
    ],
)
def test_models_refuse(models: list[list[int]], pairs: object, how: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_scores([[1.0, 0.0], [0.0, 1.0]], models, [[1.0, 0.0]], pairs, how)
