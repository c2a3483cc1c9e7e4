"""Searching a gallery: how errors grow with the number of people that are searched.

One probe is compared with a gallery of N enrolled people (the terms are those of NIST's 1:N
evaluations: Grother, Ngan and Hanaoka, NISTIR 8271). Nothing is drawn at random: over all
galleries of N of the people scored, each chance is a ratio of binomial coefficients.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from bodysounds.reporting.extremes import with_extremes
from bodysounds.reporting.probes import Searches, searches
from bodysounds.reporting.trial_table import trial_table
from bodysounds.types import Array, Floats, Ints, Metrics, Table

log = logging.getLogger(__name__)

RATES = ("fpir", "rank1", "fnir")
COLUMNS = (
    "gallery_size", *(name + end for name in RATES for end in ("", "_low", "_high")),
    "n_probes", "n_mated", "n_subjects",
)  # fmt: skip
NEARLY_ALL = 0.9
"""Share of the enrolled people whom a probe must be scored against, and of such probes."""
FEWEST = 3
"""People: a probe's own, another to find, and one more whom the interval leaves out."""


def gallery_curve(
    scores: Table,
    trials: Table,
    sides: Table,
    manifest: Table,
    metrics: Metrics,
    operating_point: Metrics,
    level: float = 0.95,
) -> Table:
    """Return the errors of searching galleries of 1, 2, 5, 10, ... people, on the headline's pairs.

    A row a gallery_size N. fpir: chance that a probe whose person is not enrolled finds one of N
    others at or above the threshold (false positive identification). rank1: chance that a probe
    scores its own person above each of N - 1 others. fnir: chance that it does not, or that its own
    person is below the threshold (false negative identification). Each comes with its interval
    (`_low`, `_high`) over subjects; n_probes, n_mated (probes whose person is enrolled) and
    n_subjects (of the probes) count what stands behind it. A person enrolled by several sides
    counts by the best. The table is empty, and the reason logged, where there are fewer than three
    people, or the trials are not nearly all pairs of a probe and an enrolled person.
    """
    head = metrics["headline"]
    joined = trial_table(scores, trials, sides, manifest, str(operating_point["score"]))
    chosen = joined.select(str(head["subset"]), str(head["condition"]))
    threshold = float(operating_point["threshold"])
    found = searches(chosen, chosen.scores[str(operating_point["system"])], threshold)
    alone = found.pool < FEWEST - 1
    if (~alone).mean() < NEARLY_ALL:
        log.info(
            "no gallery curve: %d of %d probes could meet fewer than %d people other than their "
            "own; it needs at least %d people who are compared with each other",
            int(alone.sum()), len(alone), FEWEST - 1, FEWEST,
        )  # fmt: skip
        return _no_curve()
    full = ~alone & (found.others >= NEARLY_ALL * found.pool)
    if full.mean() < NEARLY_ALL:
        log.info(
            "no gallery curve: %d of %d probes are scored against nearly all enrolled people; it "
            "needs all pairs (no split.max_trials, no list of chosen trials)",
            int(full.sum()), len(full),
        )  # fmt: skip
        return _no_curve()
    kept = found.only(full)
    # one person fewer must still fill the largest gallery, for the interval
    sizes = gallery_sizes(int(kept.others.min()) - 1)
    table = pd.DataFrame({"gallery_size": sizes})
    for name, (rates, low, high) in rates_with_intervals(kept, threshold, sizes, level).items():
        table[name], table[f"{name}_low"], table[f"{name}_high"] = rates, low, high
    return table.assign(
        n_probes=len(kept.others),
        n_mated=int((~np.isnan(kept.mate)).sum()),
        n_subjects=len(np.unique(kept.subject)),
    )[list(COLUMNS)]


def _no_curve() -> Table:
    return pd.DataFrame({name: pd.Series([], dtype="float64") for name in COLUMNS})


def why_no_gallery(metrics: Metrics) -> str:
    """Return what kept `gallery_curve` from a curve, as part of a sentence."""
    n_subjects = metrics[metrics["headline"]["subset"]]["ours"]["n_subjects"]
    if n_subjects < FEWEST:
        return f"a search needs at least {FEWEST} people, and the pairs are of {n_subjects}"
    return f"the trials are not nearly all pairs of at least {FEWEST} people"


