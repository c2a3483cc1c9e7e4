"""The filter by sex: which pairs it sets lowest, what it learns from, and what stays calibrated."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import made
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from bodysounds.audio.packed import Packed
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.models.encoder import Encoder, untrained
from bodysounds.params import ScorePairsParams
from bodysounds.pipelines.score_pairs.nodes import score_trials
from bodysounds.scoring.calibration import cross_fitted_llrs, fit_calibration, trial_features
from bodysounds.scoring.embed import embed_sides
from bodysounds.scoring.sexes import differ, learn_sexes, log_accuracy, set_lowest, sure_sexes
from bodysounds.scoring.systems import Encoders, score_systems
from bodysounds.sides import SideTable, build_sides

pytestmark = pytest.mark.usefixtures("one_thread")

Corpus = tuple[Packed, SideTable, pd.DataFrame]
ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
FRONT_END = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return untrained(Encoder({}, ARCHITECTURE, FRONT_END), seed=0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> Corpus:
    """Sex is what subjects spread most by; one dev and one train subject's is unknown."""
    counts = {"train": 9, "dev": 5, "test": 6}
    packed, sides, trials = made.corpus(tmp_path_factory.mktemp("corpus"), counts, seconds=2.0)
    heard = embed_sides(encoder, packed, sides, np.arange(len(sides)), 60.0, "cpu")
    means = pd.DataFrame(heard).groupby(sides.table["subject_id"].to_numpy()).mean()
    place = means @ np.linalg.svd(means - means.mean())[2][0]
    within = place.groupby(place.index.str[:-2]).transform("median")
    female = sides.table["subject_id"].map(place > within)
    sex = pd.Series(np.where(female, "female", "male"), dtype=object)
    sex[sides.table["subject_id"].isin(["dev04", "train08"])] = None
    return packed, replace(sides, table=sides.table.assign(sex=sex)), trials


def scored(corpus: Corpus, encoder: Encoder, dev: Encoder | None = None, **options: object):
    packed, sides, trials = corpus
    params = ScorePairsParams(**{"device": "cpu", "systems": ["ours"], **options})
    described = packed.index[["segment_id"]]
    found = score_systems(
        Encoders(encoder, dev or encoder), packed, sides, trials, described, params
    )
    return found[0], found[2].set_index(["system", "trial_id"])


def two_classes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return embeddings (90, 4), sexes, some of them unknown, and subjects of 1 to 14 sides."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(
        [f"s{k:02d}" for k in range(12)], [1, 14, 2, 13, 3, 12, 4, 11, 5, 10, 6, 9]
    )
    female = np.array([int(name[1:]) % 3 == 0 for name in subjects])
    table = rng.normal(size=(len(subjects), 4)) * [1, 5, 0.1, 1] + female[:, None] * [1, 2, 0, 0]
    sexes = np.where(female, "female", "male").astype(object)
    sexes[np.isin(subjects, ["s02", "s03"])] = [None, np.nan] * 7 + [None]
    return table.astype(np.float32), sexes, subjects


def test_pairs_of_two_known_sexes_differ() -> None:
    sexes = np.array(["f", None, "m", "f", np.nan, "m", "x"], dtype=object)
    pairs = np.array([(a, b) for a in range(7) for b in range(7)])
    slow = [
        isinstance(sexes[a], str) and isinstance(sexes[b], str) and sexes[a] != sexes[b]
        for a, b in pairs
    ]
    assert differ(sexes, pairs).tolist() == slow
    assert differ(sexes, np.empty((0, 2), np.int64)).tolist() == []
    assert not differ(np.array([None, None], dtype=object), np.array([[0, 1]])).any()


def test_the_classifier_is_the_weighted_logistic_regression() -> None:
    table, sexes, subjects = two_classes()
    model = learn_sexes(table, sexes, subjects)
    known = np.array([isinstance(sex, str) for sex in sexes])
    x, y, own = table[known].astype(float), sexes[known] == "male", subjects[known]
    weight = np.array([1 / np.sum(own == name) for name in own])
    mean = (weight[:, None] * x).sum(0) / weight.sum()
    spread = np.sqrt((weight[:, None] * (x - mean) ** 2).sum(0) / weight.sum())
    sign = np.where(y, 1, -1)

    def loss(beta: np.ndarray) -> float:
        margin = sign * ((x - mean) / spread @ beta[:-1] + beta[-1])
        return weight @ np.logaddexp(0, -margin) + beta[:-1] @ beta[:-1] / 2

    beta = minimize(loss, np.zeros(5), options={"gtol": 1e-8}).x
    male = 1 / (1 + np.exp(-((table - mean) / spread @ beta[:-1] + beta[-1])))
    np.testing.assert_allclose(model.predict_proba(table)[:, 1], male, atol=1e-3)
    for certainty in (0.5, 0.7, 0.9):
        expected = [
            "male" if p > certainty else "female" if 1 - p > certainty else None for p in male
        ]
        assert sure_sexes(model, table, certainty).tolist() == expected
    assert sure_sexes(model, table[:0], 0.9).shape == (0,)


