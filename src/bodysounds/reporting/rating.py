"""One system on one selection of trials: rates, intervals, and what the draws are worth later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bodysounds.metrics.intervals import normal_interval
from bodysounds.metrics.resampling import TooFewSubjectsError
from bodysounds.metrics.verification import (
    act_dcf,
    auc,
    cllr,
    equal_error_rate,
    min_cllr,
    min_dcf,
)
from bodysounds.params import ReportParams
from bodysounds.reporting.plain import eer_interval, plain
from bodysounds.reporting.rates import rates_with_intervals
from bodysounds.reporting.trial_table import Selection
from bodysounds.types import Floats, Metrics

WEIGHTINGS = ("trial", "subject")


@dataclass(frozen=True)
class Rating:
    """The systems of one selection, rated over one set of draws."""

    selection: Selection
    params: ReportParams
    costs: Mapping[str, float]
    """p_target, c_miss and c_fa of the detection costs."""
    _draws: dict[tuple[str, str], Floats | None] = field(default_factory=dict, repr=False)

    def weights(self, weighting: str) -> Floats | None:
        """Return the weights of the trials, None where all weigh 1."""
        own = self.selection.subject_weights if weighting == "subject" else None
        return None if own is None or np.allclose(own, 1, rtol=1e-12) else own

    def eer(self, system: str, weighting: str) -> float:
        """Return the EER of a system."""
        chosen = self.selection
        return equal_error_rate(chosen.labels, chosen.scores[system], self.weights(weighting))[0]

    def draws_of(self, scores: Floats, weighting: str) -> Floats | None:
        """Return the EER of each draw, None where there are too few subjects to draw."""
        try:
            sample = self.selection.resampler(self.params.n_bootstrap, self.params.seed)
        except TooFewSubjectsError:
            return None
        return sample.draws(scores, "eer", self.weights(weighting))

    def draws(self, system: str, weighting: str) -> Floats | None:
        # where every trial weighs 1 both weightings are one
        key = system, "trial" if self.weights(weighting) is None else weighting
        if key not in self._draws:
            self._draws[key] = self.draws_of(self.selection.scores[system], weighting)
        return self._draws[key]

    def interval(self, system: str, weighting: str) -> list[float | None] | None:
        """Return [low, high] of a system's EER, None without draws."""
        draws = self.draws(system, weighting)
        counts, level = self.selection.counts, self.params.level
        return eer_interval(self.eer(system, weighting), draws, counts, level)

    def entry(self, system: str, threshold: float | None = None) -> Metrics:
        """Return the numbers of a system; null where the selection lacks one of the classes.

        The threshold is the system's own; that of ours is the operating point's.
        """
        chosen = self.selection
        if not chosen.rateable:
            names = ("eer", "eer_ci95", "min_dcf", "act_dcf", "cllr", "min_cllr", "auc")
            by_subject = dict.fromkeys(("eer", "eer_ci95", "min_dcf"))
            ends = {"by_subject": by_subject, "normalised": None}
            thresholds = dict.fromkeys(("at_threshold", "at_own_threshold"))
            return {**dict.fromkeys(names), **chosen.counts, **thresholds, **ends}
        scores = chosen.scores[system]
        rates = None if threshold is None else self.rates(system, threshold)
        return {
            "eer": plain(self.eer(system, "trial")),
            "eer_ci95": self.interval(system, "trial"),
            "min_dcf": plain(self.min_dcf(scores, "trial")),
            **self.calibration(system),
            "min_cllr": plain(min_cllr(chosen.labels, scores)),
            "auc": plain(auc(chosen.labels, scores)),
            **chosen.counts,
            "at_threshold": rates if system == "ours" else None,
            "at_own_threshold": rates and {"threshold": threshold, **rates},
            "by_subject": {
                "eer": plain(self.eer(system, "subject")),
                "eer_ci95": self.interval(system, "subject"),
                "min_dcf": plain(self.min_dcf(scores, "subject")),
            },
            "normalised": self.normalised(system),
        }

    def rates(self, system: str, threshold: float) -> Metrics:
        """Return the rates of a system at a threshold with their intervals, by pair."""
        params = self.params
        return rates_with_intervals(
            self.selection,
            self.selection.scores[system],
            threshold,
            n=params.n_bootstrap,
            seed=params.seed,
            level=params.level,
        )

    def min_dcf(self, scores: Floats, weighting: str) -> float:
        """Return the normalised minDCF at the costs of the operating point."""
        return min_dcf(self.selection.labels, scores, **self.costs, weights=self.weights(weighting))

    def calibration(self, system: str) -> Metrics:
        """Return actDCF and Cllr of the calibrated scores, None where there are none."""
        llrs = self.selection.llrs.get(system)
        if llrs is None:
            return {"act_dcf": None, "cllr": None}
        labels = self.selection.labels
        return {
            "act_dcf": plain(act_dcf(labels, llrs, **self.costs)),
            "cllr": plain(cllr(labels, llrs)),
        }

    def normalised(self, system: str) -> Metrics | None:
        """Return EER, its interval and minDCF of the normalised scores, None where none are."""
        scores = self.selection.normalised.get(system)
        if scores is None:
            return None
        draws = self.draws_of(scores, "trial")
        eer = equal_error_rate(self.selection.labels, scores)[0]
        return {
            "eer": plain(eer),
            "eer_ci95": eer_interval(eer, draws, self.selection.counts, self.params.level),
            "min_dcf": plain(self.min_dcf(scores, "trial")),
        }

    def entries(self, thresholds: Mapping[str, float] | None = None) -> Metrics:
        """Return the entry of every system, each at its own threshold where there are some."""
        own = thresholds or {}
        return {system: self.entry(system, own.get(system)) for system in self.selection.scores}

    def comparisons(self) -> dict[str, dict[str, Metrics | None]]:
        """Return, for each baseline and weighting, how much lower or higher the EER of ours is."""
        return {
            system: {weighting: self.comparison(system, weighting) for weighting in WEIGHTINGS}
            for system in self.selection.scores
            if system != "ours"
        }

    def comparison(self, system: str, weighting: str) -> Metrics | None:
        """Return EER of `ours` minus that of a system, with its paired interval."""
        if not self.selection.rateable:
            return None
        difference = self.eer("ours", weighting) - self.eer(system, weighting)
        ours, other = self.draws("ours", weighting), self.draws(system, weighting)
        if ours is None or other is None:
            return {"difference": plain(difference), "ci95": None, "excludes_zero": None}
        low, high = normal_interval(difference, ours - other, self.params.level)
        return {
            "difference": plain(difference),
            "ci95": [plain(low), plain(high)],
            "excludes_zero": bool(low > 0 or high < 0),
        }