def rates_with_intervals(
    found: Searches, threshold: float, sizes: Ints, level: float
) -> dict[str, tuple[Floats, Floats, Floats]]:
    """Return each rate, and the ends of its interval, by gallery size; NaN where no probe counts.

    The interval is normal, from the jackknife: each subject is left out in turn, as a probe and of
    the gallery (Efron and Stein, "The jackknife estimate of variance", Annals of Statistics 1981).
    A bootstrap would fill galleries with copies of the people drawn, and so shrink them.
    """
    from scipy.stats import norm

    deviations = float(norm.ppf((1 + level) / 2))
    n, above, beaten = found.others, found.above, found.beaten
    full = probe_rates(n, above, beaten, found.mate, threshold, sizes)
    # one person fewer in the gallery, who was or was not one of those in the way
    missed = probe_rates(n - 1, above, beaten, found.mate, threshold, sizes)
    fewer_above, fewer_beaten = np.maximum(above - 1, 0), np.maximum(beaten - 1, 0)
    hit = probe_rates(n - 1, fewer_above, fewer_beaten, found.mate, threshold, sizes)
    told = {}
    for name in RATES:
        flag = found.is_above if name == "fpir" else found.is_beaten
        values = full[name]
        counted = ~np.isnan(values[:, 0])
        if not counted.any():
            nothing = np.full(len(sizes), np.nan)
            told[name] = (nothing, nothing, nothing)
            continue
        rate = values[counted].mean(axis=0)
        error = _jackknife_error(found, values, missed[name], hit[name], flag)
        n_subjects = len(np.unique(found.subject[counted]))
        ends = [
            with_extremes(float(r), [max(0.0, r - e), min(1.0, r + e)], n_subjects, level)
            for r, e in zip(rate, deviations * error, strict=True)
        ]
        low, high = np.array(ends, dtype=np.float64).T
        if name == "rank1":
            low[sizes == 1] = 1.0  # alone in the gallery, by definition
        told[name] = (rate, low, high)
    return told


def _jackknife_error(
    found: Searches, full: Floats, missed: Floats, hit: Floats, flag: Array
) -> Floats:
    """Return the standard error of the mean over probes, by gallery size; NaN for two subjects."""
    counted = ~np.isnan(full[:, 0])
    full, missed, hit = (np.where(counted[:, None], each, 0.0) for each in (full, missed, hit))
    people = np.unique(np.concatenate([found.subject, found.person]))
    size = int(people.max()) + 1
    left = counted.sum() - np.bincount(found.subject, counted, minlength=size)[people]
    if (left == 0).any():
        return np.full(full.shape[1], np.nan)
    errors = []
    for whole, without, freed in zip(full.T, missed.T, hit.T, strict=True):
        own = np.bincount(found.subject, whole, minlength=size)
        change = np.where(flag, freed[found.probe], without[found.probe]) - whole[found.probe]
        moved = np.bincount(found.person, change, minlength=size)
        means = (whole.sum() - own[people] + moved[people]) / left
        share = (len(people) - 1) / len(people)
        errors.append(np.sqrt(share * np.sum((means - means.mean()) ** 2)))
    return np.array(errors)


def probe_rates(
    others: Ints, above: Ints, beaten: Ints, mate: Floats, threshold: float, sizes: Ints
) -> dict[str, Floats]:
    """Return each rate of each probe, float64 (n_probes, n_sizes).

    The arguments are of shape (n_probes,), as in `Searches`. NaN in rank1 and fnir where a probe
    has no mate.
    """
    first = chance_of_none(others, beaten, sizes - 1)
    first[np.isnan(mate)] = np.nan
    return {
        "fpir": 1 - chance_of_none(others, above, sizes),
        "rank1": first,
        "fnir": 1 - np.where((mate < threshold)[:, None], 0.0, first),
    }


def chance_of_none(total: Ints, marked: Ints, drawn: Ints) -> Floats:
    """Return the chance that `drawn` of `total`, without replacement, hold none of the `marked`.

    C(total - marked, drawn) / C(total, drawn); total and marked are of shape (n,), drawn (m,) is at
    most the least total. Returns float64 (n, m).
    """
    from scipy.special import gammaln

    n, k = np.asarray(total, np.float64)[:, None], np.asarray(marked, np.float64)[:, None]
    size = np.asarray(drawn, np.float64)[None, :]
    enough = n - k >= size
    left = np.where(enough, n - k - size, 0.0)
    logs = gammaln(n - k + 1) - gammaln(left + 1) - gammaln(n + 1) + gammaln(n - size + 1)
    # without a marked one the chance is 1, which the sum of logarithms only comes near to
    chances: Floats = np.where(k == 0, 1.0, np.where(enough, np.exp(np.minimum(logs, 0.0)), 0.0))
    return chances


def gallery_sizes(largest: int) -> Ints:
    """Return 1, 2, 5, 10, 20, 50, ... below `largest`, and `largest` itself."""
    steps = [digit * 10**power for power in range(len(str(largest))) for digit in (1, 2, 5)]
    return np.array([*(size for size in steps if size < largest), largest], dtype=np.int64)