def test_a_subject_heard_more_often_weighs_no_more() -> None:
    table, sexes, subjects = two_classes()
    often = np.append(np.arange(len(table)), np.tile(np.flatnonzero(subjects == "s05"), 4))
    first = learn_sexes(table, sexes, subjects).predict_proba(table)
    again = learn_sexes(table[often], sexes[often], subjects[often]).predict_proba(table)
    np.testing.assert_allclose(first, again, atol=1e-3)


@pytest.mark.parametrize(
    ("sexes", "named"), [([None, None, None], "none"), (["f", None, "f"], "only 'f'")]
)
def test_one_sex_is_too_few(sexes: list[str | None], named: str) -> None:
    with pytest.raises(ValueError, match=f"two sexes, and the manifest names {named} among the 3"):
        learn_sexes(np.eye(3), np.array(sexes, dtype=object), np.array(["a", "b", "c"]))


def test_accuracy_is_logged_with_its_n(caplog: pytest.LogCaptureFixture) -> None:
    table, sexes, subjects = two_classes()
    model = learn_sexes(table, sexes, subjects)
    asked = np.random.default_rng(1).permutation(len(table))[:40]
    right: dict[str, list[bool]] = {}
    for k in asked:
        if isinstance(sexes[k], str):
            right.setdefault(subjects[k], []).append(model.predict(table[[k]])[0] == sexes[k])
    slow = np.mean([np.mean(own) for own in right.values()])
    with caplog.at_level(logging.INFO):
        found = log_accuracy(model, table[asked], sexes[asked], subjects[asked])
        assert log_accuracy(model, table, np.full(len(table), None), subjects) is None
    assert found == pytest.approx(slow)
    n_sides = sum(map(len, right.values()))
    assert f"{100 * slow:.1f}% of {n_sides} dev sides of {len(right)} subjects" in caplog.text
    assert "no dev side has a known sex" in caplog.text
    alone = log_accuracy(model, table[asked], sexes[asked], np.full(len(asked), None))
    assert alone == pytest.approx(np.mean(np.concatenate(list(right.values()))))


def test_the_lowest_lie_below_all_others_and_test_tells_dev_nothing() -> None:
    rng = np.random.default_rng(0)
    cosine, normalised = rng.uniform(-0.9, 1, 60), rng.normal(size=60)
    lowest, is_dev = rng.random(60) < 0.4, np.arange(60) < 30
    first, second = set_lowest(cosine, normalised, lowest, is_dev)
    assert (first[lowest] == -1).all()
    for before, after in ((cosine, first), (normalised, second)):
        np.testing.assert_array_equal(after[~lowest], before[~lowest])
        assert after[lowest].max() < after[~lowest].min()
    other = normalised.copy()
    other[~is_dev] -= 50
    changed = set_lowest(cosine, other, lowest, is_dev)[1]
    np.testing.assert_array_equal(changed[is_dev], second[is_dev])
    assert changed[lowest & ~is_dev].max() < changed[~lowest].min()
    other[~is_dev] += 100  # dev's others lie below all of test's: they count for test
    changed = set_lowest(cosine, other, lowest, is_dev)[1]
    assert changed[lowest & ~is_dev].max() < changed[~lowest].min()
    none = set_lowest(cosine, np.full(60, np.nan), lowest, is_dev)[1]
    assert np.isnan(none).all()
    everything = set_lowest(cosine, normalised, np.ones(60, bool), is_dev)
    assert set(everything[0]) == {-1.0}
    assert np.isfinite(everything[1]).all()


def two_sexes(sexes: dict[str, str | None], trial: object) -> bool:
    first, second = sexes[trial.enrol_id], sexes[trial.test_id]
    return first is not None and second is not None and first != second


def check_filtered(
    table: pd.DataFrame, trials: pd.DataFrame, sexes: dict[str, str | None]
) -> np.ndarray:
    """Assert that ours is unfiltered but for the pairs of two sexes; return which these are."""
    hit = np.array([two_sexes(sexes, trial) for trial in trials.itertuples()])
    ours, plain = table.loc["ours"], table.loc["unfiltered"]
    assert ours.index.tolist() == plain.index.tolist() == trials["trial_id"].tolist()
    pd.testing.assert_frame_equal(ours[~hit], plain[~hit])
    assert (ours.loc[hit, "cosine"] == -1).all()
    assert (plain["cosine"] > -1).all()
    is_test = (trials["subset"] == "test").to_numpy()
    for told in (is_test, ~is_test):
        lowest, others = ours.loc[hit & told, "normalised"], ours.loc[~hit & told, "normalised"]
        assert lowest.nunique() == 1
        assert lowest.max() < others.min()
    assert np.isfinite(ours.to_numpy()).all()
    return hit


