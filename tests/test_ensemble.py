"""Members as one: putting them together, what is learnt of them, and when there is no answer."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_ensemble import LABELS, examples, predictions
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from sklearn.linear_model import LogisticRegression

from bodysounds.metrics.groups import draw_groups
from bodysounds.params import EnsembleParams, PredictParams
from bodysounds.scoring.abstain import _below, choose_abstain
from bodysounds.scoring.ensemble import (
    abstained,
    all_systems,
    average,
    combine,
    meta_features,
    vote,
    weighted_average,
)
from bodysounds.scoring.member_tables import beside, out_of_fold
from bodysounds.scoring.rule import choose_system, combined_predictions, make_rule
from bodysounds.scoring.stacking import cross_fitted, fit_combinations, fit_meta, fit_weights
from bodysounds.scoring.temperature import mean_log_loss

NAMES = np.array(LABELS, dtype=object)
META_C = EnsembleParams().meta_c
HEARD = {"clip_s": 1.0, "sample_rate": 16_000, "short": "repeat"}


def tables(n: int, members: int = 2, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [log_softmax(2 * rng.normal(size=(n, 3)), axis=1) for _ in range(members)]


def made(
    n_sources: int = 90, skills: tuple[float, ...] = (2.0, 1.0), seed: int = 0
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Examples, out-of-fold predictions of train, and predictions of dev and test."""
    rows = examples(n_sources, 3, seed)
    train = rows["subset"] == "train"
    names = [f"m{k}" for k in range(len(skills))]
    folds = {n: predictions(rows[train], s, seed + 10 * k)
             for k, (n, s) in enumerate(zip(names, skills, strict=True))}  # fmt: skip
    rest = {n: predictions(rows[~train], s, seed + 10 * k + 1)
            for k, (n, s) in enumerate(zip(names, skills, strict=True))}  # fmt: skip
    return rows, folds, rest


# --- putting together ---------------------------------------------------------------------------


def test_averages_are_those_of_a_slow_loop() -> None:
    parts, weights = tables(20, 3), [0.5, 0.2, 0.3]
    plain, weighted = average(parts), weighted_average(parts, weights)
    for row, column in product(range(20), range(3)):
        own = [np.exp(part[row, column]) for part in parts]
        assert np.exp(plain[row, column]) == pytest.approx(sum(own) / 3)
        told = sum(w * p for w, p in zip(weights, own, strict=True))
        assert np.exp(weighted[row, column]) == pytest.approx(told)
    assert np.exp(plain).sum(axis=1) == pytest.approx(np.ones(20))


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [1.0], [np.nan, 1.0]])
def test_weights_are_shares(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="2 members take as many weights"):
        weighted_average(tables(2), weights)


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5])
def test_the_majority_wins_and_ties_go_to_the_mean(members: int) -> None:
    parts = tables(500, members, seed=members)
    found = vote(parts)
    assert np.exp(found).sum(axis=1) == pytest.approx(np.ones(500))
    ties = 0
    for row in range(500):
        counts = [sum(part[row].argmax() == k for part in parts) for k in range(3)]
        best = [k for k in range(3) if counts[k] == max(counts)]
        ties += len(best) > 1
        means = {k: np.mean([np.exp(part[row, k]) for part in parts]) for k in best}
        assert found[row].argmax() == max(best, key=lambda k: means[k])
    assert (ties > 0) == (members not in (1,))


def test_a_majority_outvotes_one_that_is_sure() -> None:
    unsure = np.log([[0.4, 0.35, 0.25]])
    sure = np.log([[1e-9, 1 - 2e-9, 1e-9]])
    assert average([unsure, unsure, sure]).argmax() == 1
    assert vote([unsure, unsure, sure]).argmax() == 0
    # a tie of two, and one of all that is equal
    assert vote([unsure, sure]).argmax() == 1
    mirrored = np.log([[0.35, 0.4, 0.25]])
    assert vote([unsure, mirrored]).argmax() == 0
    assert vote([mirrored, unsure]).argmax() == 0


