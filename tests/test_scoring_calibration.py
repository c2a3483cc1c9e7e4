"""Calibration and fusion: log-likelihood ratios that dev teaches, and nothing else does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from bodysounds.metrics.verification import cllr, equal_error_rate, min_cllr
from bodysounds.scoring import cross_fitted_llrs, fit_calibration, fuse, trial_features
from bodysounds.scoring.calibration import Calibration
from bodysounds.scoring.fusion import cross_fitted_fusion, stack


def gaussian(rng: np.random.Generator, n: int, share: float = 0.5) -> tuple[Any, ...]:
    """Scores of equal variance: the llr is (0.8 * score - 0.24) / 0.04 exactly."""
    labels = (rng.random(n) < share).astype(int)
    return rng.normal(np.where(labels, 0.7, -0.1), 0.2, n), labels, np.full(n, "dev")


def trials(rng: np.random.Generator, n_subjects: int = 12, d: float = 2.0) -> dict[str, Any]:
    """Two sides of each subject against each other, all pairs."""
    enrol, test = np.indices((n_subjects, n_subjects)).reshape(2, -1)
    labels = (enrol == test).astype(int)
    scores = rng.normal(d * labels, 1) + 0.3 * rng.normal(size=n_subjects)[enrol]
    return {
        "features": scores,
        "labels": labels,
        "subsets": np.full(len(labels), "dev"),
        "enrol_subjects": np.array([f"s{i:02d}" for i in enrol]),
        "test_subjects": np.array([f"s{i:02d}" for i in test]),
    }


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_the_llr_of_gaussian_scores_is_found(share: float) -> None:
    rng = np.random.default_rng(0)
    scores, labels, subsets = gaussian(rng, 40_000, share)
    found = fit_calibration(scores, labels, subsets)
    assert found.coefficients[0] == pytest.approx(20, rel=0.06)
    assert found.intercept == pytest.approx(-6, rel=0.06)
    fresh, truth, _ = gaussian(rng, 40_000, 0.3)
    llrs = found.llrs(fresh)
    best = min_cllr(truth, llrs)
    assert best <= cllr(truth, llrs) < best + 0.005
    assert cllr(truth, fresh) > best + 0.3


def test_the_fit_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, labels, subsets = gaussian(rng, 800, 0.2)
    features = np.stack([scores, rng.normal(size=800) + 0.3 * labels, rng.normal(size=800)], 1)
    weights = rng.uniform(0.5, 2, 800)
    found = fit_calibration(features, labels, subsets, weights)
    share = (
        np.where(labels, weights / weights[labels == 1].sum(), weights / weights[labels == 0].sum())
        / 2
    )
    middle = share @ features
    scale = np.sqrt(share @ (features - middle) ** 2)
    oracle = LogisticRegression(C=100 / (share @ share), tol=1e-12, max_iter=10_000)
    oracle.fit((features - middle) / scale, labels, sample_weight=share)
    expected = oracle.decision_function((features - middle) / scale)
    np.testing.assert_allclose(found.llrs(features), expected, atol=1e-4)


def test_durations_carry_what_the_score_does_not() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    labels = (rng.random(n) < 0.5).astype(int)
    enrol_s, test_s = np.exp(rng.normal(0, 1, (2, n)))
    # short sides score higher, whoever speaks
    scores = labels + rng.normal(0, 0.5, n) - 0.8 * np.log(np.minimum(enrol_s, test_s))
    subsets = np.full(n, "dev")
    features, names = trial_features(scores, enrol_s, test_s)
    assert names == ("score", "log_shorter_s", "abs_log_ratio")
    np.testing.assert_allclose(
        features[:, 1], np.log([min(p) for p in zip(enrol_s, test_s, strict=True)])
    )
    longer = np.maximum(enrol_s, test_s) / np.minimum(enrol_s, test_s)
    np.testing.assert_allclose(features[:, 2], np.log(longer), atol=1e-12)
    both, alone = (
        cllr(labels, fit_calibration(f, labels, subsets).llrs(f))
        for f in (features, features[:, :1])
    )
    assert both < alone - 0.1


def test_classes_that_are_apart_stay_finite() -> None:
    found = fit_calibration([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], ["dev"] * 4)
    assert np.isfinite(found.coefficients).all()
    llrs = found.llrs([0.1, 0.2, 0.8, 0.9])
    assert (llrs[:2] < -2).all()
    assert (llrs[2:] > 2).all()
    assert np.abs(llrs).max() < 15


def test_a_score_that_falls_counts_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    scores, labels, subsets = gaussian(rng, 500)
    with caplog.at_level(logging.WARNING):
        found = fit_calibration(-scores, labels, subsets)
    assert found.coefficients == (0.0,)
    assert found.held_at_zero == ("score",)
    assert "score does not rise" in caplog.text
    np.testing.assert_allclose(found.llrs(scores), 0, atol=1e-6)
    assert fit_calibration(-scores, labels, subsets, rising=()).coefficients[0] < -10
    assert fit_calibration(scores, labels, subsets).held_at_zero == ()
    assert fit_calibration(np.full(500, 0.3), labels, subsets).coefficients == (0.0,)


def test_classes_and_copies_do_not_shift_the_llr() -> None:
    rng = np.random.default_rng(0)
    scores, labels, subsets = gaussian(rng, 400)
    once = fit_calibration(scores, labels, subsets).llrs(scores)
    weights = np.where(labels, 1.0, 50.0)  # as if non-targets were fifty times as many
    again = fit_calibration(scores, labels, subsets, weights).llrs(scores)
    np.testing.assert_allclose(again, once, atol=1e-5)
    twice = fit_calibration(np.tile(scores, 2), np.tile(labels, 2), np.tile(subsets, 2))
    np.testing.assert_allclose(twice.llrs(scores), once, rtol=0.05, atol=0.05)
    order = rng.permutation(400)
    shuffled = fit_calibration(scores[order], labels[order], subsets)
    np.testing.assert_allclose(shuffled.llrs(scores), once, atol=1e-5)
    np.testing.assert_allclose(  # another unit of the score changes nothing
        fit_calibration(1e3 * scores + 7, labels, subsets).llrs(1e3 * scores + 7), once, atol=1e-5
    )


def test_a_calibration_survives_json() -> None:
    scores, labels, subsets = gaussian(np.random.default_rng(0), 100)
    found = fit_calibration(scores, labels, subsets)
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    with pytest.raises(ValueError, match="has learnt score, got 2 features"):
        found.llrs([[1.0, 2.0]])


def poisoned(case: dict[str, Any], subject: str) -> dict[str, Any]:
    """The scores of all trials of one subject turned about and blown up."""
    own = (case["enrol_subjects"] == subject) | (case["test_subjects"] == subject)
    return {**case, "features": np.where(own, -50 * case["features"], case["features"])}


def test_no_subject_teaches_its_own_calibration() -> None:
    case = trials(np.random.default_rng(0))
    for subject in ("s00", "s07"):
        wrong = poisoned(case, subject)
        before, after = cross_fitted_llrs(**case), cross_fitted_llrs(**wrong)
        own = case["features"] != wrong["features"]
        # the fit that tells these trials is the same line: read its slope and offset at the scores
        slope, offset = np.empty(len(own)), np.empty(len(own))
        for trial in np.flatnonzero(own):
            moved = {**case, "features": case["features"].copy()}
            moved["features"][trial] += 1
            slope[trial] = cross_fitted_llrs(**moved)[trial] - before[trial]
            offset[trial] = before[trial] - slope[trial] * case["features"][trial]
        told = slope[own] * wrong["features"][own] + offset[own]
        np.testing.assert_allclose(after[own], told, rtol=1e-4, atol=1e-3)
        assert np.abs(after[~own] - before[~own]).max() > 0.1  # it does teach the others'
        plain = [fit_calibration(c["features"], c["labels"], c["subsets"]) for c in (case, wrong)]
        assert plain[0].coefficients[0] > plain[1].coefficients[0] + 0.5


def test_a_target_that_is_gone_leaves_its_subjects_own_llrs() -> None:
    case = trials(np.random.default_rng(1))
    twin = np.flatnonzero((case["enrol_subjects"] == "s03") & (case["labels"] == 1))
    # each subject alone in a fold, so that who is dealt with whom plays no part
    before = cross_fitted_llrs(**case, n_folds=12)
    mask = np.ones(len(before), bool)
    mask[twin] = False  # without its target trial the subject is the same, its llrs are too
    kept = {name: values[mask] for name, values in case.items()}
    after = cross_fitted_llrs(**kept, n_folds=12)
    own = (case["enrol_subjects"] == "s03") | (case["test_subjects"] == "s03")
    np.testing.assert_allclose(after[own[mask]], before[own & mask], atol=1e-6)
    assert np.abs(after[~own[mask]] - before[~own]).max() > 1e-3


def test_names_that_a_target_joins_share_a_fold() -> None:
    case = trials(np.random.default_rng(2))
    renamed = {**case, "test_subjects": np.char.add(case["test_subjects"], "_discharge")}
    np.testing.assert_allclose(cross_fitted_llrs(**renamed), cross_fitted_llrs(**case), atol=1e-9)


def test_cross_fitting_is_seeded_and_blind_to_order() -> None:
    case = trials(np.random.default_rng(0))
    once = cross_fitted_llrs(**case)
    order = np.random.default_rng(1).permutation(len(once))
    again = cross_fitted_llrs(**{name: values[order] for name, values in case.items()})
    np.testing.assert_allclose(again, once[order], atol=1e-5)
    assert np.abs(cross_fitted_llrs(**case, seed=1) - once).max() > 1e-3
    # more folds than subjects: each is left out alone, and the dealing no longer matters
    alone = [cross_fitted_llrs(**case, n_folds=n, seed=n) for n in (12, 500)]
    np.testing.assert_allclose(alone[0], alone[1], atol=1e-5)


def test_cross_fitted_llrs_are_calibrated() -> None:
    case = trials(np.random.default_rng(0), 80)
    llrs = cross_fitted_llrs(**case)
    best = min_cllr(case["labels"], llrs)
    assert best <= cllr(case["labels"], llrs) < best + 0.08


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"subsets": np.where(np.arange(144) < 5, "test", "dev")}, "5 of 144 trials"),
        (lambda c: {"subsets": ["dev"]}, r"144 trials need as many subsets, got shape \(1,\)"),
        (lambda c: {"features": np.where(np.arange(144) == 3, np.nan, 0)}, "trial 3 has the feat"),
        (lambda c: {"labels": np.zeros(144)}, "no target pair"),
        (lambda c: {"labels": np.ones(144)}, "no non-target pair|one subject|at least 4"),
        (lambda c: {"labels": c["labels"][1:]}, "labels has 143"),
    ],
)
def test_calibration_refuses(change: Change, message: str) -> None:
    case = trials(np.random.default_rng(0))
    case |= change(case)
    with pytest.raises(ValueError, match=message):
        cross_fitted_llrs(**case)
    with pytest.raises(ValueError, match=message):
        fit_calibration(case["features"], case["labels"], case["subsets"])
    systems = {"a": case["features"], "b": case["features"]}
    with pytest.raises(ValueError, match=message):
        fuse(systems, case["labels"], case["subsets"])


def test_cross_fitting_says_what_is_missing() -> None:
    few = trials(np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match="at least 4 subjects, got 3"):
        cross_fitted_llrs(**few)
    with pytest.raises(ValueError, match="n_folds must be at least 3"):
        cross_fitted_llrs(**trials(np.random.default_rng(0)), n_folds=2)
    assert np.isfinite(cross_fitted_llrs(**trials(np.random.default_rng(0), 4))).all()
    case = trials(np.random.default_rng(0))
    one = (case["labels"] == 0) | (case["enrol_subjects"] == "s00")
    with pytest.raises(ValueError, match=r"without the subjects of folds .* no target pair"):
        cross_fitted_llrs(**{name: values[one] for name, values in case.items()})


@pytest.mark.parametrize("seed", range(10))
def test_few_subjects_with_targets_are_dealt_apart(seed: int) -> None:
    case = trials(np.random.default_rng(seed), 30)
    # five subjects have targets: each in a fold of its own, so that every fit keeps three of them
    few = (case["labels"] == 0) | (case["enrol_subjects"] < "s05")
    kept = {name: values[few] for name, values in case.items()}
    assert np.isfinite(cross_fitted_llrs(**kept, seed=seed)).all()


def test_trial_features_refuse() -> None:
    assert trial_features([0.5, 0.1])[1] == ("score",)
    with pytest.raises(ValueError, match=r"trial 1 lasts 2\.0 and 0\.0 s"):
        trial_features([0.5, 0.1], [1, 2], [1, 0])
    with pytest.raises(ValueError, match="go together"):
        trial_features([0.5], [1])
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(1,\)"):
        trial_features([0.5, 0.1], [1], [1])
    with pytest.raises(ValueError, match="trial 0 has the features"):
        trial_features([np.inf])


def test_two_systems_beat_each() -> None:
    rng = np.random.default_rng(0)
    first, second = trials(rng, 60, 1.5), trials(rng, 60, 1.5)
    systems = {"one": first["features"], "other": 10 * second["features"] + 3}
    learnt = fuse(systems, first["labels"], first["subsets"])
    assert learnt.names == ("one", "other")
    fresh = [trials(rng, 60, 1.5) for _ in range(2)]
    labels = fresh[0]["labels"]
    new = {"one": fresh[0]["features"], "other": 10 * fresh[1]["features"] + 3}
    eers = {name: equal_error_rate(labels, scores)[0] for name, scores in new.items()}
    llrs = learnt.llrs(stack(new))
    assert equal_error_rate(labels, llrs)[0] < 0.85 * min(eers.values())
    assert cllr(labels, llrs) < min_cllr(labels, llrs) + 0.1
    named = {name: first[name] for name in ("labels", "subsets", "enrol_subjects", "test_subjects")}
    own = cross_fitted_fusion(systems, **named)
    assert equal_error_rate(first["labels"], own)[0] < 0.85 * min(
        equal_error_rate(first["labels"], scores)[0] for scores in systems.values()
    )


def test_weights_of_systems_may_be_held_at_zero() -> None:
    rng = np.random.default_rng(0)
    case = trials(rng, 40)
    noise = rng.normal(size=len(case["labels"]))
    # the second system hears the noise of the first: the best weight of it is negative
    systems = {"one": case["features"] + 2 * noise, "noise": noise}
    free = fuse(systems, case["labels"], case["subsets"])
    held = fuse(systems, case["labels"], case["subsets"], non_negative=True)
    assert free.coefficients[1] < 0 == held.coefficients[1]
    assert held.held_at_zero == ("noise",)
    with pytest.raises(ValueError, match="no system to fuse"):
        fuse({}, case["labels"], case["subsets"])
    with pytest.raises(ValueError, match=r"one has \(1600,\), two has \(2,\)"):
        fuse({"one": noise, "two": [1.0, 2.0]}, case["labels"], case["subsets"])
