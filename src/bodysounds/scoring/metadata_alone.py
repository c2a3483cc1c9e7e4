"""What is known of a recording before anybody listens: each property as levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bodysounds.types import Array, Floats, Table

COLUMNS = {"device": "domain"}
"""Where a property has another name in examples."""
MISSING = ""


def metadata_features(examples: Table, names: Sequence[str], train: Array) -> dict[str, Floats]:
    """Return one-hot levels of each property that examples have and that varies in train.

    Parameters
    ----------
    examples : Table
        May have domain (as `device`) and the other columns of `names`, of any dtype.
    names : sequence of str
        Properties; one without a column is left out.
    train : bool array of shape (n,)
        The rows whose levels count.

    Returns
    -------
    features : dict of float64 arrays (n, n_levels)
        Columns are the levels of train in alphabetical order, a missing value being a level too. A
        level that train lacks says nothing: it gets the mean row of train.
    """
    found = {}
    for name in names:
        column = COLUMNS.get(name, name)
        if column not in examples:
            continue
        values = _levels(examples[column])
        levels = sorted(set(values[train]))
        if len(levels) < 2:
            continue
        own = (values[:, None] == np.array(levels, dtype=object)[None, :]).astype(np.float64)
        unseen = ~own.any(axis=1)
        own[unseen] = own[train].mean(axis=0)
        found[name] = own
    return found


def _levels(values: pd.Series[str]) -> Array:
    told = values.astype(object)
    levels: Array = told.where(told.notna(), MISSING).map(str).to_numpy(object)
    return levels
