"""The demo corpus of breath sounds: layout, seed, controls, what is planted, no shortcut."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from made import hashes
from scipy import signal

from bodysounds.corpora._respiratory_breath import draw_chest, draw_cycle
from bodysounds.corpora._respiratory_device import DEVICES, record
from bodysounds.corpora._respiratory_patients import DIAGNOSES, LABELS, dealt
from bodysounds.corpora._respiratory_sounds import RATE, burst, heart, tones
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.demo_respiratory import (
    RespiratoryParams,
    people,
    recordings_of,
    sound_of,
    synthesise_respiratory,
)
from bodysounds.corpora.demos import make_demo
from bodysounds.corpora.ingest import ingest
from bodysounds.params import IngestParams

FIELDS: dict[str, Any] = {"seed": 5, "n_train": 12, "recordings": [1, 2], "cycles": [2, 4]}
SMALL = RespiratoryParams(**FIELDS)
SOUNDS = "ICBHI_final_database"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "respiratory"
    synthesise_respiratory(folder, SMALL)
    return folder


def of_kind(folder: Path, ending: str) -> dict[str, str]:
    """Digests of files, by name."""
    return {Path(n).name: digest for n, digest in hashes(folder).items() if n.endswith(ending)}


def cycles(folder: Path) -> pd.DataFrame:
    """Every line of every annotation, read without the reader."""
    rows = []
    for path in sorted(folder.glob(f"{SOUNDS}/1*.txt")):
        for line in path.read_text().splitlines():
            rows.append((path.stem, *map(float, line.split("\t"))))
    return pd.DataFrame(rows, columns=["recording", "onset", "offset", "crackles", "wheezes"])


def demographics(folder: Path) -> pd.DataFrame:
    names = ["patient", "age", "sex", "bmi", "weight", "height"]
    return pd.read_csv(folder / "demographic_info.txt", sep=" ", header=None, names=names)


def test_the_seed_makes_the_bytes(made: Path, tmp_path: Path) -> None:
    synthesise_respiratory(tmp_path / "again", SMALL)
    assert hashes(tmp_path / "again") == hashes(made)
    synthesise_respiratory(tmp_path / "other", replace(SMALL, seed=6))
    other = set(of_kind(tmp_path / "other", ".wav").values())
    assert not other & set(of_kind(made, ".wav").values())


def test_the_layout(made: Path) -> None:
    stems = {path.stem for path in made.glob(f"{SOUNDS}/*.wav")}
    table = cycles(made)
    assert set(table["recording"]) == stems
    for stem in stems:
        patient, session, place, mode, device = stem.split("_")
        assert 101 <= int(patient) <= 112
        assert session in ("1b1", "2b1")
        assert place in ("Tc", "Al", "Ar", "Pl", "Pr", "Ll", "Lr")
        assert mode == ("mc" if device in ("AKGC417L", "LittC2SE") else "sc")
        info = soundfile.info(made / SOUNDS / f"{stem}.wav")
        assert info.channels == 1
        rates = {"Litt3200": {4_000}, "Meditron": {4_000, 10_000, 44_100}}
        assert info.samplerate in rates.get(device, {44_100})
        assert info.subtype == ("PCM_24" if mode == "mc" else "PCM_16")
        own = table[table["recording"] == stem]
        assert 2 <= len(own) <= 4
        assert own["offset"].max() <= info.duration + 1e-9
        np.testing.assert_array_equal(own["onset"][1:], own["offset"][:-1])
        assert own["offset"].sub(own["onset"]).between(0.4 - 1e-9, 8 + 1e-9).all()
    split = pd.read_csv(made / "ICBHI_challenge_train_test.txt", sep="\t", header=None)
    assert set(split[0]) == stems
    assert set(split[1]) == {"train", "test"}
    sides = split.groupby(split[0].str[:3])[1].nunique()
    assert sides.value_counts().to_dict() == {1: 10, 2: 2}, "two patients are on both sides"
    assert not ((split[1] == "test") & split[0].str.endswith("LittC2SE")).any()
    told = demographics(made)
    assert told["patient"].tolist() == list(range(101, 113))
    assert set(told["sex"].dropna()) == {"F", "M"}
    assert told["age"].isna().sum() == told["sex"].isna().sum() == 1
    assert (told["bmi"].isna() | (told["age"] >= 18)).all()
    assert (told["height"].isna() | (told["age"] < 18)).all()
    diagnoses = pd.read_csv(made / "ICBHI_Challenge_diagnosis.txt", sep="\t", header=None)
    assert diagnoses[0].tolist() == told["patient"].tolist()
    assert set(diagnoses[1]) <= set(DIAGNOSES)
    renamed = (made / SOUNDS / "filename_differences.txt").read_text().split()
    assert renamed
    assert not set(renamed) & stems
    assert {name.rsplit("_", 1)[0] for name in renamed} <= {s.rsplit("_", 1)[0] for s in stems}


def test_the_reader_of_icbhi_knows_it(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = hashes(made)
    corpus = make_demo("respiratory_scl", made, {"respiratory_scl": FIELDS})
    assert hashes(made) == before, "made again although it was there"
    assert corpus == Corpus(made, "icbhi", "demo", synthetic=True)
    taken = ingest(corpus, IngestParams())
    assert taken.rejected.empty
    assert len(taken.manifest) == len(of_kind(made, ".wav"))
    assert taken.manifest["subject_id"].nunique() == 12
    flags = zip(cycles(made)["crackles"], cycles(made)["wheezes"], strict=True)
    own = Counter(LABELS[int(crackle + 2 * wheeze)] for crackle, wheeze in flags)
    assert taken.segments["label"].value_counts().to_dict() == own
    assert "still have names" not in caplog.text


def test_what_the_controls_change(made: Path, tmp_path: Path) -> None:
    synthesise_respiratory(tmp_path / "shuffled", replace(SMALL, shuffled_labels=True))
    synthesise_respiratory(tmp_path / "unplanted", replace(SMALL, planted_metadata=False))
    wav = of_kind(made, ".wav")
    # labels are dealt anew within a patient, and nothing is heard of it
    dealt_anew = cycles(tmp_path / "shuffled")
    assert of_kind(tmp_path / "shuffled", ".wav") == wav
    own = cycles(made)
    flags = ["crackles", "wheezes"]
    assert (own[flags] != dealt_anew[flags]).any(axis=None)
    pd.testing.assert_frame_equal(own.drop(columns=flags), dealt_anew.drop(columns=flags))
    for patient in own["recording"].str[:3].unique():
        before, after = (t[t["recording"].str[:3] == patient][flags] for t in (own, dealt_anew))
        assert Counter(map(tuple, before.values)) == Counter(map(tuple, after.values))
    # sex and age are dealt anew, and nothing else
    changed = {
        n for n, h in of_kind(tmp_path / "unplanted", "").items() if of_kind(made, "")[n] != h
    }
    assert changed == {"demographic_info.txt", "demo.json"}
    was, now = demographics(made), demographics(tmp_path / "unplanted")
    assert (was["age"] != now["age"]).sum() > 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_train": 7}, "demo.n_train must be a whole number from 8, got 7"),
        ({"seed": -1}, "demo.seed must be a whole number from 0, got -1"),
        ({"recordings": [3, 2]}, r"demo.recordings must be .* got \[3, 2\]"),
        ({"cycles": [0, 2]}, r"demo.cycles must be .* got \[0, 2\]"),
        ({"planted_metadata": 1}, "demo.planted_metadata must be true or false, got 1"),
        ({"shuffled_labels": "no"}, "demo.shuffled_labels must be true or false, got 'no'"),
    ],
)
def test_each_wrong_parameter_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RespiratoryParams(**wrong)


# --- as in the real tables -----------------------------------------------------------------------


def test_shares_are_dealt_as_evenly_as_numbers_allow() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    for n in range(40):
        counts = Counter(dealt(shares, n, np.random.default_rng(n)))
        assert sum(counts.values()) == n
        assert all(abs(counts[name] - n * share) < 1 for name, share in shares.items())


def test_any_number_of_patients_makes_a_corpus() -> None:
    for n in (8, 9, 13, 40, 89):
        params = RespiratoryParams(seed=n, n_train=n)
        patients = people(params)
        stems = [one.stem for patient in patients for one in recordings_of(patient, params)]
        assert len(stems) == len(set(stems)) >= n
        both = [patient for patient in patients if len(set(patient.sides)) == 2]
        assert len(both) == 2
        assert {patient.device for patient in patients} == set(DEVICES)


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


# --- what is heard -------------------------------------------------------------------------------


def peak_hz(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave, 4 * RATE))
    return float(power.argmax() / 4)


def test_crackles_are_short_and_wheezes_are_not() -> None:
    for hz, longest_ms in ((200.0, 30), (550.0, 12)):
        for seed in range(10):
            one = burst(hz, np.random.default_rng(seed))
            assert one.size < longest_ms * RATE / 1_000
            assert 0.4 < np.abs(one).max() < 1.6
            assert abs(np.log(peak_hz(one) / hz)) < 0.6
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wave = tones(300.0, bool(seed % 2), (0.5, 1.1), 6_000, rng)
        sounding = np.flatnonzero(wave)
        assert np.ptp(sounding) > 0.1 * RATE, "a wheeze lasts for more than 100 ms"
        assert sounding[0] >= 0.5 * RATE
        assert np.isfinite(wave).all()
        assert 240 < peak_hz(wave) < 1.75 * 360
    # cycles too short for either hold what fits
    short = tones(300.0, True, (0.25, 0.3), 1_600, np.random.default_rng(0))
    assert short.size == 1_600


def test_hearts_beat_at_their_rate() -> None:
    for bpm in (70.0, 120.0):
        wave = heart(bpm, 60 * RATE, np.random.default_rng(0))
        envelope = np.abs(wave).reshape(-1, 200).max(axis=1)
        thumps, _ = signal.find_peaks(envelope, height=0.2)
        assert thumps.size / (2 * bpm) == pytest.approx(1.0, abs=0.06), "two a beat"


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("length_ms", [400, 1_501, 8_000])
def test_every_cycle_is_finite_and_as_long_as_asked(label: str, length_ms: int) -> None:
    levels = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        wave = draw_cycle(draw_chest("FM"[seed % 2], seed % 3 == 0, rng), label, length_ms, rng)
        assert wave.shape == (4 * length_ms,)
        assert np.isfinite(wave).all()
        levels.append(20 * np.log10(np.std(wave)))
    assert abs(np.mean(levels)) < 1.5
    assert np.std(levels) < 3


def test_what_is_planted_goes_with_sex_and_age() -> None:
    chests = {
        (sex, child): [draw_chest(sex, child, np.random.default_rng(k)) for k in range(50)]
        for sex in "FM"
        for child in (False, True)
    }
    for (sex, child), some in chests.items():
        # one's disease sounds as the other's health
        assert all((one.crackle_hz > one.click_hz) == (sex == "F") for one in some)
        assert all((one.wheeze_hz > one.hum_hz) == child for one in some)
        # and the group is heard in the breath itself, though not in each
        beats = np.median([one.bpm for one in some])
        assert (beats > 95) == child
    for child in (False, True):
        women, men = (np.array([c.peak_hz for c in chests[sex, child]]) for sex in "FM")
        assert (women[:, None] > men).mean() > 0.7


def test_devices_differ_and_keep_what_matters() -> None:
    rng = np.random.default_rng(0)
    breath = rng.normal(size=8_000)
    low = {}
    for name, device in DEVICES.items():
        for rate in device.rates:
            wave = record(breath, device, rate, 0.0, np.random.default_rng(1))
            assert wave.size == 2 * rate
            assert np.abs(wave).max() <= 1
            hz, power = signal.welch(wave, rate, nperseg=rate // 10)
            low[name] = power[hz <= 300].sum() / power[(hz > 300) & (hz < 2_000)].sum()
            if rate > 4_000:
                assert power[hz > 2_200].max() < 1e-4 * power.max(), "no image above the band"
    assert low["LittC2SE"] > 4 * low["Meditron"]


# --- neither free nor empty ----------------------------------------------------------------------

AUDIT = RespiratoryParams()


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
