"""The systems of a classification on one selection of examples: rates and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bodysounds.metrics.class_areas import drawn_areas
from bodysounds.metrics.classification import class_rates as rates_of
from bodysounds.metrics.classification import confusion_matrix, per_class, tallies
from bodysounds.metrics.groups import GroupDraws, draw_groups
from bodysounds.metrics.intervals import normal_interval, percentile_interval
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.extremes import with_extremes
from bodysounds.reporting.plain import plain
from bodysounds.types import Array, Floats, Metrics, Table

TOP = 5
MOST_LISTED = 50
"""Classes up to which each system's own rates and confusion matrix are listed."""
FEW = 12
"""Classes up to which the rates of each have intervals."""
CLASS_RATES = ("precision", "recall", "f1", "auc", "average_precision")
RATES = ("accuracy", "top5", "balanced_accuracy", "macro_f1")
NAMED_WITHIN_CLASS = "sessions"
"""Groups of this kind are numbered anew in each class; any other name means one group."""


@dataclass(frozen=True)
class ClassRating:
    """The predictions of every system on the same examples."""

    systems: dict[str, Table]
    """Rows of `predictions` by system, in one order of segments."""
    groups: Array
    """What is resampled, such as the session of each row; its recording where that is unknown."""
    classes: Sequence[str]
    params: ReportClassesParams

    @property
    def n(self) -> int:
        """Examples rated."""
        return len(self.groups)

    @cached_property
    def draws(self) -> GroupDraws | None:
        """The resamples that all systems share; None where there are not two groups."""
        if len(set(self.groups)) < 2:
            return None
        return draw_groups(self.groups, n=self.params.n_bootstrap, seed=self.params.seed)

    def correct(self, system: str) -> Array:
        """Return whether each example's class is the most probable, (n,)."""
        found: Array = self.systems[system]["rank"].to_numpy() == 1
        return found

    def entry(self, system: str) -> Metrics:
        """Return the numbers of a system; None, for all of them, where there is no example."""
        counts = {"n": self.n, "n_groups": len(set(self.groups))}
        if not self.n:
            return {**{key: None for rate in RATES for key in (rate, f"{rate}_ci95")}, **counts}
        table = self.systems[system]
        labels, predicted = table["label"].to_numpy(object), table["predicted"].to_numpy(object)
        rates = {name: plain(rate) for name, rate in rates_of(*tallies(labels, predicted)).items()}
        within = table["rank"].to_numpy() <= TOP
        rates["top5"] = float(within.mean()) if len(self.classes) > TOP else None
        found: Metrics = {}
        drawn = self.draws.class_rates(labels, predicted) if self.draws else {}
        if self.draws and rates["top5"] is not None:
            drawn["top5"] = self.draws.means(within)
        for name in RATES:
            found[name] = rates[name]
            found[f"{name}_ci95"] = self._interval(name, rates[name], drawn.get(name))
        listed = len(self.classes) <= MOST_LISTED
        details = per_class(labels, predicted, self.classes, self.probabilities(system))
        if len(self.classes) <= FEW:
            self._add_intervals(details, system)
        return {
            **found,
            **counts,
            "n_classes": len(set(labels)),
            "per_class": details if listed or system == "ours" else None,
            "confusion": confusion_matrix(labels, predicted, self.classes).astype(int).tolist()
            if listed
            else None,
        }

    def alone(
        self, system: str, chance: float | None, ours: float | None, n: int, name: str = "accuracy"
    ) -> Metrics:
        """Return a rate, its interval and whether a property is flagged; `n` are audited."""
        rate = plain(self.rate(system, name))
        drawn = self.drawn(system, name)
        flagged = False
        if drawn is not None and None not in (rate, chance, ours):
            level = 1 - (1 - self.params.level) / n
            low = percentile_interval(drawn, level)[0]
            flagged = low > (chance or 0) and (rate or 0) >= (ours or 0) / 2
        return {name: rate, f"{name}_ci95": self._interval(name, rate, drawn), "flagged": flagged}

    def comparison(self, system: str, name: str = "accuracy") -> Metrics:
        """Return a rate of ours minus that of a system, with its paired interval."""
        difference = self.rate("ours", name) - self.rate(system, name)
        ours, other = self.drawn("ours", name), self.drawn(system, name)
        if ours is None or other is None:
            return {"difference": difference, "ci95": None, "excludes_zero": None}
        ends = normal_interval(difference, ours - other, self.params.level)
        low, high = (float(end) for end in np.clip(ends, -1.0, 1.0))
        excludes = low > 0 or high < 0
        between = [plain(low), plain(high)]
        return {"difference": difference, "ci95": between, "excludes_zero": excludes}

    def rate(self, system: str, name: str) -> float:
        """Return accuracy, balanced_accuracy or macro_f1 of a system."""
        if name == "accuracy":
            return float(self.correct(system).mean())
        table = self.systems[system]
        labels, predicted = table["label"].to_numpy(object), table["predicted"].to_numpy(object)
        return float(rates_of(*tallies(labels, predicted))[name])

    def drawn(self, system: str, name: str) -> Floats | None:
        """Return a rate of a system in each draw, float64 (n_draws,); None without draws."""
        if self.draws is None:
            return None
        if name == "accuracy":
            return self.draws.means(self.correct(system))
        table = self.systems[system]
        labels, predicted = table["label"].to_numpy(object), table["predicted"].to_numpy(object)
        return self.draws.class_rates(labels, predicted)[name]

    def probabilities(self, system: str) -> Floats | None:
        """Return the probability of each class, float64 (n, n_classes); None where not kept."""
        names = [f"p_{name}" for name in self.classes]
        table = self.systems[system]
        if not set(names) <= set(table):
            return None
        return table[names].to_numpy(np.float64)

    def _add_intervals(self, details: dict[str, Metrics], system: str) -> None:
        """Add `<rate>_ci95` to each class's rates."""
        table = self.systems[system]
        labels, predicted = table["label"].to_numpy(object), table["predicted"].to_numpy(object)
        probabilities = self.probabilities(system)
        for k, name in enumerate(self.classes):
            own, said = labels == name, predicted == name
            drawn: dict[str, Floats] = {}
            if self.draws:
                drawn = self._drawn_class(own, said)
                if probabilities is not None and 0 < own.sum() < self.n:
                    areas = probabilities[:, k]
                    drawn |= drawn_areas(own, areas, self.draws.codes, self.draws.counts)
            behind = {"precision": said, "auc": own if own.sum() < (~own).sum() else ~own}
            for rate in CLASS_RATES:
                value, draws = details[name][rate], drawn.get(rate)
                between = None
                if value is not None and draws is not None:
                    low, high = percentile_interval(draws, self.params.level)
                    ends = [plain(min(low, value)), plain(max(high, value))]
                    n = max(1, len(set(self.groups[behind.get(rate, own)])))
                    between = with_extremes(value, ends, n, self.params.level)
                details[name][f"{rate}_ci95"] = between

    def _drawn_class(self, own: Array, said: Array) -> dict[str, Floats]:
        """Return precision, recall and f1 of a class in each draw, NaN where undefined."""
        assert self.draws is not None
        hits, support, predicted = (
            self.draws.counts @ np.bincount(self.draws.codes, values, self.draws.n_groups)
            for values in ((own & said).astype(float), own.astype(float), said.astype(float))
        )
        with np.errstate(invalid="ignore"):
            return {
                "precision": hits / predicted,
                "recall": hits / support,
                "f1": np.where(support > 0, 2 * hits / (support + predicted), np.nan),
            }

    def _interval(
        self, name: str, rate: float | None, drawn: Floats | None
    ) -> list[float | None] | None:
        if drawn is None or rate is None:
            return None
        if name in ("accuracy", "top5"):
            low, high = percentile_interval(drawn, self.params.level)
        else:
            # a draw lacks some classes, which moves the middle of these, hardly their width
            low, high = np.clip(normal_interval(rate, drawn, self.params.level), 0.0, 1.0)
        ends = [plain(low), plain(high)]
        return with_extremes(rate, ends, len(set(self.groups)), self.params.level)


