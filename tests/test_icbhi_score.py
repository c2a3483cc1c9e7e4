"""The ICBHI Score against a slow count, its known cases, and its resampled rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from bodysounds.metrics.groups import draw_groups
from bodysounds.metrics.respiratory import (
    SCORE_RATES,
    drawn_scores,
    icbhi_score,
    score_rates,
)

CLASSES = ("normal", "crackle", "wheeze", "both")
PAIRS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=40
)


def counted(labels: list[str], predictions: list[str], any_counts: bool) -> tuple[float, float]:
    """Sensitivity and specificity, one cycle after another."""
    hits, cycles = {"normal": 0, "abnormal": 0}, {"normal": 0, "abnormal": 0}
    for label, said in zip(labels, predictions, strict=True):
        kind = "normal" if label == "normal" else "abnormal"
        cycles[kind] += 1
        if said == label or (any_counts and kind == "abnormal" and said != "normal"):
            hits[kind] += 1
    return hits["abnormal"] / cycles["abnormal"], hits["normal"] / cycles["normal"]


@settings(max_examples=80, deadline=None)
@given(PAIRS)
def test_both_definitions_are_those_of_a_slow_count(pairs: list[tuple[str, str]]) -> None:
    labels = ["normal", "wheeze", *(label for label, _ in pairs)]
    said = ["crackle", "both", *(guess for _, guess in pairs)]
    found = score_rates(labels, said)
    for kind, suffix in (("exact", ""), ("any", "_any")):
        se, sp = counted(labels, said, kind == "any")
        score = icbhi_score(labels, said, kind)  # type: ignore[arg-type]
        assert score == pytest.approx(((se + sp) / 2, se, sp))
        assert (found[f"score{suffix}"], found[f"se{suffix}"]) == (score.score, score.se)
        assert found["sp"] == score.sp
        # whatever else the order of the cycles is
        assert icbhi_score(labels[::-1], said[::-1], kind) == pytest.approx(score)  # type: ignore[arg-type]
    assert icbhi_score(labels, said, "any").se >= icbhi_score(labels, said).se


def test_known_cases() -> None:
    labels = ["normal"] * 4 + ["crackle"] * 3 + ["wheeze"] * 2 + ["both"]
    assert icbhi_score(labels, labels) == (1.0, 1.0, 1.0)
    assert icbhi_score(labels, ["normal"] * 10) == (0.5, 0.0, 1.0)
    # every cycle a crackle: three of six abnormal ones are, and all six are abnormal
    assert icbhi_score(labels, ["crackle"] * 10) == (0.25, 0.5, 0.0)
    assert icbhi_score(labels, ["crackle"] * 10, "any") == (0.5, 1.0, 0.0)
    wrong = ["normal"] * 4 + ["both"] * 3 + ["crackle"] * 2 + ["wheeze"]
    assert icbhi_score(labels, wrong) == (0.5, 0.0, 1.0)
    assert icbhi_score(labels, wrong, "any") == (1.0, 1.0, 1.0)


def test_sensitivity_weighs_cycles_not_classes() -> None:
    """The challenge adds up the hits of all abnormal cycles; a mean over classes is another."""
    labels = ["normal", *["crackle"] * 8, "wheeze", "both"]
    said = ["normal", *["crackle"] * 8, "normal", "normal"]
    assert icbhi_score(labels, said).se == pytest.approx(8 / 10)
    by_class = recall_score(labels, said, average=None, labels=CLASSES[1:], zero_division=0.0)
    assert by_class.mean() == pytest.approx(1 / 3)


def test_of_two_classes_both_definitions_are_balanced_accuracy() -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(["healthy", "ill"], 60)
    said = np.where(rng.random(60) < 0.7, labels, "healthy")
    expected = recall_score(labels, said, average="macro")
    for kind in ("exact", "any"):
        found = icbhi_score(labels, said, kind, negative="healthy")  # type: ignore[arg-type]
        assert found.score == pytest.approx(expected)


def test_weights_are_copies() -> None:
    rng = np.random.default_rng(1)
    labels, said = rng.choice(CLASSES, 50), rng.choice(CLASSES, 50)
    times = rng.integers(0, 4, 50)
    for kind in ("exact", "any"):
        weighed = icbhi_score(labels, said, kind, weights=times)  # type: ignore[arg-type]
        copied = icbhi_score(labels.repeat(times), said.repeat(times), kind)  # type: ignore[arg-type]
        assert weighed == pytest.approx(copied)


def test_draws_are_those_of_the_drawn_patients() -> None:
    rng = np.random.default_rng(2)
    patients = rng.choice([f"p{k}" for k in range(7)], 80).astype(object)
    labels, said = rng.choice(CLASSES, 80), rng.choice(CLASSES, 80)
    draws = draw_groups(patients, n=25, seed=3)
    found = drawn_scores(draws, labels, said)
    assert set(found) == set(SCORE_RATES)
    for k, counts in enumerate(draws.counts):
        times = counts[draws.codes].astype(int)
        slow = score_rates(labels.repeat(times), said.repeat(times))
        for rate in SCORE_RATES:
            assert found[rate][k] == pytest.approx(slow[rate])


def test_a_draw_without_normal_cycles_has_no_score() -> None:
    labels = ["normal", "normal", "crackle", "wheeze"]
    draws = draw_groups(["a", "a", "b", "b"], n=40, seed=0)
    found = drawn_scores(draws, labels, ["normal", "crackle", "crackle", "normal"])
    without = draws.counts[:, 0] == 0
    assert 0 < without.sum() < 40
    assert np.isnan(found["score"][without]).all()
    assert (found["se"][without] == 0.5).all()
    mixed = (draws.counts > 0).all(axis=1)
    assert (found["score"][mixed] == 0.5).all()
    with pytest.raises(ValueError, match="labels must have shape"):
        drawn_scores(draws, labels[:2], labels[:2])


def test_what_is_undefined_is_none() -> None:
    found = score_rates(["crackle", "both"], ["crackle", "wheeze"])
    assert found == {"score": None, "se": 0.5, "sp": None, "score_any": None, "se_any": 1.0}
    found = score_rates(["normal"] * 3, ["normal", "normal", "both"])
    assert (found["score"], found["se"], found["sp"]) == (None, None, pytest.approx(2 / 3))


def test_bad_input_is_named() -> None:
    good = ["normal", "crackle"]
    for labels, said, told in (
        ([], [], "labels is empty"),
        (good, ["normal"], "2 labels and 1 predictions"),
        ([np.nan, "normal"], good, r"labels\[0\] is missing"),
        (good, ["normal", None], r"predictions\[1\] is missing"),
        (["normal", "normal"], good, "all are 'normal'"),
        (["both", "crackle"], good, "none is 'normal'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            icbhi_score(labels, said)
    with pytest.raises(ValueError, match="sensitivity must be exact or any, got 'macro'"):
        icbhi_score(good, good, "macro")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"weights\[0\] is nan"):
        icbhi_score(good, good, weights=[np.nan, 1.0])
    with pytest.raises(ValueError, match="as far as they are weighed, none is 'normal'"):
        icbhi_score(good, good, weights=[0.0, 1.0])
