"""The file that a challenge takes: one score, or one decision, for each of its trials."""

from __future__ import annotations

import logging
from collections.abc import Collection

import numpy as np
import pandas as pd

from bodysounds.types import Floats, Table

logger = logging.getLogger(__name__)

SYSTEM = "ours"


def submission(
    scores: Table,
    trials: Table,
    sample: Table | None = None,
    score: str = "cosine",
    threshold: float | None = None,
    unheard: Collection[str] = (),
) -> Table:
    """Return the scores, or the decisions, of ours on the test trials.

    Parameters
    ----------
    scores : Table
        system, trial_id, cosine, normalised.
    trials : Table
        trial_id, subset and, for a sample of pairs, enrol_id and test_id.
    sample : Table, optional
        The challenge's sample submission, read as text; its columns, rows and their order are kept
        exactly. Of two columns (id, then score): the id is a trial_id, and the score is written. Of
        three (two recordings, then label): the trial is called `<first> <second>`, and 1 is written
        where its score is at or above the threshold, else 0; a pair that stands in several rows
        gets one answer. Without a sample: id and score.
    score : str
        `cosine` or `normalised`.
    threshold : float, optional
        Needed for decisions.
    unheard : collection of str
        Listed trials that were left out, because a recording is missing or broken. A challenge
        takes whole files only: they get 0, or the lowest score, and their number is logged.

    Raises ValueError that names ids which the sample has and the trials don't, or the reverse,
    repeated ids, and trials without a score.
    """
    tested = trials[trials["subset"] == "test"]
    known = tested["trial_id"].astype("str")
    ours = scores[scores["system"] == SYSTEM].set_index("trial_id")[score]
    if sample is None:
        ids = pd.Index(known)
        return pd.DataFrame({"id": ids.to_numpy(), "score": _scores_of(ids, ours)})
    names, ids = _ids_of(sample)
    pairs = len(names) == 3
    heard = ~ids.isin(set(unheard) - set(known))
    absent = ids[~ids.isin(known) & heard]
    extra = pd.Index(known[~(_answered(tested, ids) if pairs else known.isin(ids))])
    if not pairs and ids.has_duplicates:
        raise ValueError(f"repeated ids in the submission: {_named(ids[ids.duplicated()])}")
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
    values = np.empty(len(ids))
    values[heard] = _scores_of(ids[heard], ours)
    if not heard.all():
        _tell(ids[~heard], len(ids))
        values[~heard] = values[heard].min(initial=np.inf)
    if not pairs:
        return pd.DataFrame({names[0]: ids.to_numpy(), names[1]: values})
    if threshold is None or not np.isfinite(threshold):
        raise ValueError(
            f"the sample submission asks for decisions, and the threshold is {threshold}: give "
            "that of the operating point"
        )
    decided = ((values >= threshold) & heard).astype(np.int64)
    return sample.assign(**{names[2]: decided}).reset_index(drop=True)


def _ids_of(sample: Table) -> tuple[list[str], pd.Index[str]]:
    """Return the names of a sample's columns, and the trial of each row."""
    if sample.shape[1] not in (2, 3):
        raise ValueError(
            "a sample submission has two columns, an id and a score, or three, two recordings and "
            f"a label, but this one has {', '.join(map(str, sample.columns)) or 'none'}"
        )
    named = sample.iloc[:, :-1]
    for name, column in named.items():
        if not pd.api.types.is_string_dtype(column):
            raise ValueError(
                f"the column {name!r} of the sample submission was read as {column.dtype}: read "
                "ids as text (dtype=str), they have leading zeros"
            )
    ids = named.iloc[:, 0].str.cat(named.iloc[:, 1:], sep=" ") if len(named.columns) > 1 else named
    return [str(name) for name in sample.columns], pd.Index(np.asarray(ids).ravel())


def _answered(tested: Table, ids: pd.Index[str]) -> pd.Series[bool]:
    """Return whether each trial compares two sides that a trial of the sample compares."""
    pair = pd.Series(list(zip(tested["enrol_id"], tested["test_id"], strict=True)), tested.index)
    return pair.isin(pair[tested["trial_id"].isin(ids)])


def _scores_of(ids: pd.Index[str], ours: pd.Series[float]) -> Floats:
    values: Floats = ours.reindex(ids).to_numpy(np.float64)
    unscored = ids[~np.isfinite(values)]
    if len(unscored):
        raise ValueError(f"{len(unscored):,} test trials have no score: {_named(unscored)}")
    return values


def _tell(unheard: pd.Index[str], n_rows: int) -> None:
    logger.warning(
        "%s of %s rows of the submission are a guess, the lowest score or 0: their recordings are "
        "missing or broken (%s); put them in place and run again",
        f"{len(unheard):,}",
        f"{n_rows:,}",
        _named(unheard),
    )


def _named(ids: pd.Index[str]) -> str:
    more = f" and {len(ids) - 3:,} more" if len(ids) > 3 else ""
    return ", ".join(ids[:3]) + more
