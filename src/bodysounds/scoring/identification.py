"""Who in a gallery is most alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.scoring.cosine import BLOCK_BYTES, Float32s, cosine_blocks

LOW_BITS = 0xFFFFFFFF


def identify(
    probes: Any, gallery: Any, top_k: int = 1
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the rows of the gallery most alike to each probe, and their cosines.

    Parameters
    ----------
    probes : array-like of shape (n, dim)
    gallery : array-like of shape (n_gallery, dim)
    top_k : int
        At least 1; more than the gallery has means all of it.

    Returns
    -------
    indices : int64 array of shape (n, min(top_k, n_gallery))
        The best first; of cosines equal in float32 the lower row first.
    scores : float64 array of the same shape, in [-1, 1]

    Raises ValueError for NaN and infinities, other shapes, an empty gallery and top_k below 1.

    >>> indices, scores = identify([[1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [2.0, 0.0]], top_k=2)
    >>> indices.tolist(), scores.tolist()
    ([[1, 2]], [[1.0, 1.0]])
    """
    if top_k < 1:
        raise ValueError(f"top_k must be at least 1, got {top_k}")
    blocks = cosine_blocks(probes, gallery, BLOCK_BYTES)
    n_probes, n_gallery = len(np.asarray(probes)), len(np.asarray(gallery))
    if not n_gallery:
        raise ValueError("the gallery is empty: enrol somebody first")
    kept = min(top_k, n_gallery)
    indices = np.empty((n_probes, kept), dtype=np.int64)
    scores = np.empty((n_probes, kept))
    for first, block in blocks:
        rows = slice(first, first + len(block))
        indices[rows] = _best(block, kept)
        scores[rows] = np.take_along_axis(block, indices[rows], axis=1)
    return indices, scores


def _best(block: Float32s, top_k: int) -> npt.NDArray[np.int64]:
    """Return the columns of the highest values of each row, by one integer for value and column."""
    block += 0.0  # -0.0 becomes 0.0, its equal
    bits = block.view(np.int32)
    rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # integers in the order of the floats
    keys = rising.astype(np.int64) << 32
    keys |= LOW_BITS - np.arange(block.shape[1])
    cut = block.shape[1] - top_k
    if cut:
        keys.partition(cut, axis=1)
    best = np.sort(keys[:, cut:], axis=1)[:, ::-1]
    columns: npt.NDArray[np.int64] = LOW_BITS - (best & LOW_BITS)
    return columns
