"""Linear discriminant analysis with shrinkage (Fisher 1936), from the scatter to the directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bodysounds.types import Floats, Ints

AT_A_TIME = 16_384


@dataclass(frozen=True)
class Scatter:
    """What the vectors of a training set say of their classes."""

    mean: Floats
    """float64 (n,)"""
    scale: Floats
    """float64 (n,): the deviation of each, 1 where there is none."""
    within: Floats
    """float64 (n, n): covariance around the classes' means, of scaled vectors."""
    total: Floats
    """float64 (n, n): covariance around the mean."""
    n_classes: int


def check_classes(counts: Ints) -> None:
    """Raise ValueError for fewer than two classes, and where none has two recordings."""
    if len(counts) < 2 or counts.max() < 2:
        raise ValueError(
            f"a backend learns from classes of several recordings, and train has {len(counts)} "
            f"classes with at most {counts.max(initial=0)} each: give it more, or train without "
            "(train_embedding.backend: [])"
        )


def scatter(vectors: Floats, labels: Ints) -> Scatter:
    """Return the scatter of vectors (n_vectors, n), of any float type, with classes (n_vectors,).

    Raises ValueError as `check_classes`.
    """
    classes, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    check_classes(counts)
    n_vectors, n = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    sums, squares = np.zeros((len(classes), n)), np.zeros((n, n))
    # large corpora have no room for a second copy of all vectors
    for first in range(0, n_vectors, AT_A_TIME):
        some = slice(first, first + AT_A_TIME)
        centred = vectors[some] - mean
        np.add.at(sums, own[some], centred)
        squares += centred.T @ centred
    deviation = np.sqrt(np.diag(squares) / n_vectors)
    scale = np.where(deviation > 1e-8, deviation, 1.0)
    total = squares / n_vectors / np.outer(scale, scale)
    means = sums / counts[:, None] / scale
    between = (means * counts[:, None]).T @ means / n_vectors
    return Scatter(mean, scale, total - between, total, len(classes))


def directions(found: Scatter, shrinkage: float, dim: int) -> Floats:
    """Return float64 (n, at most dim), for vectors without their mean; best direction first.

    The variance within classes is 1 along each. `shrinkage` in (0, 1] is the share of the identity,
    times the mean variance, in the covariance within.
    """
    from scipy.linalg import eigh

    n = len(found.within)
    even = np.trace(found.within) / n
    within = (1 - shrinkage) * found.within + shrinkage * even * np.eye(n)
    kept = min(dim, found.n_classes - 1, n)
    _, vectors = eigh(found.total - found.within, within, subset_by_index=(n - kept, n - 1))
    matrix: Floats = vectors[:, ::-1] / found.scale[:, None]
    return matrix
