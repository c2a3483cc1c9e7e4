"""What `init-corpus` finds in recordings: faults, copies, shortcuts, and the interval to expect."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from made_folders import made_conf

from bodysounds.commands.init_corpus import run
from bodysounds.corpora.base import recordings_table
from bodysounds.corpora.probe import probe_file
from bodysounds.corpora.survey.facts import survey
from bodysounds.corpora.survey.files import choose
from bodysounds.corpora.survey.fit import fits
from bodysounds.corpora.survey.interval import expected_interval, interval_facts
from bodysounds.corpora.survey.metadata import metadata
from bodysounds.corpora.survey.shortcuts import label_shortcuts, sentences, subject_shortcuts
from bodysounds.params import IngestParams

RATE = 16_000


def tone(rng: np.random.Generator, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * rng.uniform(200, 900) * time) + 0.01 * rng.normal(
        size=time.size
    )


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Ten subjects of three recordings, some of them at fault, as their names say."""
    root, rng = tmp_path_factory.mktemp("faulty"), np.random.default_rng(0)
    rows = []
    for subject in range(10):
        for k in range(3):
            rows.append((f"s{subject}_{k}.wav", f"s{subject}"))
            soundfile.write(root / rows[-1][0], tone(rng, 0.5 + 0.1 * k), RATE)
    (root / "s1_copy.wav").write_bytes((root / "s0_0.wav").read_bytes())
    (root / "s2_copy.wav").write_bytes((root / "s2_1.wav").read_bytes())
    soundfile.write(root / "s3_silent.wav", np.zeros(8000), RATE)
    soundfile.write(root / "s4_short.flac", tone(rng, 0.01), RATE)
    soundfile.write(root / "s5_clipped.wav", np.sign(tone(rng)), RATE)
    soundfile.write(root / "s6_stereo.flac", np.stack([tone(rng, 2.0)] * 2, 1), 44_100)
    (root / "s7_broken.wav").write_bytes((root / "s0_1.wav").read_bytes()[:2000])
    rows += [(path.name, path.name[:2]) for path in sorted(root.glob("*_[a-z]*"))]
    rows.append(("s8_gone.wav", "s8"))
    table = pd.DataFrame(rows, columns=["path", "subject_id"])
    return root, recordings_table({"recording_id": table["path"], **dict(table.items())})


def test_faults_and_copies_are_named(faulty: tuple[Path, pd.DataFrame]) -> None:
    root, recordings = faulty
    facts, manifest, descriptors = survey(root, recordings, IngestParams(workers=1))
    names = {
        fault: [one["path"] for one in found["named"]] for fault, found in facts["faults"].items()
    }
    assert names == {
        "missing": ["s8_gone.wav"], "broken": ["s7_broken.wav"], "short": ["s4_short.flac"],
        "silent": ["s3_silent.wav"],
    }  # fmt: skip
    # as the run's own ingest sees each file
    for path in recordings["path"]:
        bad = bool(probe_file(root, path, IngestParams()).reason)
        assert bad == (path not in set(manifest["path"])), path
    assert [one["path"] for one in facts["clipped"]["named"]] == ["s5_clipped.wav"]
    copies = facts["copies"]
    assert (copies["groups"], copies["recordings"], copies["across"]) == (2, 4, 1)
    assert copies["across_named"][0]["paths"] == ["s0_0.wav", "s1_copy.wav"]
    assert copies["across_named"][0]["subjects"] == ["s0", "s1"]
    seconds = [soundfile.info(root / path).duration for path in manifest["path"]]
    assert facts["total_s"] == pytest.approx(sum(seconds))
    assert facts["seconds"]["most"] == pytest.approx(max(seconds))
    assert facts["sample_rates"] == {"16000": 33, "44100": 1}
    assert facts["channels"] == {"1": 33, "2": 1}
    assert facts["recordings"] == 38
    assert facts["usable"] == len(manifest) == len(descriptors) == 34
    assert facts["recordings_a_subject"]["most"] == 4


