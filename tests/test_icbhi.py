"""The reader of ICBHI 2017: as published, and each wrong recording named."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest
from icbhi_folder import CYCLES, GOOD, ingested, listed, reasons, recording

from bodysounds import checks
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.icbhi import icbhi_facts
from bodysounds.corpora.ingest import ingest
from bodysounds.params import IngestParams

OTHER = "102_2p3_Tc_mc_AKGC417L"


def test_a_folder_is_read_as_it_is_published(tmp_path: Path) -> None:
    recording(tmp_path / "ICBHI_final_database")
    recording(tmp_path / "ICBHI_final_database", OTHER, subtype="PCM_24")
    (tmp_path / "ICBHI_challenge_train_test.txt").write_text(f"{GOOD}\ttest\n{OTHER}\ttrain\n")
    (tmp_path / "demographic_info.txt").write_text("101 3 F NA 19 99\n102 70 M 33 NA NA\n")
    (tmp_path / "ICBHI_Challenge_diagnosis.txt").write_text("101\tURTI\n102\tCOPD\n")
    (tmp_path / "patient_list_foldwise.txt").write_text("101 4\n102 0\n")
    made = ingested(tmp_path)
    row = made.manifest.set_index("recording_id").loc[GOOD]
    said = {
        "path": f"ICBHI_final_database/{GOOD}.wav", "subject_id": "101", "group_id": "101",
        "session_id": "101_1b1", "domain": "Meditron", "sex": "F", "age": "3", "label": "URTI",
        "subset_hint": "test", "location": "Al", "mode": "sc", "age_group": "child",
        "published_fold": "4", "duration_s": 4.0, "sample_rate": 4000,
    }  # fmt: skip
    assert {name: row[name] for name in said} == said
    other = made.manifest.set_index("recording_id").loc[OTHER]
    assert other[["sex", "age", "age_group", "subset_hint"]].tolist() == [
        "M", "70", "adult", "train",
    ]  # fmt: skip
    own = made.segments[made.segments["recording_id"] == OTHER]
    assert own["segment_id"].tolist() == [f"{OTHER}#00{k}" for k in range(4)]
    assert own["start_s"].tolist() == [0.1, 1.0, 2.0, 3.0]
    assert own["end_s"].tolist() == [1.0, 2.0, 3.0, 3.9]
    assert own["label"].tolist() == ["normal", "crackle", "wheeze", "both"]
    assert made.rejected.empty
    assert made.sides.empty
    assert made.listed_trials.empty


def test_what_only_this_corpus_knows_survives_the_manifest_file(tmp_path: Path) -> None:
    recording(tmp_path)
    manifest = ingested(tmp_path).manifest
    checks.manifest(manifest)
    manifest.to_parquet(tmp_path / "manifest.parquet")
    again = pd.read_parquet(tmp_path / "manifest.parquet")
    assert again.columns.tolist()[-3:] == ["location", "mode", "age_group"]
    assert again["location"].tolist() == ["Al"]
    # nothing is known of the patient where no table is there
    assert again[["sex", "age", "label", "subset_hint", "age_group"]].isna().all(axis=None)


BAD = {
    "overlapping": ("0\t2\t0\t0\n1.5\t3\t0\t0\n", "line 2: the cycle starts at 1.5 s, before"),
    "out of order": ("2\t3\t0\t0\n0\t1\t0\t0\n", "line 2: the cycle starts at 0 s, before"),
    "reversed": ("0\t1\t0\t0\n3\t2\t0\t0\n", "line 2: the cycle ends at 2 s, not after its start"),
    "of no length": ("1\t1\t0\t0\n", "the cycle ends at 1 s, not after its start at 1 s"),
    "no number": ("0\t1\t0\t0\n1\tend\t0\t0\n", "line 2: '1\\tend\\t0\\t0' must be four numbers"),
    "three columns": ("0\t1\t0\n", "must be four numbers: onset, offset, crackles, wheezes"),
    "decimal commas": ("0,1\t1,2\t0\t0\n", "must be four numbers"),
    "nan": ("0\tnan\t0\t0\n", "must be finite seconds from 0"),
    "infinite": ("0\tinf\t0\t0\n", "must be finite seconds from 0"),
    "negative": ("-0.5\t1\t0\t0\n", "must be finite seconds from 0"),
    "flag 2": ("0\t1\t2\t0\n", "crackles and wheezes must be 0 or 1, got 2 and 0"),
    "flag -1": ("0\t1\t0\t-1\n", "crackles and wheezes must be 0 or 1, got 0 and -1"),
    "flag nan": ("0\t1\tnan\t0\n", "crackles and wheezes must be 0 or 1, got nan and 0"),
    "empty": ("\n \n", f"{OTHER}.txt is empty"),
    "missing": (None, f"{OTHER}.txt is not there: each recording needs its cycles beside it"),
    "past the end": ("0\t3\t0\t0\n3\t4.5\t0\t0\n", "#001 ends at 4.500 s: more than 0.1 s past"),
    "only short": ("0\t0.02\t0\t0\n", f"{OTHER}.txt has no cycle of at least 0.1 s"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_recording_with_wrong_cycles_is_rejected_and_the_run_goes_on(
    tmp_path: Path, case: str
) -> None:
    cycles, said = BAD[case]
    recording(tmp_path)
    recording(tmp_path, OTHER, cycles)
    made = ingested(tmp_path)
    assert made.rejected["path"].tolist() == [f"{OTHER}.wav"]
    assert said in made.rejected["reason"].iloc[0]
    assert made.manifest["recording_id"].tolist() == [GOOD]
    assert set(made.segments["recording_id"]) == {GOOD}
    assert len(made.segments) == 4


def test_text_that_is_no_text_is_rejected(tmp_path: Path) -> None:
    recording(tmp_path)
    recording(tmp_path, OTHER)
    (tmp_path / f"{OTHER}.txt").write_bytes(b"0\t1\t0\xff\xfe\t0")
    assert f"{OTHER}.txt cannot be read as text" in reasons(tmp_path)[OTHER]


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("102_1b1_Al_sc_Stetho9", "the device 'Stetho9', which is none of AKGC417L, LittC2SE"),
        ("102_1b1_Xx_sc_Meditron", "the location 'Xx', which is none of Tc, Al, Ar, Pl, Pr"),
        ("102_1b1_Al_zz_Meditron", "the mode 'zz', which is none of sc, mc"),
        ("102_1b1_Al_Meditron", "is not named patient_index_location_mode_device"),
        ("who_1b1_Al_sc_Meditron", "is not named patient_index_location_mode_device"),
    ],
)
def test_a_name_that_the_corpus_cannot_have_is_rejected(
    tmp_path: Path, stem: str, said: str
) -> None:
    recording(tmp_path)
    recording(tmp_path, stem)
    assert said in reasons(tmp_path)[stem]


def test_too_many_wrong_recordings_stop_the_run(tmp_path: Path) -> None:
    recording(tmp_path)
    recording(tmp_path, OTHER, None)
    with pytest.raises(ValueError, match=r"1 of 2 files \(50.0%\) are rejected, more than"):
        ingest(Corpus(tmp_path, "icbhi", "made"), IngestParams())
    (tmp_path / f"{GOOD}.txt").unlink()
    with pytest.raises(ValueError, match=r"none of the 2 recordings .* the first reason: 101_"):
        listed(tmp_path)


def test_cycles_shorter_than_the_shortest_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording(tmp_path, cycles="0\t1\t0\t0\n1\t1.02\t1\t0\n1.02\t2\t0\t1\n")
    segments = listed(tmp_path).segments
    assert segments is not None
    # the others keep the numbers of their lines
    assert segments["segment_id"].tolist() == [f"{GOOD}#000", f"{GOOD}#002"]
    assert "1 cycles are shorter than min_cycle_s = 0.1 s and left out: 101_1b1" in caplog.text
    assert len(listed(tmp_path, min_cycle_s=0.01).segments) == 3  # type: ignore[arg-type]
    assert len(listed(tmp_path, min_cycle_s=0.98).segments) == 2  # type: ignore[arg-type]
    for wrong in (-1, 11, float("nan")):
        with pytest.raises(ValueError, match="min_cycle_s must be 0 to 10 seconds"):
            listed(tmp_path, min_cycle_s=wrong)


def test_a_cycle_past_the_end_by_rounding_is_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recording(tmp_path, cycles="0\t2\t0\t0\n2\t4.08\t1\t0\n")
    recording(tmp_path, OTHER, "0\t3.92\t0\t0\n3.92\t4.08\t1\t0\n")
    made = ingested(tmp_path)
    assert made.rejected.empty
    ends = made.segments.set_index("segment_id")["end_s"]
    assert ends.to_dict() == {f"{GOOD}#000": 2.0, f"{GOOD}#001": 4.0, f"{OTHER}#000": 3.92}
    assert "2 of 4 segments ended up to 0.1 s after their recordings" in caplog.text
    assert f"lie behind the end of their recordings, and are left out: {OTHER}#001" in caplog.text
    checks.segments(made.segments)


def test_lines_may_end_and_begin_as_other_systems_write_them(tmp_path: Path) -> None:
    recording(tmp_path)
    (tmp_path / f"{GOOD}.txt").write_bytes(b"\xef\xbb\xbf" + CYCLES.replace("\n", "\r\n").encode())
    assert len(ingested(tmp_path).segments) == 4


def test_of_copies_one_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording(tmp_path / "b" / "again")
    recording(tmp_path / "b")
    recording(tmp_path, ending="flac")
    assert listed(tmp_path).recordings["path"].tolist() == [f"b/{GOOD}.wav"]
    assert "2 recordings lie in several folders or formats" in caplog.text
    # a copy under another patient's name is found by its content
    (tmp_path / "b" / f"{OTHER}.wav").write_bytes((tmp_path / "b" / f"{GOOD}.wav").read_bytes())
    (tmp_path / "b" / f"{OTHER}.txt").write_text(CYCLES)
    made = ingested(tmp_path, duplicates="drop")
    assert made.manifest["recording_id"].tolist() == [GOOD]
    assert "though of subject 102 and that one of 101" in made.rejected["reason"].iloc[0]
    assert set(made.segments["recording_id"]) == {GOOD}


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no recording: is it the folder of ICBHI 2017"):
        listed(tmp_path)
    recording(tmp_path)
    with pytest.raises(ValueError, match="takes the options min_cycle_s"):
        listed(tmp_path, subject="patient")


@pytest.mark.data
def test_the_real_recordings(data_dir: Path) -> None:
    made = ingest(Corpus(data_dir / "respiratory", "icbhi", "real"), IngestParams())
    assert made.rejected.empty
    assert len(made.manifest) == 121
    assert made.manifest["subject_id"].nunique() == 49
    assert made.segments["label"].value_counts().to_dict() == {
        "normal": 893, "crackle": 160, "wheeze": 151, "both": 55,
    }  # fmt: skip
    end = made.manifest.set_index("recording_id")["duration_s"]
    assert (made.segments["end_s"] <= made.segments["recording_id"].map(end)).all()
    assert made.manifest["sample_rate"].value_counts().to_dict() == {4000: 60, 44100: 55, 10000: 6}
    facts = icbhi_facts(made.manifest, made.segments)
    # patient 223 is NA; 156, the other patient of both halves, is not among the 49
    assert facts["unknown"] == {"sex": 6, "age_group": 6, "label": 0, "subset_hint": 0}
    assert facts["on_both_sides"] == {"218": {"train": 4, "test": 4}}
    assert facts["complete"] is False
    assert facts["differences"] == []
