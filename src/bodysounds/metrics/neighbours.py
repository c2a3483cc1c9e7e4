"""What the nearest embeddings share."""

from __future__ import annotations

from typing import Any

import numpy as np

from bodysounds.types import Floats


def shared_among_nearest(
    embeddings: Floats, names: Any, groups: Any, k: int = 10
) -> tuple[float, float] | None:
    """Return how often the k nearest rows of other groups share a row's name, and how often any do.

    Parameters
    ----------
    embeddings : float array of shape (n, dim), finite
        Near is a high cosine, after the mean is taken off.
    names, groups : array-like of shape (n,)
        What may be shared, such as the class; and whose rows don't count, such as the patient.
    k : int
        Fewer where there are not as many rows of other groups.

    Both are means over the rows that have a row of another group; None where none has.
    """
    centred = embeddings - embeddings.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(length > 0, length, 1.0)
    own, whose = np.unique(np.asarray(names, str), return_inverse=True)[1], np.asarray(groups, str)
    near, any_ = [], []
    for row in range(len(unit)):
        others = np.flatnonzero(whose != whose[row])
        if not len(others):
            continue
        order = np.argsort(-(unit[others] @ unit[row]), kind="stable")[:k]
        same = own[others] == own[row]
        near.append(same[order].mean())
        any_.append(same.mean())
    return (float(np.mean(near)), float(np.mean(any_))) if near else None
