"""Which classes a training evens out, and by what it chooses an epoch."""

from __future__ import annotations

import numpy as np

from bodysounds.params.train_base import TrainBaseParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.training.classifier_examples import Examples
from bodysounds.types import Ints


def metadata_columns(params: TrainBaseParams) -> list[str]:
    """Return the columns of the examples whose combination a contrastive head learns."""
    if isinstance(params, TrainRespiratoryParams) and params.method == "mscl":
        return list(params.metadata)
    return []


def strata(params: TrainBaseParams, labels: list[str]) -> Ints:
    """Return the stratum of each class, int64 (n_classes,): what weights and balance even out.

    Each class is one; by `weigh: score` the negative class is one, and all others are another.
    """
    if isinstance(params, TrainRespiratoryParams) and params.weigh == "score":
        check_negative(params, labels, "weigh is score")
        return np.array([int(label != params.negative) for label in labels], dtype=np.int64)
    return np.arange(len(labels), dtype=np.int64)


def check_choice(params: TrainBaseParams, dev: Examples, labels: list[str]) -> None:
    """Raise ValueError where `choose: dev_score` has no cycles with, or none without, a finding."""
    if not isinstance(params, TrainRespiratoryParams) or params.choose != "dev_score":
        return
    check_negative(params, labels, "choose is dev_score")
    negatives = int((dev.labels == labels.index(params.negative)).sum())
    if negatives in (0, len(dev.labels)):
        raise ValueError(
            f"{negatives} of dev's {len(dev.labels)} cycles are {params.negative!r}, and the score "
            "needs cycles with a finding and without: raise the share of dev, or choose by dev_loss"
        )


def check_negative(params: TrainRespiratoryParams, labels: list[str], why: str) -> None:
    """Raise ValueError where the negative class is none of train's, or all of it."""
    if params.negative not in labels:
        raise ValueError(
            f"{params.stage}.{why}, and no cycle of train is {params.negative!r} (there are "
            f"{', '.join(labels)}): name the class without a finding in {params.stage}.negative"
        )


def score(hits: Ints, labels: Ints, negative: int) -> float:
    """Return the mean of specificity and sensitivity, NaN where one of them has no cycle.

    `hits` (n,) says whether each cycle was given its class; sensitivity is the share of hits among
    all cycles of any other class than the negative one, which is its exact definition.
    """
    quiet = labels == negative
    if not 0 < int(quiet.sum()) < len(labels):
        return float("nan")
    return float((hits[quiet].mean() + hits[~quiet].mean()) / 2)
