"""What the terms of a classification's metrics mean."""

from __future__ import annotations

from bodysounds.reporting.class_groups import NAMED_WITHIN_CLASS
from bodysounds.reporting.class_words import rate_title

RATES = {
    "accuracy": "Top-1: the share of clips whose class is the most probable.",
    "top5": "The share of clips whose class is among the five most probable.",
    "balanced_accuracy": "The mean over classes of the share of their clips that are right.",
    "macro_f1": "The mean over classes of the harmonic mean of precision and recall, of those "
    "that have clips.",
}
SCORES = {
    "score": "ICBHI Score: the mean of sensitivity and specificity. Naming every cycle normal "
    "scores 50%.",
    "se": "Sensitivity: of the abnormal cycles (crackle, wheeze, both), the share whose very class "
    "was named, as the ICBHI 2017 challenge counts it.",
    "sp": "Specificity: of the normal cycles, the share named normal.",
    "score_any": "The Score with the other sensitivity that is in use, below: not to be set beside "
    "Scores of the first.",
    "se_any": "Of the abnormal cycles, the share named any abnormal class.",
}
CONDITIONS = {
    "across_sessions": "Test clips of a session of which training heard nothing.",
    "same_session": "Test clips of a session of which training heard other clips.",
    "unknown": "Test clips whose session the corpus does not tell.",
}
SHORTCUTS = (
    "Logistic regression on one property, and its square, of the recording. Flagged where it is "
    "above chance, the interval widened for the number of properties audited, and reaches half of "
    "ours."
)


def definitions(rate: str = "accuracy", groups_are: str = NAMED_WITHIN_CLASS) -> dict[str, str]:
    """Return a sentence for each term, by the rate headlined and the groups resampled."""
    leak = f"{rate_title(rate)} on heard {groups_are} minus that on unheard ones."
    if groups_are == NAMED_WITHIN_CLASS:
        intervals = (
            "Sessions, with all their clips, are drawn with replacement; recordings where sessions "
            "are unknown. The speakers stay the same: nothing is said of others."
        )
        leak = leak.replace("Top-1", "Accuracy")
        return {
            **RATES, "intervals": intervals, **CONDITIONS, "leak": leak, "shortcuts": SHORTCUTS
        }  # fmt: skip
    one = groups_are.removesuffix("s")
    return {
        **(SCORES if rate == "score" else {}),
        **{name: told for name, told in RATES.items() if name != "top5"},
        "intervals": f"{groups_are.capitalize()}, with all their clips, are drawn with "
        "replacement: clips of one say hardly more than one clip.",
        f"unseen_{one}": f"Test clips of a {one} of which training heard nothing.",
        f"heard_{one}": f"Test clips of a {one} of which training heard other clips, none of the "
        "same moment: what a split by clip would have tested.",
        "leak": leak,
        "shortcuts": SHORTCUTS,
    }
