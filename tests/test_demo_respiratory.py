"""The demo corpus of breath sounds: layout, seed, controls."""

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

from bodysounds.corpora._respiratory_device import DEVICES
from bodysounds.corpora._respiratory_patients import DIAGNOSES, LABELS, dealt
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.demo_respiratory import (
    RespiratoryParams,
    people,
    recordings_of,
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
