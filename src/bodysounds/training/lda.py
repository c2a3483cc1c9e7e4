"""Linear discriminant analysis with shrinkage (Fisher 1936), from the scatter to the directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bodysounds.types import Floats, Ints


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


def scatter(vectors: Floats, labels: Ints) -> Scatter:
    """Return the scatter of vectors (n_vectors, n) with classes (n_vectors,).

    Raises ValueError for fewer than two classes, and where no class has two vectors.
    """
    classes, own, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2 or counts.max() < 2:
        raise ValueError(
            f"a backend learns from classes of several recordings, and train has {len(classes)} "
            f"classes with at most {counts.max(initial=0)} each: give it more, or train without "
            "(train_embedding.backend: [])"
        )
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0)
    scale = np.where(scale > 1e-8, scale, 1.0)
    scaled = (vectors - mean) / scale
    means = np.zeros((len(classes), scaled.shape[1]))
    np.add.at(means, own, scaled)
    means /= counts[:, None]
    around = scaled - means[own]
    n = len(vectors)
    return Scatter(mean, scale, around.T @ around / n, scaled.T @ scaled / n, len(classes))


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