def groups_of(
    predictions: Table, examples: Table, groups_are: str = NAMED_WITHIN_CLASS
) -> pd.Series[str]:
    """Return the session_id of each prediction, or else its recording.

    Sessions are told apart by class; a source, or whatever else `groups_are`, may be of several.
    """
    told = examples.set_index("segment_id").loc[predictions["segment_id"]]
    session = told["session_id"].astype(object)
    own = session.where(session.notna(), "")
    if groups_are == NAMED_WITHIN_CLASS:
        own = told["label"].astype(object) + "\n" + own
    groups = own.where(session.notna(), told["recording_id"].astype(object))
    return pd.Series(groups.to_numpy(object), predictions.index)


def resampled(predictions: Table, examples: Table, groups_are: str = NAMED_WITHIN_CLASS) -> str:
    """Return what `groups_of` are, as text."""
    chosen = examples["segment_id"].isin(predictions["segment_id"])
    known = examples.loc[chosen, "session_id"].notna()
    if known.all():
        return groups_are
    return f"{groups_are}, and recordings where unknown" if known.any() else "recordings"


def rating(
    predictions: Table,
    examples: Table,
    classes: Sequence[str],
    params: ReportClassesParams,
    groups_are: str = NAMED_WITHIN_CLASS,
) -> ClassRating:
    """Return the rating of a selection of predictions, equally many rows a system."""
    ordered = predictions.sort_values("segment_id", kind="stable")
    systems = {
        str(name): part.reset_index(drop=True)
        for name, part in ordered.groupby("system", sort=False)
    }
    first = next(iter(systems.values()), predictions)
    groups = groups_of(first, examples, groups_are).to_numpy(object)
    return ClassRating(systems, groups, classes, params)
