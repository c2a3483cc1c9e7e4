"""How much sound is needed: the error rate when each side is cut to its first seconds."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.metrics.intervals import beta_interval
from bodysounds.metrics.resampling import TooFewSubjectsError, resampler
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.models.encoder import Encoder
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_sides
from bodysounds.sides import SideTable
from bodysounds.types import Array, Floats, Ints, Table

log = logging.getLogger(__name__)

MIN_PAIRS = 10
"""Targets, and non-targets, below which a cell has no rate."""
LEAST_SUBJECTS = 5
"""Subjects with targets, below which a cell has no interval."""
COUNTS = ("n_target", "n_nontarget", "n_target_subjects")
COLUMNS = ("enrol_s", "test_s", "eer", "eer_low", "eer_high", *COUNTS)


def duration_grid(
    encoder: Encoder,
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    seconds: Sequence[float] = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0),
    subset: str | None = None,
    condition: str = "across_sessions",
    n_bootstrap: int = 200,
    level: float = 0.95,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
) -> Table:
    """Return the EER of `encoder` for each length of enrolment and of test.

    Parameters
    ----------
    trials : Table
        Trials of other subsets and without a label are left out.
    seconds : sequence of float
        Each side is cut to its first so many seconds; a shorter side is left out of that cell, so
        that cells of long sides stand on fewer pairs.
    subset : str, optional
        `dev` or `test`; by default `rated_subset`.
    condition : str
        Of the targets, `all` or `across_sessions`; all, where no target is across sessions.
    precision : str
        As of `embed_sides`.

    Returns
    -------
    grid : Table
        A row a cell: enrol_s, test_s (seconds), eer, eer_low, eer_high (interval over subjects),
        n_target, n_nontarget, n_target_subjects. The rates are NaN where a cell has fewer than 10
        targets or non-targets; such a cell is not embedded either.

    Raises ValueError where a trial names a side without audio.
    """
    chosen = _rated_trials(trials, subset, condition)
    target = (chosen["target"] == 1).to_numpy(bool)
    named = np.stack([side_table.rows(chosen[name]) for name in ("enrol_id", "test_id")], axis=1)
    rows, pairs = np.unique(named, return_inverse=True)
    pairs = pairs.reshape(-1, 2)
    subjects = _subjects(side_table)[rows][pairs]
    n_samples = side_table.table["n_samples"].to_numpy(np.int64)[rows]
    long_enough = {s: n_samples >= round(s * packed.sample_rate) for s in sorted(seconds)}
    held = {
        (enrol_s, test_s): long_enough[enrol_s][pairs[:, 0]] & long_enough[test_s][pairs[:, 1]]
        for enrol_s, test_s in itertools.product(long_enough, repeat=2)
    }
    rated = [cell for cell, mask in held.items() if _enough(target[mask])]
    log.info("%d of %d cells of seconds hold enough pairs", len(rated), len(held))
    vectors = {
        s: _embedded(encoder, packed, side_table, rows, long_enough[s], s, device, precision)
        for s in sorted({s for cell in rated for s in cell})
    }
    found = []
    for (enrol_s, test_s), mask in held.items():
        entry = {"enrol_s": enrol_s, "test_s": test_s, **_counts(target[mask], subjects[mask])}
        if (enrol_s, test_s) in rated:
            scores = cosine_scores(vectors[enrol_s], vectors[test_s], pairs[mask])
            entry |= _rates(target[mask], scores, subjects[mask], n_bootstrap, level, seed)
        found.append(entry)
    grid = pd.DataFrame(found, columns=list(COLUMNS))
    return grid.astype(dict.fromkeys(COLUMNS[:5], "float64") | dict.fromkeys(COUNTS, "int64"))


def rated_subset(trials: Table) -> str:
    """Return `test` where it has labelled pairs of both kinds, else `dev`."""
    tested = set(trials.loc[trials["subset"] == "test", "target"].dropna())
    return "test" if {0, 1} <= tested else "dev"


def _rated_trials(trials: Table, subset: str | None, condition: str) -> Table:
    """Return the labelled trials of the subset, with the targets of the condition if there are."""
    labelled = trials[trials["target"].notna()]
    chosen = labelled[labelled["subset"] == (subset or rated_subset(trials))]
    if condition == "all" or "condition" not in chosen:
        return chosen
    target, meets = chosen["target"] == 1, chosen["condition"] == condition
    return chosen[~target | meets] if (target & meets).any() else chosen


def _subjects(side_table: SideTable) -> Array:
    """Return the subject of each side; a side of an unknown one is a subject of its own."""
    table = side_table.table
    named = table["subject_id"].astype(object)
    return named.where(named.notna(), "side " + table["side_id"].astype(object)).to_numpy(object)


def _enough(target: Array) -> bool:
    return min(int(target.sum()), int((~target).sum())) >= MIN_PAIRS


def _embedded(
    encoder: Encoder, packed: Packed, side_table: SideTable, rows: Ints, chosen: Array, s: float,
    device: str, precision: str,
) -> Floats:  # fmt: skip
    """Return the first `s` seconds of the chosen rows embedded, zeros for the others."""
    own = embed_sides(encoder, packed, side_table, rows[chosen], s, device, precision=precision)
    vectors: Floats = np.zeros((len(rows), own.shape[1]), dtype=np.float32)
    vectors[chosen] = own
    return vectors


def _counts(target: Array, subjects: Array) -> dict[str, int]:
    numbers = (target.sum(), (~target).sum(), len(set(subjects[target, 0])))
    return {name: int(number) for name, number in zip(COUNTS, numbers, strict=True)}


def _rates(
    target: Array, scores: Floats, subjects: Array, n_bootstrap: int, level: float, seed: int
) -> dict[str, float]:
    rates = {"eer": equal_error_rate(target, scores)[0]}
    n_subjects = len(set(subjects[target, 0]))
    if n_subjects < LEAST_SUBJECTS:
        return rates
    try:
        sample = resampler(target, subjects[:, 0], subjects[:, 1], n=n_bootstrap, seed=seed)
    except TooFewSubjectsError:
        return rates
    draws = sample.draws(scores, "eer")
    low, high = beta_interval(rates["eer"], draws, n_subjects, int(target.sum()), level)
    return rates | {"eer_low": low, "eer_high": high}
