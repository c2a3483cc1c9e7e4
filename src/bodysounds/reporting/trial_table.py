"""Trials joined once with subjects and scores, and the selections that a report rates."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from bodysounds.metrics.arrays import subject_codes
from bodysounds.metrics.bootstrap import subject_weights
from bodysounds.metrics.resampling import Resampler, TooFewSubjectsError, resampler
from bodysounds.types import Array, Floats, Ints, Metrics, Table

_COLUMNS = ("enrol_id", "test_id", "enrol_subject", "test_subject")
LEAST_SUBJECTS = 5
"""Fewer say nothing of how much others would differ; draws of two would all be the same."""
CONDITIONS = ("all", "across_sessions", "same_session")


@dataclass(frozen=True)
class Selection:
    """Labelled trials, with arrays of shape (n_trials,) for each column."""

    rows: Ints
    """Where they stand in the table of all trials."""
    enrol_id: Array
    test_id: Array
    labels: Array
    """bool: True for a target."""
    enrol: Array
    test: Array
    """Names of the subjects."""
    scores: dict[str, Floats]
    """The score that decides, by system."""
    normalised: dict[str, Floats] = field(default_factory=dict)
    """Normalised score of the systems that have one."""
    llrs: dict[str, Floats] = field(default_factory=dict)
    """Calibrated log-likelihood ratio (natural log) of the systems that have one."""
    _resamplers: dict[tuple[int, int], Resampler] = field(default_factory=dict, repr=False)

    @property
    def n_target(self) -> int:
        return int(self.labels.sum())

    @property
    def n_nontarget(self) -> int:
        return int((~self.labels).sum())

    @property
    def rateable(self) -> bool:
        """Whether both classes are there."""
        return bool(self.n_target and self.n_nontarget)

    @cached_property
    def counts(self) -> dict[str, int]:
        """n_target, n_nontarget, n_target_subjects and n_subjects."""
        if not len(self.labels):
            return dict.fromkeys(("n_target", "n_nontarget", "n_target_subjects", "n_subjects"), 0)
        enrol, test, _ = subject_codes(self.enrol, self.test, self.labels)
        return {
            "n_target": self.n_target,
            "n_nontarget": self.n_nontarget,
            "n_target_subjects": len(np.unique(enrol[self.labels])),
            "n_subjects": len(np.unique(np.concatenate([enrol, test]))),
        }

    @cached_property
    def subject_weights(self) -> Floats:
        """Weights with which subjects count equally."""
        return subject_weights(self.labels, self.enrol, self.test)

    def resampler(self, n: int, seed: int) -> Resampler:
        """Return the draws of subjects, the same ones for every system and weighting.

        Raises TooFewSubjectsError below LEAST_SUBJECTS.
        """
        if self.counts["n_subjects"] < LEAST_SUBJECTS:
            raise TooFewSubjectsError(
                f"{self.counts['n_subjects']} subjects are too few to resample"
            )
        if (n, seed) not in self._resamplers:
            self._resamplers[n, seed] = resampler(
                self.labels, self.enrol, self.test, n=n, seed=seed
            )
        return self._resamplers[n, seed]


@dataclass(frozen=True)
class TrialTable:
    """Every trial with the subjects of its sides and the scores of every system."""

    table: Table
    """The trials, with enrol_subject and test_subject."""
    scores: dict[str, Floats]
    """The score that decides, by system, float64 (n_trials,), in the rows' order."""
    normalised: dict[str, Floats] = field(default_factory=dict)
    """Normalised score of the systems that have one."""
    llrs: dict[str, Floats] = field(default_factory=dict)
    """Calibrated log-likelihood ratio of the systems that have one; NaN outside dev and test."""
    _cache: dict[tuple[str, str], Selection] = field(default_factory=dict, repr=False)

    def select(self, subset: str, condition: str) -> Selection:
        """Return the labelled trials of a subset under a condition.

        `across_sessions` and `same_session` choose the targets; the non-targets, which have no
        session in common anyway, all stay.
        """
        if (subset, condition) in self._cache:
            return self._cache[subset, condition]
        if condition not in CONDITIONS:
            raise ValueError(f"condition must be one of {', '.join(CONDITIONS)}, got {condition!r}")
        table = self.table
        mask = ((table["subset"] == subset) & table["target"].notna()).to_numpy(bool)
        target = table["target"].fillna(0).to_numpy(np.int64) == 1
        if condition != "all":
            mask = mask & (~target | (table["condition"] == condition).to_numpy(bool))
        rows = np.flatnonzero(mask)
        # an equal selection is one object, so that its draws are made once
        for other in self._cache.values():
            if np.array_equal(other.rows, rows):
                self._cache[subset, condition] = other
                return other
        column = {name: table[name].to_numpy(object)[rows] for name in _COLUMNS}
        chosen = Selection(
            rows,
            enrol_id=column["enrol_id"],
            test_id=column["test_id"],
            labels=target[rows],
            enrol=column["enrol_subject"],
            test=column["test_subject"],
            scores=_take(self.scores, rows),
            normalised=_take(self.normalised, rows),
            llrs=_take(self.llrs, rows),
        )
        self._cache[subset, condition] = chosen
        return chosen

    def condition_of(self, subset: str, wanted: str) -> str:
        """Return the wanted condition, or `all` where no target of the subset meets it."""
        chosen = self.select(subset, wanted)
        return wanted if chosen.rateable or not self.select(subset, "all").rateable else "all"


