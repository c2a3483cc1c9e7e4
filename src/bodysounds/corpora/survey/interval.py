"""How wide an error rate's interval will be with so many subjects, by simulation."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.stats import norm

from bodysounds.metrics.bootstrap import bootstrap_interval
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.types import Floats, Ints, Metrics

OWN = 0.2
"""Share of a score's variance that is the subject's own: some are harder than others. Assumed, and
chosen while looking at the intervals of docs/results.md: those of donateacry and the demos are 0.8
to 1.3 times as wide as simulated with it, EmoGator's 0.6 to 0.9 times, and those of twelve speakers
of three joined corpora 2.5 times."""
EERS = (0.10, 0.25)
ROUNDS, DRAWS = 8, 150
MOST_RECORDINGS, OTHERS = 8, 100
"""Of a subject: recordings, and non-targets drawn. More of either make it slow."""
HALVED = 4
"""Times as many subjects halve an interval: it shrinks with the root of their number."""
LEAST_SUBJECTS = 5


def expected_interval(recordings: Ints, eer: float, seed: int = 0) -> tuple[float, float]:
    """Return the typical 95% interval of an EER with these test subjects.

    Parameters
    ----------
    recordings : int array of shape (n_subjects,)
        Recordings of each test subject.
    eer : float in (0, 0.5)
        What the system truly has.

    Scores are Gaussian with that EER; `OWN` of their variance is the subjects' own (an assumption).
    Test sets are simulated, each gets its interval by the project's bootstrap over subjects, and
    low and high lie as far from `eer` as theirs from their own on average. Raises ValueError for
    fewer than 5 subjects with two recordings.
    """
    counts = np.minimum(np.asarray(recordings), MOST_RECORDINGS)
    if int((counts >= 2).sum()) < LEAST_SUBJECTS:
        raise ValueError(
            f"{int((counts >= 2).sum())} test subjects have two recordings, and an interval takes "
            f"{LEAST_SUBJECTS}"
        )
    rng = np.random.default_rng(seed)
    ends = []
    for _ in range(ROUNDS):
        labels, scores, first, second = _simulated(counts, eer, rng)
        drawn = int(rng.integers(2**31))
        between = bootstrap_interval(
            labels, scores, first, second, "eer", n=DRAWS, method="beta", seed=drawn
        )
        ends.append(np.asarray(between) - equal_error_rate(labels, scores)[0])
    low, high = eer + np.mean(ends, axis=0)
    return max(0.0, float(low)), min(1.0, float(high))


def _simulated(
    counts: Ints, eer: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Ints, Ints]:
    """Return labels, scores and the subjects of both sides of a simulated test."""
    subject = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    same = np.asarray(
        [
            (start + a, start + b)
            for start, count in zip(starts.tolist(), counts.tolist(), strict=True)
            for a, b in itertools.combinations(range(count), 2)
        ]
    )
    drawn = rng.integers(0, len(subject), (OTHERS * len(counts), 2))
    drawn = drawn[subject[drawn[:, 0]] != subject[drawn[:, 1]]]
    first, second = subject[np.concatenate([same, drawn])].T
    target = first == second
    own, others = rng.standard_normal((2, len(counts)))
    effect = np.where(target, own[first], (others[first] + others[second]) / np.sqrt(2))
    noise = rng.standard_normal(len(first))
    distance = -2 * norm.ppf(eer)
    scores = distance * target + np.sqrt(OWN) * effect + np.sqrt(1 - OWN) * noise
    return target.astype(np.float64), scores, first, second


def interval_facts(recordings: Ints, test_share: float, seed: int = 0) -> Metrics:
    """Return the intervals to expect of EERs of 10% and 25%, and how many subjects halve them.

    {"test_subjects", "with_two", "assumed", "expected": [{"eer", "ci95", "halved_by_subjects"}]};
    with_two is how many of them have two recordings, halved_by_subjects is of all subjects of the
    corpus, of which `test_share` are tested. {} for fewer than 5 test subjects with two recordings.
    """
    counts = np.sort(np.asarray(recordings))
    if int((counts >= 2).sum()) < LEAST_SUBJECTS:
        return {}
    expected = []
    for eer in EERS:
        low, high = expected_interval(counts, eer, seed)
        total = round(HALVED * len(counts) / max(test_share, 0.01))
        expected.append({"eer": eer, "ci95": [low, high], "halved_by_subjects": total})
    told = {"test_subjects": len(counts), "with_two": int((counts >= 2).sum())}
    return {**told, "assumed": OWN, "expected": expected}
