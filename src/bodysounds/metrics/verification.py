"""Error rates of a verification system: one sort, ties merged, trials weighted.

A trial is accepted where its score is at or above the threshold. FAR is the accepted share of the
non-targets (pairs of different subjects), FRR the rejected share of the targets. Which definition
is which, and what others compute by the same name: docs/verification.md.
"""

from bodysounds.metrics.cost import act_dcf, min_dcf, min_dcf_threshold
from bodysounds.metrics.curve import auc, det_curve, threshold_between
from bodysounds.metrics.eer import EER_METHODS, eer_and_min_dcf, equal_error_rate
from bodysounds.metrics.llr import cllr, min_cllr
from bodysounds.metrics.rates import rates_at, rates_from_counts

__all__ = [
    "EER_METHODS",
    "act_dcf",
    "auc",
    "cllr",
    "det_curve",
    "eer_and_min_dcf",
    "equal_error_rate",
    "min_cllr",
    "min_dcf",
    "min_dcf_threshold",
    "rates_at",
    "rates_from_counts",
    "threshold_between",
]