def _take(by_system: dict[str, Floats], rows: Ints) -> dict[str, Floats]:
    return {system: values[rows] for system, values in by_system.items()}


def trial_table(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    score: str = "cosine",
    llrs: Table | None = None,
) -> TrialTable:
    """Join trials, subjects and scores.

    Parameters
    ----------
    score : str
        The score that decides, `cosine` or `normalised`; a system without the latter keeps its
        cosine.
    llrs : Table, optional
        system, trial_id, llr.

    A side whose subject is unknown is a subject of its own. Raises ValueError for a trial that
    names an unknown side or has no score (or two) by a system, and for a score that is NaN.
    """
    subject = sides[["side_id", "recording_id"]].merge(
        manifest[["recording_id", "subject_id"]], on="recording_id", how="left"
    )
    by_side = subject.groupby("side_id", sort=False)["subject_id"].first()
    by_side = by_side.astype(object).where(by_side.notna(), "side " + by_side.index.astype(object))
    table = trials.reset_index(drop=True)
    for column, name in (("enrol_id", "enrol_subject"), ("test_id", "test_subject")):
        unknown = table.loc[~table[column].isin(by_side.index), column]
        if len(unknown):
            raise ValueError(
                f"{len(unknown)} trial(s) name a side that the corpus has not, such as "
                f"{unknown.iloc[0]!r}: make trials and sides from one manifest"
            )
        table[name] = by_side.reindex(table[column]).to_numpy(object)
    ids = table["trial_id"]
    cosines = aligned(scores, ids, "cosine")
    normalised = aligned(_complete(scores, "normalised"), ids, "normalised")
    return TrialTable(
        table,
        cosines | normalised if score == "normalised" else cosines,
        normalised,
        {} if llrs is None else aligned(_complete(llrs, "llr"), ids, "llr"),
    )


def _complete(scores: Table, column: str) -> Table:
    """Return the rows of the systems of which no value is missing."""
    missing = scores[column].isna().groupby(scores["system"]).transform("any").to_numpy(bool)
    return scores[~missing]


def headline_trials(
    scores: Table, trials: Table, metrics: Metrics
) -> tuple[Array, dict[str, Floats]]:
    """Return labels (n,) and each system's scores (n,) of the trials that the headline counts."""
    head = metrics["headline"]
    chosen = trials[(trials["subset"] == head["subset"]) & trials["target"].notna()]
    if head["condition"] != "all":
        chosen = chosen[(chosen["target"] == 0) | (chosen["condition"] == head["condition"])]
    ids = chosen["trial_id"]
    found = aligned(scores, ids, "cosine")
    if head["score"] == "normalised":
        found |= aligned(_complete(scores, "normalised"), ids, "normalised")
    return (chosen["target"] == 1).to_numpy(bool), found


def aligned(scores: Table, trial_ids: pd.Series[str], column: str) -> dict[str, Floats]:
    """Return a column by system in the order of the trials; ValueError where one is missing."""
    return {
        str(system): _aligned(str(system), part, trial_ids, column)
        for system, part in scores.groupby("system", sort=False)
    }


def _aligned(system: str, part: Table, trial_ids: pd.Series[str], column: str) -> Floats:
    repeated = part.loc[part["trial_id"].duplicated(), "trial_id"]
    if len(repeated):
        raise ValueError(f"system {system} scores trial {repeated.iloc[0]!r} more than once")
    values = part.set_index("trial_id")[column].reindex(trial_ids).to_numpy(np.float64)
    missing = np.flatnonzero(~np.isfinite(values))
    if missing.size:
        raise ValueError(
            f"system {system} has no finite {column} for {missing.size} of {len(values)} trials, "
            f"such as {trial_ids.iloc[int(missing[0])]!r}: score all trials with it again"
        )
    return values