def test_known_sexes_set_pairs_lowest_and_leave_the_unknown_alone(
    corpus: Corpus, encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    _, sides, trials = corpus
    with caplog.at_level(logging.INFO):
        listed = ["ours", "windows", "untrained"]
        vectors, table = scored(corpus, encoder, sex_filter="known", systems=listed)
    systems = ["ours", "unfiltered", "windows", "untrained"]
    assert list(dict.fromkeys(table.index.get_level_values(0))) == systems
    sexes = dict(zip(sides.table["side_id"], sides.table["sex"], strict=True))
    hit = check_filtered(table, trials, sexes)
    of_unknown = trials["enrol_id"].str.startswith("dev04").to_numpy()
    assert hit.any()
    assert of_unknown.any()
    assert not hit[of_unknown].any()
    assert not hit[trials["target"] == 1].any()
    assert f"{hit.sum()} of {len(trials)} trials are of two sexes, as known" in caplog.text
    plain_vectors, plain = scored(corpus, encoder, systems=listed)
    pd.testing.assert_frame_equal(plain.loc["ours"], table.loc["unfiltered"])
    np.testing.assert_array_equal(plain_vectors["ours"], vectors["ours"])
    for system in listed[1:]:  # the filter is ours alone
        pd.testing.assert_frame_equal(plain.loc[system], table.loc[system])
    assert list(vectors) == listed


def slow_sexes(corpus: Corpus, encoder: Encoder, certainty: float) -> dict[str, str | None]:
    """Return the sex of every side that scikit-learn is sure of, taught by train alone."""
    packed, sides, _ = corpus
    heard = embed_sides(encoder, packed, sides, np.arange(len(sides)), 60.0, "cpu").astype(float)
    table = sides.table
    teach = ((table["subset"] == "train") & table["sex"].notna()).to_numpy()
    subjects = table["subject_id"][teach]
    weight = 1 / subjects.map(subjects.value_counts()).to_numpy()
    mean = np.average(heard[teach], axis=0, weights=weight)
    spread = np.sqrt(np.average((heard[teach] - mean) ** 2, axis=0, weights=weight))
    model = LogisticRegression(max_iter=1_000)
    model.fit((heard[teach] - mean) / spread, table["sex"][teach].astype(str), weight)
    sure = model.predict_proba((heard - mean) / spread)
    named = [model.classes_[p.argmax()] if p.max() > certainty else None for p in sure]
    return dict(zip(table["side_id"], named, strict=True))


@pytest.mark.parametrize("certainty", [0.5, 0.7])
def test_the_classifier_sets_pairs_lowest_that_it_is_sure_of(
    corpus: Corpus, encoder: Encoder, certainty: float, caplog: pytest.LogCaptureFixture
) -> None:
    _, sides, trials = corpus
    sexes = slow_sexes(corpus, encoder, certainty)
    unsure = sum(sex is None for sex in sexes.values())
    assert (unsure > 0) == (certainty > 0.5)
    with caplog.at_level(logging.INFO):
        _, table = scored(
            corpus,
            encoder,
            sex_filter="classifier",
            sex_certainty=certainty,
        )
    hit = check_filtered(table, trials, sexes)
    assert 0 < hit.sum() < len(hit)
    # dev subjects of known sex: 4 of 5, with two sides each
    assert re.search(r"right for [\d.]+% of 8 dev sides of 4 subjects", caplog.text)
    # what the manifest says of dev and test plays no part
    turned = sides.table["sex"].where(sides.table["subset"] == "train", "male")
    other = replace(sides, table=sides.table.assign(sex=turned))
    _, again = scored(
        (corpus[0], other, trials),
        encoder,
        sex_filter="classifier",
        sex_certainty=certainty,
    )
    pd.testing.assert_frame_equal(table, again)


def test_each_listener_learns_from_its_own_embeddings(corpus: Corpus, encoder: Encoder) -> None:
    _, _, trials = corpus
    other = untrained(encoder, seed=3)
    options = {"sex_filter": "classifier", "sex_certainty": 0.6}
    _, table = scored(corpus, encoder, dev=other, **options)
    of = {"dev": slow_sexes(corpus, other, 0.6), "test": slow_sexes(corpus, encoder, 0.6)}
    expected = [two_sexes(of[trial.subset], trial) for trial in trials.itertuples()]
    assert (table.loc["ours", "cosine"] == -1).tolist() == expected
    _, one = scored(corpus, encoder, **options)
    assert (one.loc["ours", "cosine"] == -1).tolist() != expected


def test_train_of_one_sex_is_refused_in_one_sentence(corpus: Corpus, encoder: Encoder) -> None:
    packed, sides, trials = corpus
    one = replace(sides, table=sides.table.assign(sex="female"))
    with pytest.raises(ValueError, match="names only 'female' among the 18 of the cohort: give"):
        scored((packed, one, trials), encoder, sex_filter="classifier")
    # known needs nothing of train
    _, table = scored((packed, one, trials), encoder, sex_filter="known")
    pd.testing.assert_frame_equal(table.loc["ours"], table.loc["unfiltered"])


def test_recipes_and_folds_have_ours_alone(
    corpus: Corpus, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides, trials = corpus
    monkeypatch.setattr("bodysounds.sides.build_sides", lambda *tables: sides)
    empty = pd.DataFrame({"recording_id": [], "sha256": [], "subset": []}, dtype="str")
    params = ScorePairsParams(device="cpu", sex_filter="known", shuffles=2)
    tables = (packed, empty, empty, empty, empty, trials, packed.index[["segment_id"]])
    scores = score_trials(encoder, encoder, *tables, params, baselines=False)[2]
    assert set(scores["system"]) == {"ours"}
    assert scores.index.tolist() == list(range(len(trials)))
    assert (scores["cosine"] == -1).any()


def test_many_equal_scores_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"s{k}" for k in range(24)])
    enrol, test = (side.ravel() for side in np.meshgrid(names, names))
    labels, male = enrol == test, {name: k % 2 for k, name in enumerate(names)}
    raw = rng.normal(0.3, 0.15, len(labels)) + 0.3 * labels
    hit = np.array([male[a] != male[b] for a, b in zip(enrol, test, strict=True)])
    subsets, everyone = np.full(len(labels), "dev"), np.ones(len(labels), bool)
    normalised = (raw - 0.3) / 0.1
    seconds = rng.uniform(1, 9, (2, len(labels)))
    for scores in set_lowest(raw, normalised, hit, everyone):
        for features in (trial_features(scores)[0], trial_features(scores, *seconds)[0]):
            fit = fit_calibration(features, labels, subsets)
            assert not fit.held_at_zero
            llrs = cross_fitted_llrs(features, labels, subsets, enrol, test)
            for told in (fit.llrs(features), llrs):
                assert np.isfinite(told).all()
                assert told[hit].max() < np.median(told[~hit & ~labels])
                assert equal_error_rate(labels, told)[0] < equal_error_rate(labels, raw)[0]
    plain = fit_calibration(raw[~hit], labels[~hit], subsets[~hit])
    filtered = fit_calibration(set_lowest(raw, raw, hit, everyone)[0], labels, subsets)
    # the ties are far from the rest and hardly move the slope that the rest asks for
    assert filtered.coefficients[0] == pytest.approx(plain.coefficients[0], rel=0.35)