def test_the_same_samples_in_another_format_are_a_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "recs"
    folder.mkdir()
    for subject in range(6):
        for k in range(3):
            wave = tone(rng, 0.5)  # of one length, as clips often are
            soundfile.write(folder / f"spk{subject}_{k}.wav", wave, RATE)
            if k == 0:
                exact, rate = soundfile.read(folder / f"spk{subject}_{k}.wav")
                soundfile.write(folder / f"spk{subject}_8.flac", exact, rate)
    exact, rate = soundfile.read(folder / "spk0_1.wav")
    soundfile.write(folder / "spk5_9.wav", exact, rate, subtype="FLOAT")  # filed under another
    conf = made_conf(tmp_path)
    assert run([str(folder), "--conf", str(conf), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    copies = told["facts"]["copies"]
    assert (copies["groups"], copies["recordings"], copies["recoded"]) == (7, 14, 7)
    assert copies["across_named"][0]["paths"] == ["spk0_1.wav", "spk5_9.wav"]
    # of one subject one stands in the table; whose the other is, somebody must say
    table = pd.read_csv(folder / "metadata.csv")
    assert len(table) == 25 - 6
    assert {"spk0_1.wav", "spk5_9.wav", "spk3_0.wav"} <= set(table["file_name"])
    assert not table["file_name"].str.endswith("flac").any()
    assert run([str(folder), "--conf", str(conf), "--dry-run"]) == 0
    # what is left is the misfiled one
    assert "in other formats    1: a run does not see" in capsys.readouterr().out


def test_a_sample_is_decoded_and_said(faulty: tuple[Path, pd.DataFrame]) -> None:
    root, recordings = faulty
    limits = IngestParams(workers=1)
    whole, _, _ = survey(root, recordings, limits)
    facts, _, descriptors = survey(root, recordings, limits, decoded=5, described=3)
    assert 5 <= facts["decoded"] <= 8
    assert len(descriptors) <= 3
    # headers suffice for these, but for the truncated file, which seems whole
    assert facts["copies"] == whole["copies"]
    assert facts["faults"]["short"]["count"] == whole["faults"]["short"]["count"]
    assert facts["recordings"] == whole["recordings"]
    again = survey(root, recordings.sample(frac=1, random_state=1), limits, decoded=5, described=3)
    assert again[0] == facts


def test_subjects_of_several_recordings_are_drawn_first() -> None:
    subjects = [None, *"aabbbccd"]
    taken = choose(subjects, 6, 2, np.random.default_rng(0))
    assert [name for name, one in zip(subjects, taken, strict=True) if one] == list("aabbcc")


def made_manifest(rng: np.random.Generator, n: int = 40, each: int = 4) -> pd.DataFrame:
    subject = np.repeat([f"s{k:02}" for k in range(n)], each)
    path = [f"{name}_{k % each}.wav" for k, name in enumerate(subject)]
    table = recordings_table({"recording_id": path, "path": path, "subject_id": subject})
    return table.assign(duration_s=rng.uniform(1, 2, len(path)), sample_rate=16_000, sha256=path)


def described(manifest: pd.DataFrame, rng: np.random.Generator, own: str | None) -> pd.DataFrame:
    """Descriptors of noise, but for `own`, which each subject (or class) has its own of."""
    columns = ("duration_s", "level_dbfs", "peak_dbfs", "clipped_share", "noise_floor_dbfs",
               "bandwidth_hz", "voiced_share", "silence_share")  # fmt: skip
    table = pd.DataFrame(rng.normal(size=(len(manifest), len(columns))), columns=list(columns))
    table["duration_s"] = manifest["duration_s"].to_numpy()
    if own:
        whose = manifest["subject_id"].where(manifest["label"].isna(), manifest["label"])
        table[own] = pd.factorize(whose)[0] + 0.2 * rng.normal(size=len(table))
    return table.assign(recording_id=manifest["recording_id"].to_numpy())


def test_a_noise_floor_of_ones_own_is_told() -> None:
    rng = np.random.default_rng(0)
    manifest = made_manifest(rng)
    planted = subject_shortcuts(manifest, described(manifest, rng, "noise_floor_dbfs"))
    flagged = [name for name, one in planted.items() if isinstance(one, dict) and one["flagged"]]
    assert "noise_floor" in flagged
    assert not {"level", "duration", "bandwidth"} & set(flagged)
    assert "each subject has its own noise floor" in " ".join(sentences(planted, {}))
    clean = subject_shortcuts(manifest, described(manifest, rng, None))
    assert not any(one["flagged"] for one in clean.values() if isinstance(one, dict))
    assert subject_shortcuts(manifest.head(8), described(manifest, rng, None)) == {}


def test_dates_that_tell_subjects_are_told() -> None:
    rng = np.random.default_rng(0)
    manifest = made_manifest(rng)
    manifest["recorded_at"] = 1e9 + 1e5 * pd.factorize(manifest["subject_id"])[0]
    manifest["recorded_at"] += rng.uniform(0, 1e3, len(manifest))
    found = subject_shortcuts(manifest, described(manifest, rng, None))
    assert found["recorded_at"]["flagged"]
    assert found["recorded_at"]["eer"] < 0.01


def test_few_of_two_sessions_leave_the_others_in_the_audit() -> None:
    rng = np.random.default_rng(0)
    manifest = made_manifest(rng)
    first = manifest["subject_id"].isin(["s00", "s01"]).to_numpy()
    manifest["session_id"] = np.where(first, np.tile(["a", "a", "b", "b"], 40), "a")
    found = subject_shortcuts(manifest, described(manifest, rng, "level_dbfs"))
    assert found["n_subjects"] == 40
    assert found["level"]["flagged"]


def test_classes_of_one_length_each_are_told() -> None:
    rng = np.random.default_rng(0)
    manifest = made_manifest(rng).assign(label=np.tile(["01", "02", "03", "03"], 40))
    found = label_shortcuts(manifest, described(manifest, rng, "bandwidth_hz"))
    assert found["bandwidth_hz"]["balanced_accuracy"] > 0.95
    assert found["bandwidth_hz"]["flagged"]
    assert not found["level_dbfs"]["flagged"]
    assert found["level_dbfs"]["balanced_accuracy"] == pytest.approx(1 / 3, abs=0.15)
    assert "each class has its own bandwidth" in " ".join(sentences({}, found))


def test_the_interval_is_as_wide_as_test_sets_differ() -> None:
    """An interval of 95% reaches about 1.96 deviations to each side."""
    from bodysounds.corpora.survey.interval import _simulated
    from bodysounds.metrics.verification import equal_error_rate

    counts = np.full(30, 4)
    rng = np.random.default_rng(1)
    rates = []
    for _ in range(150):
        labels, scores, _, _ = _simulated(counts, 0.25, rng)
        rates.append(equal_error_rate(labels, scores)[0])
    low, high = expected_interval(counts, 0.25)
    assert np.mean(rates) == pytest.approx(0.25, abs=0.02)
    assert low < 0.25 < high
    assert high - low == pytest.approx(2 * 1.96 * np.std(rates), rel=0.3)


def test_four_times_the_subjects_halve_the_interval() -> None:
    found = interval_facts(np.full(15, 4), 0.2)
    assert found["test_subjects"] == 15
    for one in found["expected"]:
        low, high = one["ci95"]
        assert low < one["eer"] < high
        tested = np.full(round(0.2 * one["halved_by_subjects"]), 4)
        finer = np.diff(expected_interval(tested, one["eer"], seed=5))[0]
        assert finer == pytest.approx((high - low) / 2, rel=0.2)
    assert interval_facts(np.array([4, 4, 4, 1, 1]), 0.2) == {}
    with pytest.raises(ValueError, match="takes 5"):
        expected_interval(np.array([4, 1, 1]), 0.1)


def test_what_a_few_subjects_serve() -> None:
    rng = np.random.default_rng(0)
    few = fits(made_manifest(rng, n=4))
    assert not few["verification"].works
    assert "at least 6" in few["verification"].why
    assert few["identification"].works
    some = fits(made_manifest(rng, n=12))["verification"]
    assert some.works
    # more than the default's two, and enough left to train on
    assert some.facts["subsets"]["test"]["with_two"] >= 3
    assert some.facts["subsets"]["train"]["subjects"] >= 4
    many = fits(made_manifest(rng, n=40))["verification"].facts
    assert many["split"] == {"seed": 0, "dev_share": 0.2, "test_share": 0.2}
    single = fits(made_manifest(rng, n=40, each=1))
    assert not single["verification"].works
    assert not single["classification"].works


def test_times_and_splits_are_rewritten() -> None:
    paths = [Path(f"{k}.wav") for k in range(6)]
    columns = pd.DataFrame(
        {
            "who": list("aabbcc"),
            "at": [
                "1714555800", "1714555800000", "2024-05-01", "20240501_093000", None, "2024-05-01",
            ],
            "part": ["train-clean", "train-clean", "train", "train", "eval", "eval"],
        },
        dtype="str",
    )  # fmt: skip
    roles = {"subject": "who", "recorded_at": "at", "split": "part"}
    table, notes = metadata(paths, columns, roles, ["part"])
    expected = ["2024-05-01T09:30:00", "2024-05-01T09:30:00", "2024-05-01", "2024-05-01T09:30:00"]
    assert table["recorded_at"].tolist()[:4] == expected
    # there is no dev: the run deals it out of what was train
    assert table["split"].isna().tolist() == [True] * 4 + [False] * 2
    assert "no dev" in notes[0]


@pytest.mark.data
def test_real_cries(data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = str(made_conf(tmp_path))
    assert run([str(data_dir / "infant_cries"), "--dry-run", "--json", "--conf", conf]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["layout"]["columns"]["subject"] == "baby_id"
    assert told["layout"]["columns"]["group"] == "install_id"
    assert told["task"] == "cry_verification"
    facts = told["facts"]
    assert (facts["recordings"], facts["subjects"], facts["subjects_with_two"]) == (425, 198, 109)
    assert facts["sample_rates"] == {"8000": 273, "16000": 152}
    assert told["shortcuts"]["subjects"]["recorded_at"]["flagged"]
    assert not (Path(conf) / "infant_cries").exists()
