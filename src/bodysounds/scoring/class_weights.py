"""How much an example of each class weighs in a fit."""

from __future__ import annotations

from collections.abc import Mapping


def class_weights(
    counts: Mapping[str, int], weigh: str = "classes", negative: str | None = None
) -> dict[str, float]:
    """Return the weight of an example of each class that has some; the mean over examples is 1.

    Parameters
    ----------
    counts : mapping
        Examples of each class.
    weigh : `classes` or `score`
        `classes`: classes weigh alike in sum. `score`: the class `negative` weighs half in sum, and
        the others together half, each example like any other: what the ICBHI score, the mean of
        specificity and sensitivity, rewards. Where one half has no example, all weigh alike.
    """
    there = {name: n for name, n in counts.items() if n > 0}
    n = sum(there.values())
    if weigh == "classes":
        return {name: n / (len(there) * own) for name, own in there.items()}
    healthy = there.get(negative or "", 0)
    if healthy in (0, n):
        return dict.fromkeys(there, 1.0)
    return {name: n / (2 * (healthy if name == negative else n - healthy)) for name in there}