def test_a_side_has_the_sex_of_its_recordings() -> None:
    names = list("abcdef")
    manifest = pd.DataFrame({"recording_id": names, "subject_id": names})
    manifest = manifest.assign(group_id=names, session_id=None, domain=None, recorded_at=np.nan)
    manifest["sex"] = ["m", "m", "m", "f", None, "f"]
    segments = pd.DataFrame({"segment_id": names, "recording_id": names, "start_s": 0.0})
    sides = pd.DataFrame({"side_id": [1, 1, 2, 2, 3, 4], "recording_id": names, "order": 0})
    index = pd.DataFrame({"segment_id": names, "first_sample": range(6), "n_samples": 1})
    packed = Packed(np.zeros(6, np.int16), index, 16_000)
    subsets = pd.DataFrame({"recording_id": names, "subset": "train"})
    found = build_sides(packed, segments, sides, manifest, subsets).table["sex"]
    assert found.astype(object).where(found.notna(), None).tolist() == ["m", None, None, "f"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sex_filter": "guess"}, "one of known, classifier, or null, got 'guess'"),
        ({"sex_certainty": 0.2}, r"sex_certainty must lie in \[0.5, 1\], got 0.2"),
        (
            {"sex_filter": "classifier", "cohort_subjects": 0, "centre": []},
            "learns from the cohort",
        ),
    ],
)
def test_wrong_parameters_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScorePairsParams(**wrong)
