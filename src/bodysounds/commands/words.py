"""What the commands say of scores, probabilities and error rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bodysounds.params.report import ReportParams

FEWEST = ReportParams.min_subjects
"""Rates that stand on fewer subjects say so, as the headline of a run does."""

NO_IDENTITY = "A score says how alike two recordings sound, which is no proof of who made them."

SYNTHETIC = "The model learnt from synthetic sounds: of real ones its answers mean nothing."


def caveats(about: Mapping[str, Any]) -> str:
    """Return what goes with every answer of a bundle, one sentence a line."""
    return f"{NO_IDENTITY}\n{SYNTHETIC}" if about["corpus"].get("synthetic") else NO_IDENTITY


def at_prior(probability: float, prior: float) -> str:
    """Return a probability with the prior that it rests on."""
    return f"probability {share(probability)} at a prior of {share(prior)}"


def abstention(what: str, reason: str) -> str:
    """Return that there is no answer; a reason that names its recording is not named twice."""
    return f"no answer: {reason}" if what in reason else f"{what}: no answer, {reason}"


def rates_on_test(point: Mapping[str, Any]) -> str | None:
    """Return what a bundle's threshold did on the test set, None where that is not known.

    `point` is the operating point of the run.
    """
    test = point.get("test") or {}
    if test.get("far") is None or test.get("frr") is None:
        return None
    accepted = f"{share(test['far'])}{_interval(test, 'far')}"
    refused = f"{share(test['frr'])}{_interval(test, 'frr')}"
    n_subjects = test.get("n_target_subjects", FEWEST)  # older bundles do not say
    few = f" Those are of {n_subjects} (too few to rely on)." if n_subjects < FEWEST else ""
    return (
        f"On the test set this threshold ({point.get('policy')}, chosen on "
        f"{point.get('chosen_on')}) took {accepted} of the pairs of two individuals for one, and "
        f"{refused} of the pairs of one for two.{few}"
    )


def _interval(rates: Mapping[str, Any], name: str) -> str:
    ends = next((own for key, own in rates.items() if key.startswith(f"{name}_ci")), None)
    if not ends or None in ends:
        return ""
    return f" ({share(ends[0])} to {share(ends[1])})"


def share(value: float) -> str:
    """Return a share as percent; none but 0 and 1 themselves are told as 0% and 100%."""
    if 0 < value < 0.001:
        return "below 0.1%"
    if 0.999 < value < 1:
        return "above 99.9%"
    return f"{100 * value:.1f}%".replace(".0%", "%")
