"""Scores, ratios and probabilities of pairs, as a run makes them of its trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder
from bodysounds.params import ScorePairsParams
from bodysounds.scoring.calibration import Calibration, trial_features
from bodysounds.scoring.cohort import cohort_rows, cohort_subjects
from bodysounds.scoring.modes import embed_in_mode
from bodysounds.scoring.normalise import as_norm, cohort_means
from bodysounds.sides import SideTable

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


def cohort_of(
    encoder: Encoder, packed: Packed, side_table: SideTable, params: ScorePairsParams
) -> Float32s | None:
    """Return the mean embedding of each subject of the cohort, float32 (n, dim), of unit length.

    None where train has fewer than two known subjects.
    """
    rows = cohort_rows(side_table, params.cohort_subjects, params.seed)
    if not len(rows):
        return None
    heard = embed_in_mode(params.embed, encoder, packed, side_table, rows, params, progress=True)
    return cohort_means(heard, cohort_subjects(side_table, rows))


def pair_scores(
    probe: Float32s, references: Float32s, cohort: Float32s | None, top_k: int
) -> Float64s:
    """Return the score of a probe with each reference, float64 (n,).

    Parameters
    ----------
    probe : float32 (dim,), of unit length
    references : float32 (n, dim), of unit length
    cohort : float32 (n_cohort, dim), optional
        Cosines are normalised by its `top_k` nearest members of each side (see `as_norm`); without
        it they are the scores.
    """
    products = np.einsum("nd,d->n", references, probe)
    cosines: Float64s = np.clip(products.astype(np.float64), -1.0, 1.0)
    if cohort is None:
        return cosines
    pairs = np.stack([np.zeros(len(references), np.int64), np.arange(len(references))], axis=1)
    return as_norm(cosines, pairs, probe[None], references, cohort, top_k=top_k)


def pair_llrs(
    calibration: Calibration, scores: Float64s, probe_s: float, references_s: Float64s
) -> Float64s:
    """Return the log-likelihood ratio (nats) of each score, float64 (n,).

    probe_s and references_s are the seconds of the sides, which a calibration may have learnt.
    """
    if len(calibration.names) == 1:
        return calibration.llrs(trial_features(scores)[0])
    durations = np.full(len(scores), probe_s), references_s
    return calibration.llrs(trial_features(scores, *durations)[0])


def probability_of(llr: float | None, prior: float) -> float | None:
    """Return the probability of one subject, in [0, 1], from a ratio (nats) and a prior in (0, 1).

    None where there is no ratio.

    >>> probability_of(0.0, 0.5), round(probability_of(2.0, 0.01), 3)
    (0.5, 0.069)
    """
    if llr is None:
        return None
    return float(np.exp(-np.logaddexp(0.0, -(llr + np.log(prior) - np.log1p(-prior)))))
