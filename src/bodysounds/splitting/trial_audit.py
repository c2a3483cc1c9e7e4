"""What is wrong with a list of trials: found for all of them at once, and named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.types import Table

FINDINGS: Mapping[str, str] = {
    "unknown_side": "name a side that is not there",
    "contradictory": "are of a pair that is labelled 1 and 0",
    "contrary_to_subjects": "contradict the subjects of their sides",
    "self_trial": "compare a side with itself",
    "repeated": "repeat a pair",
    "both_orders": "are there in the other order too",
}


@dataclass(frozen=True)
class TrialAudit:
    """Which trials have which finding."""

    trials: Table
    marks: Mapping[str, npt.NDArray[np.bool_]]
    """Keys of FINDINGS; one element a trial."""

    def count(self, finding: str) -> int:
        """Return how many trials have the finding."""
        return int(self.marks[finding].sum())

    def sentence(self, finding: str) -> str:
        """Return `3 of 100 listed trials repeat a pair (x, y, z)`, with the first trial_id."""
        ids = self.trials["trial_id"][self.marks[finding]].tolist()
        return f"{len(ids)} of {len(self.trials)} listed trials {FINDINGS[finding]} ({some(ids)})"

    def table(self) -> Table:
        """Return finding, says, n_trials and examples (up to three trial_id), a row a finding."""
        rows = [
            (name, says, self.count(name), some(self.trials["trial_id"][self.marks[name]]))
            for name, says in FINDINGS.items()
        ]
        return pd.DataFrame(rows, columns=["finding", "says", "n_trials", "examples"])


def audit_trials(
    trials: Table, sides_known: Iterable[str], subjects: Mapping[str, str] | None = None
) -> TrialAudit:
    """Return the findings of a list of trials.

    - `unknown_side`: enrol_id or test_id is not known.
    - `contradictory`: the same two sides, in either order, are labelled 1 and 0.
    - `contrary_to_subjects`: labelled 1 with two subjects, or 0 with one, where both are known.
    - `self_trial`: a side against itself.
    - `repeated`: a copy of an ordered pair; the first copy with a label, else the first, is not
      marked.
    - `both_orders`: (a, b) where (b, a) is there too. The cosine counts such a pair twice; official
      lists have them.

    Parameters
    ----------
    trials : Table
        trial_id, enrol_id, test_id, target (1, 0 or missing).
    sides_known : iterable of str
    subjects : mapping of str to str, optional
        The subject of each side, as far as it is known.
    """
    known = pd.Index(list(sides_known)).unique()
    both = pd.concat([trials["enrol_id"], trials["test_id"]], ignore_index=True)
    codes, names = pd.factorize(both)
    enrol, test = codes[: len(trials)].astype(np.int64), codes[len(trials) :].astype(np.int64)
    unknown = ~names.isin(known)
    target = trials["target"].to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float64)
    ordered = enrol * len(names) + test
    mirrored = test * len(names) + enrol
    itself = enrol == test
    return TrialAudit(
        trials,
        {
            "unknown_side": unknown[enrol] | unknown[test],
            "contradictory": _contradictory(np.minimum(ordered, mirrored), target),
            "contrary_to_subjects": _contrary(names, enrol, test, target, subjects or {}),
            "self_trial": itself,
            "repeated": _repeated(ordered, target),
            "both_orders": np.isin(ordered, mirrored) & ~itself,
        },
    )


def _contradictory(
    pair: npt.NDArray[np.int64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = np.isin(pair, pair[target == 1]) & np.isin(
        pair, pair[target == 0]
    )
    return found


def _repeated(
    pair: npt.NDArray[np.int64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    labelled_first = np.argsort(np.isnan(target), kind="stable")
    found = np.empty(len(pair), dtype=bool)
    found[labelled_first] = pd.Series(pair[labelled_first]).duplicated().to_numpy()
    return found


def _contrary(
    names: pd.Index[str],
    enrol: npt.NDArray[np.int64],
    test: npt.NDArray[np.int64],
    target: npt.NDArray[np.float64],
    subjects: Mapping[str, str],
) -> npt.NDArray[np.bool_]:
    subject = pd.factorize(pd.Series(names).map(dict(subjects)))[0]  # -1 where unknown
    first, second = subject[enrol], subject[test]
    judged = ~np.isnan(target) & (first >= 0) & (second >= 0)
    contrary: npt.NDArray[np.bool_] = judged & ((first == second) != (target == 1))
    return contrary