def test_nan_and_unequal_tables_are_refused() -> None:
    parts = tables(4)
    for wrong in (average, vote, meta_features):
        with pytest.raises(ValueError, match="one member at least"):
            wrong([])
        with pytest.raises(ValueError, match="tables of one shape"):
            wrong([parts[0], parts[1][:3]])
        with pytest.raises(ValueError, match=r"member 1: log_probabilities\[0, 0\] is NaN"):
            wrong([parts[0], np.full((4, 3), np.nan)])


# --- what is learnt -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_weights_are_the_best_there_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = rng.integers(3, size=400)
    parts = [
        log_softmax(rng.normal(size=(400, 3)) + s * np.eye(3)[own], axis=1) for s in (2.5, 1, 0)
    ]
    found = fit_weights(NAMES[own], parts, LABELS)
    said = np.stack([part[np.arange(400), own] for part in parts])

    def loss(free: np.ndarray) -> float:
        return -logsumexp(said + log_softmax(np.append(free, 0.0))[:, None], axis=0).mean()

    oracle = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6})
    at = -logsumexp(said + np.log(found)[:, None], axis=0).mean()
    assert at == pytest.approx(oracle.fun, abs=1e-6)
    assert found[0] == max(found)
    assert fit_weights(NAMES[own], [parts[0]] * 2, LABELS) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("classes", [LABELS, LABELS[:2]])
def test_the_meta_classifier_is_between_the_mean_and_scikit_learns(classes: list[str]) -> None:
    rng = np.random.default_rng(0)
    own, n = rng.integers(len(classes), size=300), len(classes)
    members = {
        name: log_softmax(rng.normal(size=(300, n)) + (0.5 + np.eye(n)[0]) * np.eye(n)[own], axis=1)
        for name in ("one", "two")
    }
    labels = NAMES[own]

    def told(c: float) -> tuple[np.ndarray, np.ndarray]:
        rule = fit_combinations(labels, members, classes, meta_c=c)
        parts = [log_softmax(members[m] / rule["temperatures"][m], axis=1) for m in members]
        return np.exp(all_systems(rule, members)["meta"]), np.stack(parts)

    free, parts = told(1e6)
    oracle = LogisticRegression(C=1e6, max_iter=20_000, tol=1e-10)
    oracle.fit(np.hstack(list(parts)), labels.astype(str))
    assert free == pytest.approx(oracle.predict_proba(np.hstack(list(parts))), abs=1e-3)
    held, _ = told(1e-9)
    # without evidence: the mean, shifted so that the classes are as frequent as they were
    mean = parts.mean(axis=0)
    apart = np.log(held) - mean
    assert np.ptp(apart - apart[:, :1], axis=0) == pytest.approx(np.zeros(n), abs=1e-4)
    assert held.mean(axis=0) == pytest.approx(np.bincount(own) / 300, abs=1e-4)
    losses = [-np.log(told(c)[0][np.arange(300), own]).mean() for c in (1e-9, 0.01, 1.0, 1e6)]
    assert losses == sorted(losses, reverse=True)


def test_a_class_that_is_nowhere_cannot_be_learnt() -> None:
    parts = dict(zip("ab", tables(10), strict=True))
    with pytest.raises(ValueError, match="no out-of-fold prediction is of the class 'screaming'"):
        fit_meta(NAMES[[0, 1] * 5], parts, LABELS, 1.0)


def overfitted(labels: np.ndarray, sources: np.ndarray, seed: int) -> tuple[Any, Any, np.ndarray]:
    """Two members that learn any labels by heart: in-sample and out-of-fold log-probabilities."""
    rng = np.random.default_rng(seed)
    folds = sources // 3 % 3
    inside, outside = {}, {}
    for name, width in (("yamnet", 60), ("wav2vec2", 90)):
        features = rng.normal(size=(len(set(sources)), width))[sources]
        features = features + 0.3 * rng.normal(size=features.shape)
        model = LogisticRegression(C=10, max_iter=300)
        inside[name] = model.fit(features, labels).predict_log_proba(features)
        outside[name] = np.zeros((len(labels), 3))
        for fold in range(3):
            out = folds == fold
            model.fit(features[~out], labels[~out])
            outside[name][out] = model.predict_log_proba(features[out])
    return inside, outside, folds


