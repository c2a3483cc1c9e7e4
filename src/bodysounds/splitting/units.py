"""Recordings that must never be told apart: one group, or one content."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.types import Table


def units(manifest: Table) -> pd.Series[str]:
    """Return the unit of each recording, in the manifest's order.

    Recordings of one group_id are one unit, and so are groups that share a sha256. A unit is called
    after the first of its groups in alphabetical order, so names don't depend on the row order.
    """
    names, group = np.unique(manifest["group_id"].to_numpy(dtype=object), return_inverse=True)
    root = np.arange(len(names))
    first_with: dict[str, int] = {}
    for own, digest in zip(group.tolist(), manifest["sha256"].tolist(), strict=True):
        other = first_with.setdefault(digest, own)
        a, b = _find(root, own), _find(root, other)
        root[max(a, b)] = min(a, b)
    roots = np.array([_find(root, i) for i in range(len(names))])
    return pd.Series(names[roots[group]], index=manifest.index, dtype="str")


def _find(root: npt.NDArray[np.int64], at: int) -> int:
    while root[at] != at:
        root[at] = root[root[at]]
        at = int(root[at])
    return at
