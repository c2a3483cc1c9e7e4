"""The same scores through every definition: the tables of docs/verification.md.

python benchmarks/definitions.py
"""

from __future__ import annotations

import numpy as np
from metric_rivals import scikit_learn, speechbrain_eer, speechbrain_min_dcf, wespeaker

from bodysounds.metrics.verification import EER_METHODS, equal_error_rate, min_cllr, min_dcf

P_TARGET = 0.05


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return labels and scores, synthetic and seeded, by what is particular about them."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([1, 0], [40, 1560]))
    scores = rng.normal(size=1600) + 1.5 * labels
    ascending, descending = np.argsort(labels), np.argsort(-labels)
    rounded = np.round(scores, 1)
    four = np.full(4, 0.5)
    return {
        "1,600 trials, 40 of them targets": (labels, scores),
        "rounded to 1 digit, targets last": (labels[ascending], rounded[ascending]),
        "rounded to 1 digit, targets first": (labels[descending], rounded[descending]),
        "four equal scores, targets last": (np.array([0, 0, 1, 1]), four),
        "four equal scores, targets first": (np.array([1, 1, 0, 0]), four),
        "perfect": (labels, scores + 20 * labels),
        "inverted": (labels, scores - 20 * labels),
        "a target below a non-target": (np.array([1, 0]), np.array([0.0, 1.0])),
    }


def peers(labels, scores) -> dict[str, tuple[str, str]]:
    """Return EER and minDCF as other programs give them."""
    found = {
        "SpeechBrain": (speechbrain_eer(labels, scores, P_TARGET)[0],
                        speechbrain_min_dcf(labels, scores, P_TARGET)[1]),
        "scikit-learn": scikit_learn(labels, scores, P_TARGET),
    }  # fmt: skip
    try:
        found["WeSpeaker"] = wespeaker(labels, scores, P_TARGET, kind="stable")
    except IndexError:
        found["WeSpeaker"] = None
    return {
        name: ("fails", "fails") if two is None else (f"{100 * two[0]:.2f}", f"{two[1]:.4f}")
        for name, two in found.items()
    }


def main() -> None:
    order = ("SpeechBrain", "WeSpeaker", "scikit-learn")
    found = {name: peers(*columns) for name, columns in cases().items()}
    print(f"EER %, synthetic scores (seed 0)\n\n| scores | {' | '.join(EER_METHODS)} | "
          f"{' | '.join(order)} |\n|{'---|' * 7}")  # fmt: skip
    for name, columns in cases().items():
        ours = [f"{100 * equal_error_rate(*columns, method=m)[0]:.2f}" for m in EER_METHODS]
        print(f"| {name} | {' | '.join([*ours, *(found[name][k][0] for k in order)])} |")
    print(f"\nCosts at p_target {P_TARGET}, synthetic scores (seed 0)\n\n| scores | minCllr | "
          f"minDCF | {' | '.join(order)} |\n|{'---|' * 6}")  # fmt: skip
    for name, columns in cases().items():
        ours = [f"{min_cllr(*columns):.4f}", f"{min_dcf(*columns, P_TARGET):.4f}"]
        print(f"| {name} | {' | '.join([*ours, *(found[name][k][1] for k in order)])} |")


if __name__ == "__main__":
    main()
