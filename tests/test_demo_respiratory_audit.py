"""The demo corpus of breath sounds is as the real tables are, and neither free nor empty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from bodysounds.corpora._respiratory_device import DEVICES
from bodysounds.corpora._respiratory_patients import DIAGNOSES, LABELS
from bodysounds.corpora._respiratory_sounds import RATE
from bodysounds.corpora.demo_respiratory import (
    RespiratoryParams,
    people,
    recordings_of,
    sound_of,
)

AUDIT = RespiratoryParams()


def drawn(params: RespiratoryParams) -> pd.DataFrame:
    rows = []
    for patient in people(params):
        for one in recordings_of(patient, params):
            rows += [
                (patient.name, patient.diagnosis, patient.age, one.side, label, (end - start) / 1e3)
                for start, end, label in zip(
                    one.edges_ms, one.edges_ms[1:], one.labels, strict=False
                )
            ]
    return pd.DataFrame(rows, columns=["patient", "diagnosis", "age", "side", "label", "seconds"])


@pytest.mark.data
def test_the_parameters_are_those_of_the_real_tables(data_dir: Path) -> None:
    folder = data_dir / "respiratory" / "icbhi_tables"
    real = pd.read_csv(folder / "cycles.csv")
    real["label"] = np.array(LABELS)[real["crackles"] + 2 * real["wheezes"]]
    told = pd.read_csv(
        folder / "patient_diagnosis.txt", sep="\t", header=None, index_col=0
    ).squeeze("columns")
    real["diagnosis"] = real["patient"].map(told)
    for name, about in DIAGNOSES.items():
        assert about.share == pytest.approx((told == name).mean(), abs=0.015), name
        # the mean of patients, not of cycles: some have a hundred
        shares = pd.crosstab(real["patient"], real["label"], normalize="index")
        mean = shares[shares.index.map(told) == name].mean().reindex(LABELS)
        np.testing.assert_allclose(about.classes, mean, atol=0.04, err_msg=name)
    own = drawn(RespiratoryParams(n_train=300))
    for quantile in (0.1, 0.5, 0.9):
        seconds = (real["offset_s"] - real["onset_s"]).quantile(quantile)
        assert own["seconds"].quantile(quantile) == pytest.approx(seconds, rel=0.25)
    ages = pd.read_csv(folder / "metadata.txt", sep="\t", header=None)[1]
    assert (own.drop_duplicates("patient")["age"] < 18).mean() == pytest.approx(
        (ages < 18).mean(), abs=0.05
    )


def test_the_default_corpus_has_every_class_on_both_sides() -> None:
    for seed in range(4):
        table = drawn(RespiratoryParams(seed=seed))
        assert 900 < len(table) < 1_200
        counts = pd.crosstab(table["side"], table["label"])
        assert counts.shape == (2, 4)
        assert counts.min(axis=None) >= 5
        assert 0.5 < (table["label"] == "normal").mean() < 0.75


def described(params: RespiratoryParams) -> pd.DataFrame:
    """Each cycle at 4 kHz: its spectrum's mean, spread and extremes, and what must not tell it."""
    rows = []
    for patient in people(params):
        for index, one in enumerate(recordings_of(patient, params)):
            wave = sound_of(patient, index, replace(one, rate=RATE), params)
            for label, start, end in zip(one.labels, one.edges_ms, one.edges_ms[1:], strict=False):
                cycle = np.float64(wave[4 * start : 4 * end])
                power = np.square(np.abs(signal.stft(cycle, RATE, nperseg=256)[2]))[3:115]
                bands = np.log(power.reshape(28, 4, -1).mean(axis=1) + 1e-12)
                spectrum = [
                    bands.mean(axis=1), bands.std(axis=1), *np.percentile(bands, [95], axis=1)
                ]  # fmt: skip
                rows.append(
                    {
                        "patient": patient.name,
                        "told": (patient.sex, patient.age is not None and patient.age < 18),
                        "label": label,
                        "spectrum": np.concatenate(spectrum),
                        "seconds": cycle.size / RATE,
                        "level": 10 * np.log10(np.mean(np.square(cycle))),
                        "device": list(DEVICES).index(patient.device),
                    }
                )
    return pd.DataFrame(rows)


