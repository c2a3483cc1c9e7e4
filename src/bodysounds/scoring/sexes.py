"""A filter by sex: sides of different sexes are not of one subject."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from bodysounds.types import Array, Floats, Ints

log = logging.getLogger(__name__)

LOWEST_COSINE = -1.0


def differ(sexes: Array, pairs: Ints) -> Array:
    """Return which pairs are of two known sexes, bool (n_pairs,).

    Parameters
    ----------
    sexes : object array of shape (n_sides,)
        None or NaN where it is not known: such a side differs from none.
    pairs : int64 (n_pairs, 2)
        Rows of sexes.
    """
    codes, _ = pd.factorize(np.asarray(sexes, dtype=object))
    first, second = codes[pairs].reshape(-1, 2).T
    different: Array = (first >= 0) & (second >= 0) & (first != second)
    return different


def learn_sexes(embeddings: Floats, sexes: Array, subjects: Array) -> Any:
    """Return a logistic classifier of sex, learnt from train sides, their subjects weighing alike.

    Parameters
    ----------
    embeddings : float32 (n_sides, dim)
        Standardised by those of known sex.
    sexes : object array of shape (n_sides,)
        Sides of an unknown one, None or NaN, are left out.
    subjects : array of shape (n_sides,)
        A name each.

    Raises ValueError where fewer than two sexes are known.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = pd.notna(np.asarray(sexes, dtype=object))
    told, names = sexes[known].astype(str), subjects[known].astype(str)
    found = np.unique(told)
    if len(found) < 2:
        only = f"only {str(found[0])!r}" if len(found) else "none"
        raise ValueError(
            f"score_pairs.sex_filter: classifier learns from train sides of two sexes, and the "
            f"manifest names {only} among the {len(sexes):,} of the cohort: give their sex, raise "
            "cohort_subjects, or set sex_filter to null"
        )
    _, place, counts = np.unique(names, return_inverse=True, return_counts=True)
    weight = 1.0 / counts[place]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    return model.fit(
        embeddings[known].astype(np.float64),
        told,
        standardscaler__sample_weight=weight,
        logisticregression__sample_weight=weight,
    )


def sure_sexes(model: Any, embeddings: Floats, certainty: float) -> Array:
    """Return the sex of each side, object (n_sides,); None where its probability isn't above it."""
    if not len(embeddings):
        return np.empty(0, dtype=object)
    probability = model.predict_proba(embeddings.astype(np.float64))
    sexes: Array = model.classes_[probability.argmax(axis=1)].astype(object)
    sexes[probability.max(axis=1) <= certainty] = None
    return sexes


def log_accuracy(model: Any, embeddings: Floats, sexes: Array, subjects: Array) -> float | None:
    """Log and return how often the classifier is right of dev sides, their subjects weighing alike.

    None where no side's sex is known. A side without a subject is one of its own.
    """
    known = pd.notna(np.asarray(sexes, dtype=object))
    if not known.any():
        log.info("sex classifier: no dev side has a known sex, its accuracy is not known")
        return None
    right = model.predict(embeddings[known].astype(np.float64)) == sexes[known].astype(str)
    codes, named = pd.factorize(np.asarray(subjects[known], dtype=object))
    alone = codes < 0
    codes[alone] = len(named) + np.arange(alone.sum())
    of_subject = np.bincount(codes, right) / np.bincount(codes)
    log.info(
        "sex classifier: right for %.1f%% of %d dev sides of %d subjects of known sex, subjects "
        "weighed alike",
        100 * of_subject.mean(), known.sum(), len(of_subject),
    )  # fmt: skip
    return float(of_subject.mean())


def set_lowest(
    cosine: Floats, normalised: Floats, lowest: Array, is_dev: Array
) -> tuple[Floats, Floats]:
    """Return cosines and normalised scores in which the pairs of `lowest` lie below all others.

    Parameters
    ----------
    cosine, normalised : float64 (n_trials,)
    lowest : bool (n_trials,)
        Their cosine becomes -1. Their normalised score becomes the lowest of the others less the
        range of the others and 1; where it was NaN it stays so.
    is_dev : bool (n_trials,)
        For dev that lowest one is dev's own, so that nothing of test reaches dev.
    """
    finite = np.isfinite(normalised)
    kept_cosine, kept = cosine.copy(), normalised.copy()
    kept_cosine[lowest] = LOWEST_COSINE
    for mine, seen in ((is_dev, is_dev), (~is_dev, np.ones_like(is_dev))):
        others = normalised[finite & seen & ~lowest]
        low, high = (others.min(), others.max()) if len(others) else (0.0, 0.0)
        kept[lowest & finite & mine] = low - (high - low) - 1.0
    return kept_cosine, kept