def test_on_shuffled_labels_the_meta_classifier_is_at_chance_and_a_leaky_one_is_not() -> None:
    sources = np.repeat(np.arange(90), 4)
    honest, leaky, within = [], [], 0
    for seed in range(12):
        # by source, with as many of each class in each fold, as the split deals them
        codes, rng = np.zeros(90, dtype=int), np.random.default_rng(seed)
        for fold in range(3):
            codes[np.arange(90) // 3 % 3 == fold] = rng.permutation(np.repeat([0, 1, 2], 10))
        labels = NAMES[codes[sources]].astype(str)
        inside, outside, folds = overfitted(labels, sources, seed)
        found = cross_fitted(labels, outside, folds, LABELS, META_C)["meta"]
        right = NAMES[found.argmax(axis=1)] == labels
        draws = draw_groups(sources.astype(str), seed=seed)
        low, high = np.quantile(draws.means(right), [0.005, 0.995])
        within += low <= 1 / 3 <= high
        honest.append(right.mean())
        fitted = fit_combinations(labels, inside, LABELS, META_C)
        told = all_systems(fitted, inside)["meta"]
        cheat = NAMES[told.argmax(axis=1)] == labels
        leaky.append(cheat.mean())
        assert np.quantile(draws.means(cheat), 0.005) > 0.8
    assert within >= 11
    # a mean of 12, whose standard error is 0.017
    assert abs(np.mean(honest) - 1 / 3) < 0.05
    assert min(leaky) > 0.9


def test_each_fold_is_scored_by_what_the_others_taught() -> None:
    rows, folds, _ = made()
    own, members = beside(folds, rows, LABELS)
    number, labels = own["fold"].to_numpy(), own["label"].to_numpy(object)
    found = cross_fitted(labels, members, number, LABELS, 1.0)
    for fold in range(3):
        out = number == fold
        changed = labels.copy()
        changed[out] = "crying"
        again = cross_fitted(changed, members, number, LABELS, 1.0)
        for system, table in found.items():
            assert np.array_equal(table[out], again[system][out]), system
            assert not np.array_equal(table[~out], again[system][~out]) or system == "vote"
    with pytest.raises(ValueError, match="two folds at least"):
        cross_fitted(labels, members, 0 * number, LABELS, 1.0)


# --- side by side -------------------------------------------------------------------------------


def test_rows_and_columns_are_matched_by_name() -> None:
    rows, folds, _ = made(30)
    own, members = beside(folds, rows, LABELS)
    mixed = {
        name: table.sample(frac=1, random_state=k)[
            ["p_screaming", "fold", "p_crying", "label", "segment_id", "p_normal"]
        ]
        for k, (name, table) in enumerate(folds.items())
    }
    again, others = beside(mixed, rows.iloc[::-1], LABELS)
    assert own["segment_id"].tolist() == again["segment_id"].tolist()
    assert own["label"].tolist() == again["label"].tolist()
    for name, table in folds.items():
        assert np.array_equal(members[name], others[name])
        by_id = table.set_index("segment_id").loc[own["segment_id"]]
        assert np.exp(members[name][:, 2]) == pytest.approx(by_id["p_screaming"].to_numpy())


def test_tables_that_do_not_fit_are_refused() -> None:
    rows, folds, _ = made(30)
    one, two = folds["m0"], folds["m1"]
    nan, heavy = two.copy(), two.copy()
    nan.loc[nan.index[3], "p_crying"] = np.nan
    heavy["p_crying"] += 0.1
    other = two.copy()
    other.loc[other.index[0], "label"] = (
        "crying" if other["label"].iloc[0] != "crying" else "normal"
    )
    for wrong, message in (
        (two.iloc[:0], "'m1' predicted nothing"),
        (two.iloc[1:], "not predict the same segments: 1 are missing"),
        (pd.concat([two, two.iloc[:1]]), "twice"),
        (two.rename(columns={"p_crying": "p_cry"}), "p|of cry, normal, screaming, and"),
        (two.assign(p_laughing=0.0), "laughing"),
        (nan, "nan.*add up to 1"),
        (heavy, "add up to 1"),
        (other, "has the label .* in m1 and .* elsewhere"),
    ):
        with pytest.raises(ValueError, match=message):
            beside({"m0": one, "m1": wrong}, rows, LABELS)
    with pytest.raises(ValueError, match="are no examples"):
        beside(folds, rows[rows["subset"] != "train"], LABELS)


def test_what_a_fold_was_trained_on_is_not_out_of_fold() -> None:
    rows, folds, rest = made(30)
    table = folds["m0"]
    parts = [table[table["fold"] == k] for k in range(3)]
    assert len(out_of_fold(parts, "m0", rows)) == len(table)
    swapped = [parts[0], parts[1].assign(fold=2), parts[2].assign(fold=1)]
    with pytest.raises(ValueError, match=r"'m0' predicted segment .* not the fold of train"):
        out_of_fold(swapped, "m0", rows)
    with pytest.raises(ValueError, match="in fold -1"):
        out_of_fold([table, rest["m0"]], "m0", rows)


# --- the rule -----------------------------------------------------------------------------------


def test_a_rule_read_again_says_the_same() -> None:
    rows, folds, rest = made()
    rule = make_rule(folds, rest, rows, EnsembleParams(), HEARD)
    again = json.loads(json.dumps(rule, allow_nan=False))
    assert again == rule
    _, members = beside(rest, rows, LABELS)
    turned = dict(reversed(members.items()))
    for name, table in all_systems(rule, members).items():
        assert np.array_equal(table, all_systems(again, turned)[name]), name
        assert np.exp(table).sum(axis=1) == pytest.approx(np.ones(len(table)))
    mixed = make_rule(
        {n: t.sample(frac=1, random_state=1) for n, t in folds.items()},
        {n: t.sample(frac=1, random_state=2) for n, t in rest.items()},
        rows.iloc[::-1], EnsembleParams(), HEARD,
    )  # fmt: skip
    assert mixed == rule


def test_test_and_train_predictions_of_the_members_change_no_rule() -> None:
    rows, folds, rest = made()
    rule = make_rule(folds, rest, rows, EnsembleParams(), HEARD)
    wrong = {
        name: table.assign(
            p_crying=np.where(table["subset"] == "test", 1.0, table["p_crying"]),
            p_normal=np.where(table["subset"] == "test", 0.0, table["p_normal"]),
            p_screaming=np.where(table["subset"] == "test", 0.0, table["p_screaming"]),
        )
        for name, table in rest.items()
    }
    assert make_rule(folds, wrong, rows, EnsembleParams(), HEARD) == rule


def test_dev_chooses_and_fitting_does_not_look_at_it() -> None:
    rows, folds, rest = made()
    rule = make_rule(folds, rest, rows, EnsembleParams(), HEARD)
    best = max(rule["dev"], key=lambda name: (rule["dev"][name]["balanced_accuracy"],
                                              -rule["dev"][name]["log_loss"]))  # fmt: skip
    assert rule["chosen"] == best
    by_loss = make_rule(folds, rest, rows, EnsembleParams(choose_by="log_loss"), HEARD)
    assert by_loss["chosen"] == min(rule["dev"], key=lambda n: rule["dev"][n]["log_loss"])
    # a dev on which the weaker member is always right: nothing that was fitted moves
    told = {f"p_{n}": np.where(rest["m1"]["label"] == n, 0.98, 0.01) for n in LABELS}
    turned = {**rest, "m1": rest["m1"].assign(**told)}
    other = make_rule(folds, turned, rows, EnsembleParams(abstain="none"), HEARD)
    assert other["dev"]["m1"]["balanced_accuracy"] == 1
    for key in ("temperatures", "weights", "meta", "out_of_fold", "uncalibrated"):
        assert other[key] == rule[key]
    with pytest.raises(ValueError, match="no example is of dev"):
        make_rule(folds, rest, rows[rows["subset"] != "dev"], EnsembleParams(), HEARD)
    moved = folds["m1"].assign(fold=(folds["m1"]["fold"] + 1) % 3)
    with pytest.raises(ValueError, match="trained on different folds"):
        make_rule({**folds, "m1": moved}, rest, rows, EnsembleParams(), HEARD)


def test_the_figures_of_a_rule_are_cross_fitted() -> None:
    rows, folds, rest = made()
    params = EnsembleParams(meta_c=100.0, choose="meta")
    rule = make_rule(folds, rest, rows, params, HEARD)
    own, members = beside(folds, rows, LABELS)
    labels = own["label"].to_numpy(object)
    honest = cross_fitted(labels, members, own["fold"].to_numpy(), LABELS, 100.0)
    flattered = all_systems(rule, members)
    for name, figures in rule["out_of_fold"].items():
        assert figures["accuracy"] == np.mean(NAMES[honest[name].argmax(axis=1)] == labels)
        loss = mean_log_loss(labels, honest[name], LABELS)
        assert figures["log_loss"] == pytest.approx(loss)
        assert mean_log_loss(labels, flattered[name], LABELS) < loss or name in ("average", "vote")
    assert (rule["chosen"], rule["chosen_by"]) == ("meta", "parameter")
    assert (rule["clip_s"], rule["hop_s"], rule["short"]) == (1.0, 0.5, "repeat")


def test_of_equal_systems_a_combination_comes_first() -> None:
    same = {"balanced_accuracy": 0.9, "log_loss": 0.3}
    figures = dict.fromkeys(("yamnet", "wav2vec2", "average", "weighted", "vote", "meta"), same)
    assert choose_system(figures, EnsembleParams()) == "average"
    surer = {**figures, "vote": {**same, "log_loss": 0.2}}
    assert choose_system(surer, EnsembleParams()) == "vote"
    assert choose_system(surer, EnsembleParams(choose="wav2vec2")) == "wav2vec2"
    with pytest.raises(ValueError, match=r"must be auto, yamnet, .* got 'panns'"):
        choose_system(figures, EnsembleParams(choose="panns"))


def test_together_is_better_where_members_err_apart() -> None:
    rows, folds, rest = made(300, (1.5, 1.5, 1.5))
    rule = make_rule(folds, rest, rows, EnsembleParams(), HEARD)
    told = rule["out_of_fold"]
    alone = max(told[name]["accuracy"] for name in rule["members"])
    for name in ("average", "weighted", "vote", "meta"):
        assert told[name]["accuracy"] > alone
    for name in rule["members"]:
        assert told[name]["log_loss"] < rule["uncalibrated"][name]["log_loss"] + 0.01


def test_members_are_those_of_the_rule() -> None:
    rows, folds, rest = made()
    rule = make_rule(folds, rest, rows, EnsembleParams(), HEARD)
    _, members = beside(rest, rows, LABELS)
    with pytest.raises(ValueError, match="is of m0, m1, and 'm1' is missing"):
        combine(rule, {"m0": members["m0"]})
    with pytest.raises(ValueError, match="and 'm2' is none of them"):
        combine(rule, {**members, "m2": members["m0"]})
    with pytest.raises(ValueError, match=r"'m1' gives probabilities of shape \(5, 3\)"):
        combine(rule, {**members, "m1": members["m1"][:5]})


# --- no answer ----------------------------------------------------------------------------------


def test_abstaining_is_what_a_slow_search_finds() -> None:
    rng = np.random.default_rng(0)
    table = np.log(np.round(rng.dirichlet([0.4] * 3, 300), 2) + 0.01)  # with ties
    table = log_softmax(table, axis=1)
    own = rng.integers(3, size=300)
    own = np.where(rng.uniform(size=300) < 0.6, table.argmax(axis=1), own)
    sure, right = np.exp(table.max(axis=1)), table.argmax(axis=1) == own
    assert np.mean(~right) > 0.2
    for wanted in (0.3, 0.2, 0.15, 0.1):
        found = choose_abstain(NAMES[own], table, LABELS, "selective_error", wanted)
        fine = [t for t in np.unique(sure) if np.mean(~right[sure >= t]) <= wanted]
        below = sure[sure < min(fine)].max(initial=0.0)
        assert below < found["threshold"] < min(fine) or (below, found["threshold"]) == (0, 0)
        assert found["selective_error"] == pytest.approx(np.mean(~right[sure >= min(fine)]))
        assert found["selective_error"] <= wanted
    for wanted in (1.0, 0.8, 0.31):
        found = choose_abstain(NAMES[own], table, LABELS, "coverage", wanted)
        enough = [t for t in np.unique(sure) if np.mean(sure >= t) >= wanted]
        assert sure[sure < max(enough)].max(initial=0.0) <= found["threshold"] < max(enough)
        assert found["coverage"] == pytest.approx(np.mean(sure >= max(enough)))
    fixed = choose_abstain(NAMES[own], table, LABELS, "fixed", 0.7)
    assert fixed["coverage"] == pytest.approx(np.mean(sure >= 0.7))
    assert choose_abstain(NAMES[own], table, LABELS, "none", 0.7)["coverage"] == 1


def test_the_threshold_is_above_the_next_lower_confidence() -> None:
    levels = np.array([1 - 2**-52, 1 - 2**-53, 1.0])
    for k in (1, 2):
        assert levels[k - 1] < _below(levels, k) <= levels[k]


def test_an_aim_that_is_reached_by_all_or_by_none(caplog: pytest.LogCaptureFixture) -> None:
    table = np.log([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2]])
    right, wrong = NAMES[[0, 0]], NAMES[[1, 1]]
    assert choose_abstain(right, table, LABELS, "selective_error", 0.0)["threshold"] == 0
    found = choose_abstain(wrong, table, LABELS, "selective_error", 0.1)
    assert found["selective_error"] == 1
    assert "no threshold has at most 0.1" in caplog.text
    none = choose_abstain(right, table, LABELS, "fixed", 0.9)
    assert (none["coverage"], none["selective_error"]) == (0.0, None)
    with pytest.raises(ValueError, match="got 'guess'"):
        choose_abstain(right, table, LABELS, "guess", 0.1)
    with pytest.raises(ValueError, match="no examples of dev"):
        choose_abstain(right[:0], table[:0], LABELS, "none", 0.1)


