"""Which embeddings of a batch are positives and negatives of which."""

from __future__ import annotations

import torch
from torch import Tensor


def check_batch(embeddings: Tensor, labels: Tensor, groups: Tensor) -> None:
    """Raise ValueError unless there are n >= 1 embeddings (n, dim), n labels and n groups."""
    shapes = [tuple(given.shape) for given in (embeddings, labels, groups)]
    n = len(embeddings) if embeddings.ndim else 0
    if embeddings.ndim != 2 or n == 0 or shapes[1:] != [(n,), (n,)]:
        raise ValueError(
            "losses take embeddings (n, dim) with n labels and n groups, n at least 1, got shapes "
            f"{shapes[0]}, {shapes[1]} and {shapes[2]}"
        )


def pair_masks(labels: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """Return who is a positive, and who a negative, of whom.

    Parameters
    ----------
    labels : (batch,) int64
        Subjects; a positive is another embedding of the anchor's subject.
    groups : (batch,) int64
        A negative is an embedding of another subject and of another group than the anchor's.

    Returns
    -------
    positive, negative : (batch, batch) bool
        A row an anchor; what is in neither is never compared with it.
    """
    same = labels[:, None] == labels[None, :]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~itself, (groups[:, None] != groups[None, :]) & ~same
