"""The tables of ICBHI 2017: the published corpus whole, and each wrong line named."""

from __future__ import annotations

import csv
import logging
import shutil
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
from icbhi_folder import GOOD, listed, recording

from bodysounds.corpora.icbhi import INVARIANTS, icbhi_facts

PL = "226_1b1_Pl_sc_"


def whole(data_dir: Path, root: Path) -> Path:
    """All 920 recordings with their real cycles, in the published layout; no sound is in them."""
    tables = data_dir / "respiratory" / "icbhi_tables"
    lines: dict[str, list[str]] = defaultdict(list)
    with (tables / "cycles.csv").open() as rows:
        for row in csv.DictReader(rows):
            cells = (row[name] for name in ("onset_s", "offset_s", "crackles", "wheezes"))
            lines[row["recording"]].append("\t".join(cells))
    audio = root / "audio"
    audio.mkdir()
    for stem, own in lines.items():
        (audio / f"{stem}.wav").touch()
        (audio / f"{stem}.txt").write_text("\n".join(own))
    for name in ("metadata.txt", "patient_diagnosis.txt", "patient_list_foldwise.txt"):
        shutil.copy(tables / name, root / name)
    # the challenge's own list names another device than the file on disk
    split = (tables / "official_split.txt").read_text()
    assert f"{PL}LittC2SE" in split
    split = split.replace(f"{PL}LittC2SE", f"{PL}Meditron")
    (root / "ICBHI_challenge_train_test.txt").write_text(split)
    return root


