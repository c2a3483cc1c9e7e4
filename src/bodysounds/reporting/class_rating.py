"""The systems of a classification on one selection of examples: rates and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bodysounds.metrics.class_areas import drawn_areas
from bodysounds.metrics.classification import class_rates as rates_of
from bodysounds.metrics.classification import confusion_matrix, per_class, tallies
from bodysounds.metrics.groups import GroupDraws, draw_groups
from bodysounds.metrics.intervals import normal_interval, percentile_interval
from bodysounds.metrics.respiratory import SCORE_RATES, drawn_scores, score_rates
from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_groups import NAMED_WITHIN_CLASS, groups_of
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
    def rates(self) -> tuple[str, ...]:
        """Names of the rates that an entry has, of one class against the others aside."""
        return RATES if self.params.negative is None else (*RATES, *SCORE_RATES)

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
            keys = {key: None for rate in self.rates for key in (rate, f"{rate}_ci95")}
            return {**keys, **counts}
        labels, predicted = self._said(system)
        rates = {name: plain(rate) for name, rate in rates_of(*tallies(labels, predicted)).items()}
        within = self.systems[system]["rank"].to_numpy() <= TOP
        rates["top5"] = float(within.mean()) if len(self.classes) > TOP else None
        found: Metrics = {}
        drawn = self.draws.class_rates(labels, predicted) if self.draws else {}
        if self.draws and rates["top5"] is not None:
            drawn["top5"] = self.draws.means(within)
        if self.params.negative is not None:
            rates |= score_rates(labels, predicted, self.params.negative)
            drawn |= self._drawn_scores(system)
        for name in self.rates:
            found[name] = rates[name]
            found[f"{name}_ci95"] = self._interval(name, rates[name], drawn.get(name), labels)
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
        if drawn is not None and rate is not None and chance is not None and ours is not None:
            level = 1 - (1 - self.params.level) / n
            low = percentile_interval(drawn, level)[0]
            # naming every cycle normal has half of any Score: what counts is the gain over it
            floor = chance if name in SCORE_RATES else 0.0
            flagged = low > chance and rate - floor >= (ours - floor) / 2
        return {name: rate, f"{name}_ci95": self.interval(system, name), "flagged": flagged}

    def comparison(self, system: str, name: str = "accuracy", first: str = "ours") -> Metrics:
        """Return a rate of `first` minus that of a system, with its paired interval."""
        difference = self.rate(first, name) - self.rate(system, name)
        own, other = self.drawn(first, name), self.drawn(system, name)
        if own is None or other is None:
            return {"difference": difference, "ci95": None, "excludes_zero": None}
        ends = normal_interval(difference, own - other, self.params.level)
        low, high = (float(end) for end in np.clip(ends, -1.0, 1.0))
        excludes = low > 0 or high < 0
        between = [plain(low), plain(high)]
        return {"difference": difference, "ci95": between, "excludes_zero": excludes}

    def rate(self, system: str, name: str) -> float:
        """Return one of `rates` of a system, but for top5; NaN where it is undefined."""
        if name == "accuracy":
            return float(self.correct(system).mean())
        labels, predicted = self._said(system)
        if name in SCORE_RATES:
            value = score_rates(labels, predicted, str(self.params.negative))[name]
            return float("nan") if value is None else value
        return float(rates_of(*tallies(labels, predicted))[name])

    def drawn(self, system: str, name: str) -> Floats | None:
        """Return a rate of a system in each draw, float64 (n_draws,); None without draws."""
        if self.draws is None:
            return None
        if name == "accuracy":
            return self.draws.means(self.correct(system))
        if name in SCORE_RATES:
            return self._drawn_scores(system)[name]
        labels, predicted = self._said(system)
        return self.draws.class_rates(labels, predicted)[name]

    def interval(self, system: str, name: str) -> list[float | None] | None:
        """Return the interval of one of `rates` of a system; None where too few groups vary it."""
        rate, drawn = plain(self.rate(system, name)), self.drawn(system, name)
        return self._interval(name, rate, drawn, self._said(system)[0])

    def _said(self, system: str) -> tuple[Array, Array]:
        """Return labels and predictions of a system, object (n,) each."""
        table = self.systems[system]
        return table["label"].to_numpy(object), table["predicted"].to_numpy(object)

    def _drawn_scores(self, system: str) -> dict[str, Floats]:
        """Return the rates of the ICBHI Score in each draw; nothing without draws."""
        if self.draws is None:
            return {}
        return drawn_scores(self.draws, *self._said(system), str(self.params.negative))

    def probabilities(self, system: str) -> Floats | None:
        """Return the probability of each class, float64 (n, n_classes); None where not kept."""
        names = [f"p_{name}" for name in self.classes]
        table = self.systems[system]
        if not set(names) <= set(table):
            return None
        return table[names].to_numpy(np.float64)

    def _add_intervals(self, details: dict[str, Metrics], system: str) -> None:
        """Add `<rate>_ci95` to each class's rates."""
        labels, predicted = self._said(system)
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
        self, name: str, rate: float | None, drawn: Floats | None, labels: Array
    ) -> list[float | None] | None:
        if drawn is None or rate is None:
            return None
        if name in ("accuracy", "top5"):
            low, high = percentile_interval(drawn, self.params.level)
        else:
            # a draw lacks some classes, which moves the middle of these, hardly their width
            low, high = np.clip(normal_interval(rate, drawn, self.params.level), 0.0, 1.0)
        n = len(set(self.groups))
        if name in SCORE_RATES:
            normal = labels == self.params.negative
            sides = {"sp": [normal], "se": [~normal], "se_any": [~normal]}
            n = min(len(set(self.groups[own])) for own in sides.get(name, [normal, ~normal]))
            if n < 2:
                return None  # what one patient has does not vary from draw to draw
        return with_extremes(rate, [plain(low), plain(high)], n, self.params.level)


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
