"""The file that a challenge takes: one score for each of its trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.types import Table

SYSTEM = "ours"


def _named(ids: pd.Index[str]) -> str:
    more = f" and {len(ids) - 3:,} more" if len(ids) > 3 else ""
    return ", ".join(ids[:3]) + more


def submission(
    scores: Table, trials: Table, sample: Table | None = None, score: str = "cosine"
) -> Table:
    """Return id and score (of ours) of the test trials.

    Parameters
    ----------
    scores : Table
        system, trial_id, cosine, normalised.
    trials : Table
        trial_id, subset.
    sample : Table, optional
        The challenge's sample submission, read as text: its two columns (id, then score), its ids
        and their order are kept exactly.
    score : str
        `cosine` or `normalised`.

    Raises ValueError that names ids which the sample has and the trials don't, or the reverse,
    repeated ids, and trials without a score.
    """
    tested = trials.loc[trials["subset"] == "test", "trial_id"].astype("str")
    ours = scores[scores["system"] == SYSTEM].set_index("trial_id")[score]
    if sample is None:
        ids, columns = pd.Index(tested), ["id", "score"]
    else:
        if sample.shape[1] != 2:
            raise ValueError(
                "a sample submission has two columns, an id and a score, but this one has "
                f"{', '.join(map(str, sample.columns)) or 'none'}"
            )
        if not pd.api.types.is_string_dtype(sample.iloc[:, 0]):
            raise ValueError(
                f"the column {sample.columns[0]!r} of the sample submission was read as "
                f"{sample.iloc[:, 0].dtype}: read ids as text (dtype=str), they have leading zeros"
            )
        ids, columns = pd.Index(sample.iloc[:, 0]), [str(name) for name in sample.columns]
    if ids.has_duplicates:
        raise ValueError(f"repeated ids in the submission: {_named(ids[ids.duplicated()])}")
    absent, extra = ids[~ids.isin(tested)], pd.Index(tested[~tested.isin(ids)])
    if len(absent):
        raise ValueError(
            f"{len(absent):,} ids of the sample submission are missing among the test trials: "
            f"{_named(absent)}; are the test pairs those of this challenge?"
        )
    if len(extra):
        raise ValueError(
            f"{len(extra):,} test trials are extra, not in the sample submission: {_named(extra)}; "
            "score the challenge's own pairs only"
        )
    values = ours.reindex(ids).to_numpy(np.float64)
    unscored = ids[~np.isfinite(values)]
    if len(unscored):
        raise ValueError(f"{len(unscored):,} test trials have no score: {_named(unscored)}")
    return pd.DataFrame({columns[0]: ids.to_numpy(), columns[1]: values})
