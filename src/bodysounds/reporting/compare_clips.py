"""Two classification runs on the clips that both rated: rates, and their paired differences."""

from __future__ import annotations

import numpy as np

from bodysounds.params.report_classes import ReportClassesParams
from bodysounds.reporting.class_rating import FEW, ClassRating
from bodysounds.reporting.compare_pairs import RUNS, paired, under
from bodysounds.types import Floats, Metrics, Table

RECALL = "recall of "


def clip_rates(
    clips: Table, condition: str, headline: str, params: ReportClassesParams
) -> tuple[list[Metrics], Metrics]:
    """Return the rates of two runs on common clips, the headlined one first, and the counts.

    `clips` has segment_id, label, group, and condition, predicted and rank of each run as
    predicted_first and so on. Rates are as those of `bodysounds.reporting.compare_pairs`, the
    intervals over resampled groups. Where there are few classes, the recall of each comes last.
    """
    kept = clips[under(clips, condition)]
    kept = kept.sort_values("segment_id", kind="stable")
    counts = {"n": len(kept), "n_groups": int(kept["group"].nunique())}
    if not len(kept):
        return [], counts
    systems = {
        run: kept.rename(columns={f"{name}_{run}": name for name in ("predicted", "rank")})
        for run in RUNS
    }
    classes = sorted({*kept["label"], *kept["predicted_first"], *kept["predicted_second"]})
    rating = ClassRating(systems, kept["group"].to_numpy(object), classes, params)
    names = dict.fromkeys([headline, *(name for name in rating.rates if name != "top5")])
    return [_rate(rating, name) for name in names] + _recalls(rating), counts


def _rate(rating: ClassRating, name: str) -> Metrics:
    values = [rating.rate(run, name) for run in RUNS]
    drawn = [rating.drawn(run, name) for run in RUNS]
    return paired(name, values, drawn, rating.params.level)


def _recalls(rating: ClassRating) -> list[Metrics]:
    """Return how much of each class both got right, of few classes."""
    table = rating.systems["first"]
    labels = table["label"].to_numpy(object)
    present = sorted(set(labels))
    if len(present) > FEW:
        return []
    right = {run: rating.correct(run) for run in RUNS}
    found = []
    for label in present:
        own = labels == label
        values = [float(right[run][own].mean()) for run in RUNS]
        draws: list[Floats | None] = [None, None]
        if rating.draws is not None:
            sums = [rating.draws.means(own & right[run]) for run in RUNS]
            with np.errstate(invalid="ignore", divide="ignore"):
                draws = [part / rating.draws.means(own) for part in sums]
        found.append(paired(f"{RECALL}{label}", values, draws, rating.params.level))
    return found