def score(table: pd.DataFrame, features: np.ndarray, strength: float) -> tuple[float, float]:
    """ICBHI Score on unseen patients by logistic regression, and its standard error by patient.

    Normal cycles weigh as much as all others together, as they do in the Score.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    label, patient = table["label"].to_numpy(), table["patient"].to_numpy()
    normal = label == "normal"
    said = np.empty(len(table), dtype=object)
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    for train, test in folds.split(features, label, patient):
        share = normal[train].mean()
        weight = np.where(normal[train], 0.5 / share, 0.5 / (1 - share))
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, max_iter=200, tol=1e-3)
        )
        model.fit(features[train], label[train], logisticregression__sample_weight=weight)
        said[test] = model.predict(features[test])

    def of(rows: np.ndarray) -> float:
        right = said[rows] == label[rows]
        return float(right[normal[rows]].mean() + right[~normal[rows]].mean()) / 2

    rng = np.random.default_rng(0)
    own = [np.flatnonzero(patient == name) for name in np.unique(patient)]
    again = [
        of(np.concatenate([own[k] for k in rng.integers(len(own), size=len(own))]))
        for _ in range(200)
    ]
    return of(np.arange(len(table))), float(np.std(again))


@pytest.fixture(scope="module")
def audited() -> pd.DataFrame:
    return described(AUDIT)


def test_cycles_are_told_by_their_sound_alone(audited: pd.DataFrame) -> None:
    for name in ("seconds", "level"):
        values = audited[name].to_numpy()
        reached, error = score(audited, np.stack([values, np.square(values)], axis=1), 1.0)
        assert reached < 0.5 + 2 * error + 0.01, (name, reached)
    reached, error = score(audited, np.eye(4)[audited["device"]], 1.0)
    assert reached < 0.5 + 2 * error + 0.01, reached
    spectrum = np.stack(list(audited["spectrum"]))
    reached, error = score(audited, spectrum, 0.03)
    assert 0.5 + 2 * error < reached < 0.75, (reached, error)
    # the same sounds, labels dealt anew within each patient
    dealt_anew = drawn(replace(AUDIT, shuffled_labels=True))["label"]
    assert (dealt_anew.to_numpy() != audited["label"].to_numpy()).any()
    reached, error = score(audited.assign(label=dealt_anew), spectrum, 0.03)
    assert reached < 0.5 + 2 * error, (reached, error)


def test_who_knows_sex_and_age_hears_more_where_they_are_planted(audited: pd.DataFrame) -> None:
    spectrum = np.stack(list(audited["spectrum"]))
    scaled = (spectrum - spectrum.mean(axis=0)) / spectrum.std(axis=0)
    dealt_anew = [
        (one.sex, one.age is not None and one.age < 18)
        for one in people(replace(AUDIT, planted_metadata=False))
    ]
    number = audited["patient"].astype(int).to_numpy() - 101
    reached = {}
    for name, groups in {
        "planted": audited["told"].tolist(),
        "not": [dealt_anew[k] for k in number],
    }.items():
        of = [[sex == "F", sex == "M", child, not child] for sex, child in groups]
        member = np.array(of, dtype=np.float64)
        crossed = (scaled[:, None, :] * member[:, :, None]).reshape(len(scaled), -1)
        reached[name], _ = score(audited, np.hstack([scaled, crossed, member]), 0.01)
    plain, error = score(audited, scaled, 0.01)
    assert reached["planted"] > plain + 1.5 * error, (reached, plain, error)
    assert reached["not"] < plain + error, (reached, plain, error)