# --- predictions --------------------------------------------------------------------------------


def test_predictions_hold_every_system_and_only_ours_abstains() -> None:
    rows, folds, rest = made()
    params = EnsembleParams(choose="vote", abstain="fixed", abstain_value=0.9)
    rule = make_rule(folds, rest, rows, params, HEARD)
    wanted, members = beside(rest, rows, LABELS)
    descriptors = pd.DataFrame({"segment_id": rows["segment_id"], "duration_s": 1.0})
    asked = PredictParams(baselines=["most_frequent"], audit=False)
    told = combined_predictions(rule, members, wanted, rows, descriptors, asked)
    assert list(dict.fromkeys(told["system"])) == [
        "ours", "m0", "m1", "average", "weighted", "vote", "meta", "most_frequent"
    ]  # fmt: skip
    ours, same = told[told["system"] == "ours"], told[told["system"] == "vote"]
    assert (ours["predicted"].to_numpy() == same["predicted"].to_numpy()).all()
    assert told["abstained"].dtype == bool
    assert not told.loc[told["system"] != "ours", "abstained"].any()
    assert ours["abstained"].to_numpy() == pytest.approx(ours["probability"].to_numpy() < 0.9)
    assert np.array_equal(ours["abstained"], abstained(rule, all_systems(rule, members)["vote"]))
    # the order of the classes among equals is that of the most probable member, calibrated or not
    first = told[told["system"] == "m0"].set_index("segment_id")["predicted"]
    raw = rest["m0"].set_index("segment_id").loc[first.index, [f"p_{n}" for n in LABELS]]
    assert (NAMES[raw.to_numpy().argmax(axis=1)] == first.to_numpy()).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choose": 3}, "ensemble.choose must be auto"),
        ({"choose_by": "luck"}, "choose_by must be one of"),
        ({"abstain": "often"}, "abstain must be one of"),
        ({"abstain_value": 1.1}, r"abstain_value must lie in \[0, 1\]"),
        ({"meta_c": 0.0}, "meta_c must lie"),
        ({"n_bins": 1.5}, "whole number"),
        ({"events": {"onset": 0.2, "offset": 0.4}}, "ensemble.events: events need"),
        ({"events": {"loud": 1}}, "ensemble.events: .*loud"),
        ({"events": 3}, "names with their values"),
    ],
)
def test_parameters_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EnsembleParams(**changes)


def test_a_quiet_label_that_is_no_class_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rows, folds, rest = made()
    make_rule(folds, rest, rows, EnsembleParams(), HEARD)
    assert "quiet" not in caplog.text
    events = {**EnsembleParams().events, "quiet": "nothing"}
    make_rule(folds, rest, rows, EnsembleParams(events=events), HEARD)
    assert "ensemble.events.quiet is 'nothing', which is none of the classes" in caplog.text
