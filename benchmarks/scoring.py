"""Scoring of pairs and score normalisation, beside the bare matrix product and what others do.

Each repeat times the product and ours by turns, so that a busy machine slows both. What would take
hours is timed on a sample and multiplied, which its line says.

    python benchmarks/scoring.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from bodysounds.scoring import as_norm, cosine_blocks, cosine_scores

DIM = 192
Work = Callable[[], object]


def unit(rng: np.random.Generator, n: int) -> np.ndarray:
    rows = rng.normal(size=(n, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def product(left: np.ndarray, right: np.ndarray) -> None:
    """The product that all pairs need, in blocks of 16 MB that share one memory."""
    step = max(1, min(len(left), (1 << 22) // len(right)))
    block = np.empty((step, len(right)), dtype=np.float32)
    for first in range(0, len(left), step):
        part = left[first : first + step]
        np.matmul(part, right.T, out=block[: len(part)])


def product_and_pick(left: np.ndarray, right: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The shortest line that scores pairs: the whole matrix at once, then a look-up."""
    return (left @ right.T)[pairs[:, 0], pairs[:, 1]]


def one_by_one(left: np.ndarray, right: np.ndarray, pairs: np.ndarray) -> list[float]:
    """A loop over pairs of unit vectors."""
    return [float(np.dot(left[a], right[b])) for a, b in pairs]


def one_by_one_sklearn(left: np.ndarray, right: np.ndarray, pairs: np.ndarray) -> list[float]:
    """A loop over pairs through scikit-learn."""
    return [cosine_similarity(left[a][None], right[b][None])[0, 0] for a, b in pairs]


def sorted_cohort(scores, pairs, sides, cohort, top_k):
    """AS-norm by sorting the whole cohort matrix, as WeSpeaker does: once a side."""
    nearest = np.sort(sides @ cohort.T, axis=1)[:, -top_k:]
    mean, deviation = nearest.mean(axis=1), nearest.std(axis=1)
    first, second = pairs.T
    halves = ((scores - mean[side]) / deviation[side] for side in (first, second))
    return sum(halves) / 2


def cohort_for_each_trial(scores, pairs, sides, cohort, top_k):
    """AS-norm that sets both sides of each trial against the cohort anew, as SpeechBrain does."""
    found = []
    for score, pair in zip(scores, pairs, strict=True):
        nearest = [np.sort(cohort @ sides[side])[-top_k:] for side in pair]
        found.append(sum((score - top.mean()) / top.std() for top in nearest) / 2)
    return np.array(found)


def seconds(work: Work, calls: int = 1) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - began) / calls


def peak_mb(work: Work) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def compare(title: str, works: dict[str, Work], repeats: int, calls: int = 1) -> float:
    """Print the times of each, ratios to the first, the bare product, and the peak of memory.

    The ratio of the medians is the median of the repeats' own ratios, so that a slow minute counts
    on both sides. Return the median of the first.
    """
    for work in works.values():
        work()
    times = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(seconds(work, calls))
    print(f"\n{title}")
    bare = next(iter(times.values()))
    for name, found in times.items():
        ratio = statistics.median(own / base for own, base in zip(found, bare, strict=True))
        best = f"best {1e3 * min(found):10,.2f} ms {min(found) / min(bare):8,.2f} x"
        line(name, statistics.median(found), ratio, f"{best} {peak_mb(works[name]):9,.0f} MB")
    return statistics.median(bare)


def line(name: str, took: float, ratio: float, rest: str) -> None:
    print(f"  {name:<42} {1e3 * took:14,.2f} ms {ratio:10,.2f} x   {rest}")


def extrapolate(name: str, work: Callable[[int], object], n_sample: int, n_all: int, base: float):
    """Print what `n_all` would take by the time of `n_sample`."""
    took = min(seconds(lambda: work(n_sample)) for _ in range(2)) * n_all / n_sample
    line(name, took, took / base, f"(from {n_sample:,} of {n_all:,})")


def score_pairs(left, right, pairs, title: str, repeats: int, calls: int, n_loop: int):
    works: dict[str, Work] = {
        "bare float32 product": lambda: product(left, right),
        "ours: cosine_scores": lambda: cosine_scores(left, right, pairs),
    }
    if len(left) * len(right) < 1 << 20:
        works["bare product and look-up of the pairs"] = lambda: product_and_pick(
            left, right, pairs
        )
    base = compare(title, works, repeats, calls)
    sample = min(len(pairs), n_loop)
    for name, loop in (("np.dot", one_by_one), ("scikit-learn", one_by_one_sklearn)):
        extrapolate(
            f"loop over pairs, {name}",
            lambda n, loop=loop: loop(left, right, pairs[:n]),
            sample,
            len(pairs),
            base,
        )
    some = pairs[:sample]
    apart = np.abs(cosine_scores(left, right, some) - one_by_one(left, right, some)).max()
    print(f"  largest difference to the loop: {apart:.1e}")


def normalise(sides, cohort, n_trials: int, top_k: int, repeats: int) -> None:
    rng = np.random.default_rng(1)
    pairs = rng.integers(len(sides), size=(n_trials, 2))
    pairs[: len(sides), 0] = np.arange(len(sides))  # every side is in some trial
    scores = cosine_scores(sides, sides, pairs)
    base = compare(
        f"AS-norm of {n_trials:,} trials of {len(sides):,} sides, cohort {len(cohort):,}, "
        f"top {top_k}",
        {
            "bare float32 product, sides x cohort": lambda: product(sides, cohort),
            "ours: as_norm": lambda: as_norm(scores, pairs, sides, sides, cohort, top_k),
            "whole cohort matrix sorted": lambda: sorted_cohort(
                scores, pairs, sides, cohort, top_k
            ),
        },
        repeats,
    )

    def each(n: int) -> object:
        return cohort_for_each_trial(scores[:n], pairs[:n], sides, cohort, top_k)

    extrapolate("cohort scored anew for each trial", each, 50, n_trials, base)
    mine = as_norm(scores, pairs, sides, sides, cohort, top_k)
    apart = np.abs(mine - sorted_cohort(scores, pairs, sides, cohort, top_k)).max()
    print(f"  largest difference to the sorted matrix: {apart:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of each size")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    shrink = 20 if options.quick else 1
    n_sides, n_pairs, n_cohort = 20_000 // shrink, 10_000_000 // shrink**2, 6_000 // shrink
    rng = np.random.default_rng(0)
    print(
        f"dimension {DIM}; medians, ratios to the bare product, best times, peak of Python's memory"
    )

    enrol, test = unit(rng, 160), unit(rng, 160)
    pairs = np.indices((160, 160)).reshape(2, -1).T
    score_pairs(enrol, test, pairs, "25,600 pairs: 160 x 160", options.repeats, 20, 5_000 // shrink)

    sides = unit(rng, n_sides)
    pairs = rng.integers(n_sides, size=(n_pairs, 2))
    title = f"{n_pairs:,} random pairs of {n_sides:,} sides"
    score_pairs(sides, sides, pairs, title, options.repeats, 1, 5_000 // shrink)

    def blocks() -> None:
        for _ in cosine_blocks(sides, sides):
            pass

    compare(
        f"all {n_sides:,} x {n_sides:,} pairs in blocks",
        {"bare float32 product": lambda: product(sides, sides), "ours: cosine_blocks": blocks},
        options.repeats,
    )
    top_k = min(300, n_cohort // 2)
    normalise(sides, unit(rng, n_cohort), 5 * n_sides, top_k, options.repeats)


if __name__ == "__main__":
    main()
