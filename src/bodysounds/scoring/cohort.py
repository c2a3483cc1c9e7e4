"""The cohort: train subjects against whom scores are normalised."""

from __future__ import annotations

import numpy as np

from bodysounds.sides import SideTable
from bodysounds.types import Array, Ints


def cohort_rows(side_table: SideTable, n_subjects: int, seed: int) -> Ints:
    """Return the rows of the side table of at most n_subjects known train subjects, ascending.

    They are drawn with the seed, whatever the order of the rows. Empty where there are fewer than
    two, or none is asked for.
    """
    table = side_table.table
    known = ((table["subset"] == "train") & table["subject_id"].notna()).to_numpy(bool)
    subject = table["subject_id"].astype(object).to_numpy()
    names = np.unique(subject[known].astype(str))
    if len(names) > n_subjects:
        names = np.random.default_rng(seed).choice(names, n_subjects, replace=False)
    if len(names) < 2:
        return np.empty(0, np.int64)
    return np.flatnonzero(known & np.isin(subject.astype(str), names))


def cohort_subjects(side_table: SideTable, rows: Ints) -> Array:
    """Return the subject of each row."""
    return side_table.table["subject_id"].astype(object).to_numpy()[rows]