@pytest.fixture(scope="module")
def corpus(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(data_dir, tmp_path_factory.mktemp("icbhi"))


@pytest.mark.data
def test_the_published_corpus_is_whole(corpus: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    listing = listed(corpus)
    rows, segments = listing.recordings, listing.segments
    assert segments is not None
    assert listing.rejected is not None
    assert listing.rejected.empty
    assert len(rows) == 920
    assert rows["subset_hint"].value_counts().to_dict() == {"train": 539, "test": 381}
    assert rows["subject_id"].nunique() == 126
    assert len(segments) == 6898
    train = segments["recording_id"].isin(rows["recording_id"][rows["subset_hint"] == "train"])
    counts = segments[train]["label"].value_counts().to_dict()
    assert counts == {"normal": 2063, "crackle": 1215, "wheeze": 501, "both": 363}
    halves = {
        half: set(rows["subject_id"][rows["subset_hint"] == half]) for half in ("train", "test")
    }
    assert sorted(halves["train"] & halves["test"]) == ["156", "218"]
    assert "ICBHI 2017 is whole" in caplog.text
    facts = icbhi_facts(rows, segments)
    assert {name: facts[name] for name in INVARIANTS} == INVARIANTS
    assert facts["complete"] is True
    assert facts["differences"] == []
    assert facts["on_both_sides"] == {
        "156": {"train": 9, "test": 8}, "218": {"train": 4, "test": 4},
    }  # fmt: skip
    assert facts["split_devices"]["LittC2SE"] == {"train": 87, "test": 0}
    shuffled = icbhi_facts(rows.sample(frac=1, random_state=1), segments.sample(frac=1))
    assert shuffled == facts


@pytest.mark.data
def test_the_published_patients(corpus: Path) -> None:
    rows = listed(corpus).recordings
    people = rows.drop_duplicates("subject_id").set_index("subject_id")
    # 223 is the one patient without age and sex
    assert people.index[people["age_group"].isna()].tolist() == ["223"]
    assert people.index[people["sex"].isna()].tolist() == ["223"]
    ages = pd.to_numeric(people["age"]).dropna()
    groups = people["age_group"].dropna()
    assert (groups == "child").equals(ages < 18)
    assert groups.value_counts().to_dict() == {"adult": 76, "child": 49}
    assert people["label"].value_counts().to_dict() == {
        "COPD": 64, "Healthy": 26, "URTI": 14, "Bronchiectasis": 7, "Pneumonia": 6,
        "Bronchiolitis": 6, "LRTI": 2, "Asthma": 1,
    }  # fmt: skip
    assert people["published_fold"].value_counts().to_dict() == {
        "0": 26, "1": 25, "2": 25, "3": 25, "4": 25,
    }  # fmt: skip


@pytest.mark.data
def test_a_corpus_that_is_not_the_published_one_is_said_loudly(
    corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = corpus / "audio" / "101_1b1_Al_sc_Meditron.txt"
    before = path.read_text()
    try:
        path.write_text("\n".join(before.splitlines()[:-1]))
        listing = listed(corpus)
    finally:
        path.write_text(before)
    assert "this is not ICBHI 2017 as published" in caplog.text
    assert "cycles: 6897 here, 6898 published" in caplog.text
    assert "split recordings" not in caplog.text
    facts = icbhi_facts(listing.recordings, listing.segments)  # type: ignore[arg-type]
    assert facts["complete"] is True
    assert facts["differences"][0] == "cycles: 6897 here, 6898 published"


SPLIT, PEOPLE = "official_split.txt", "demographic_info.txt"
DIAGNOSES, FOLDS = "patient_diagnosis.csv", "patient_list_foldwise.txt"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (SPLIT, f"{GOOD}\tvalid\n", r"line 1: the split must be train or test, got 'valid'"),
        (SPLIT, f"{GOOD}\n", r"official_split.txt, line 1: .* must be 2 columns"),
        (SPLIT, f"{GOOD}\ttrain\n{GOOD}\ttest\n", r"line 2: 101_1b1_Al_sc is test here and train"),
        (SPLIT, f"{GOOD}\ttrain\nthe\tend\n", r"line 2: .* begin with the patient's number"),
        (SPLIT, "", r"the table official_split.txt is empty"),
        (PEOPLE, "101 3 X NA 19 99\n", r"line 1: the sex must be F, M or NA, got 'X'"),
        (PEOPLE, "101 old F NA 19 99\n", r"the age must be years from 0 to 120 or NA, got 'old'"),
        (PEOPLE, "101 -3 F NA 19 99\n", r"the age must be years from 0 to 120 or NA, got '-3'"),
        (PEOPLE, "101 nan F NA 19\n", r"line 1: .* must be 6 or 7 columns"),
        (DIAGNOSES, "101,URTI\n101,COPD\n", r"line 2: 101 is COPD here and URTI above"),
        (FOLDS, "101 first\n", r"a fold must be a whole number, got 'first'"),
    ],
)
def test_a_wrong_line_of_a_table_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    recording(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        listed(tmp_path)


def test_no_text_is_no_table(tmp_path: Path) -> None:
    recording(tmp_path)
    (tmp_path / SPLIT).write_bytes(b"\xff\xfe1")
    with pytest.raises(ValueError, match=r"official_split.txt cannot be read as text"):
        listed(tmp_path)


def test_na_and_missing_patients_stay_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stems = [f"{who}_1b1_Al_sc_Meditron" for who in (101, 102, 103)]
    for stem in stems:
        recording(tmp_path, stem)
    (tmp_path / PEOPLE).write_text("101\tNA\tF\tNA\tNA\tNA\n102\t18\tNA\t\t\tNA\n")
    (tmp_path / DIAGNOSES).write_text("patient,diagnosis\n101,NA\n102,COPD\n")
    (tmp_path / SPLIT).write_text(f"{stems[0]}\ttrain\n{stems[1]}\ttest\n999_1b1_Al_sc_X\ttest\n")
    rows = listed(tmp_path).recordings.set_index("subject_id")
    known = rows[["sex", "age", "age_group", "label", "subset_hint"]].astype(object)
    assert known.where(known.notna(), None).to_numpy().tolist() == [
        ["F", None, None, None, "train"],
        [None, "18", "adult", "COPD", "test"],
        [None, None, None, None, None],
    ]
    assert "the official split leave 1 of 3 recordings unknown: 103_1b1" in caplog.text
    assert "the diagnoses leave 2 of 3 recordings unknown" in caplog.text
    assert "the demographics (sex) leave 2 of 3 recordings unknown" in caplog.text
    # a part of the corpus is not held against the whole
    assert "as published" not in caplog.text


@pytest.mark.parametrize(
    "name", ["metadata.txt", "demographic_info.txt", "ICBHI_Challenge_demographic_information.txt"]
)
def test_tables_are_found_under_each_published_name(tmp_path: Path, name: str) -> None:
    recording(tmp_path / "audio")
    (tmp_path / "tables").mkdir()
    last = "\tPr" if name == "metadata.txt" else ""
    (tmp_path / "tables" / name).write_text(f"101\t0.25\tM\tNA\t7.1\t64.0{last}\n")
    row = listed(tmp_path).recordings.iloc[0]
    assert row[["sex", "age", "age_group"]].tolist() == ["M", "0.25", "child"]
    # the table names one location of the patient, the file its own
    assert row["location"] == "Al"


def test_names_that_were_corrected_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording(tmp_path)
    (tmp_path / SPLIT).write_text(f"{GOOD}\ttest\n")
    (tmp_path / "filename_differences.txt").write_text("101_1b1_Al_sc_AKGC417L\n")
    assert listed(tmp_path).recordings["domain"].tolist() == ["Meditron"]
    assert "filename_differences" not in caplog.text
    # the first release: under the name that was corrected later, the split still finds it
    for ending in ("wav", "txt"):
        (tmp_path / f"{GOOD}.{ending}").rename(tmp_path / f"101_1b1_Al_sc_AKGC417L.{ending}")
    rows = listed(tmp_path).recordings
    assert rows[["domain", "subset_hint"]].to_numpy().tolist() == [["AKGC417L", "test"]]
    assert "1 recordings still have names that filename_differences.txt lists" in caplog.text
