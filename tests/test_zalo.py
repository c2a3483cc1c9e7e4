"""The Zalo 2020 layout: speakers' folders, pairs, and what a challenge leaves unsaid."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from bodysounds.corpora._zalo_folders import read_name
from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.registry import list_recordings

TESTED = ("a1.wav", "b2.wav", "c3.wav", "00d.wav")


def listed(root: Path, **options: object) -> Listing:
    return list_recordings(Corpus(root, "zalo", "made", options))


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def pairs(root: Path, *rows: str, labels: bool = False) -> None:
    header = "audio_1,audio_2" + ",label" * labels
    (root / "public-test.csv").write_text("\n".join([header, *rows]) + "\n")


def sample(root: Path, *rows: str) -> None:
    text = "\n".join(["audio_1,audio_2,label", *rows]) + "\n"
    (root / "Sample_submission.csv").write_text(text)


@pytest.mark.parametrize("prefix", ["", "dataset/", "train/wav/", "viet-nam/"])
def test_the_published_layout(tmp_path: Path, prefix: str) -> None:
    touch(tmp_path, *(f"{prefix}{name}" for name in ("0043-F-27/43-1.wav", "0043-F-27/43-2.wav")))
    touch(tmp_path, f"{prefix}272-M-26/speaker_272.wav", *(f"public-test/{n}" for n in TESTED))
    pairs(tmp_path, "a1.wav,b2.wav", "b2.wav,00d.wav")
    listing = listed(tmp_path)
    rows = listing.recordings.set_index("recording_id")
    train = rows.loc[f"{prefix}0043-F-27/43-1.wav"]
    assert train[["subject_id", "group_id", "sex", "age"]].tolist() == ["0043", "0043", "f", "27"]
    assert train[["session_id", "subset_hint"]].isna().all()
    assert rows.loc[f"{prefix}272-M-26/speaker_272.wav", "sex"] == "m"
    tested = rows.loc["public-test/00d.wav"]
    assert tested["subset_hint"] == "test"
    assert pd.isna(tested["subject_id"])
    assert tested["group_id"] == "public-test/00d.wav"
    trials = listing.listed_trials
    assert trials["trial_id"].tolist() == ["a1.wav b2.wav", "b2.wav 00d.wav"]
    assert trials["enrol_id"].tolist() == ["public-test/a1.wav", "public-test/b2.wav"]
    assert trials["target"].isna().all()
    assert trials["subset"].tolist() == ["test", "test"]
    assert listing.submission_format is None


def test_a_folder_in_a_speaker_is_a_session_of_that_speaker(tmp_path: Path) -> None:
    touch(tmp_path, "1-M-20/v 1/a.wav", "2-F-30/v 1/a.wav", "2-F-30/v 1/b.wav", "2-F-30/c.wav")
    rows = listed(tmp_path).recordings.set_index("path")
    assert rows["session_id"].dropna().tolist() == ["1/v 1", "2/v 1", "2/v 1"]
    assert pd.isna(rows.loc["2-F-30/c.wav", "session_id"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("007-M-26", ("007", "m", "26")),
        ("Nguyễn Văn A-nam-31", ("Nguyễn Văn A", "m", "31")),
        ("Trần Thị-Nữ-40", ("Trần Thị", "f", "40")),
        ("a-b-female-22", ("a-b", "f", "22")),
        ("nam-an-F-22", ("nam-an", "f", "22")),
        ("an-nam-F-22", ("an-nam", "f", "22")),
        ("12-M-25-26", ("12", "m", None)),
        ("12-M-25,26", ("12", "m", None)),
        ("12-F-unknown", ("12", "f", None)),
        ("12-unknown-30", ("12", None, "30")),
        ("12-unknown-unknown", ("12", None, None)),
        ("12--30", ("12", None, "30")),
        ("12-M", ("12", "m", None)),
        ("12-M-", ("12", "m", None)),
        ("12", None),
        ("12-30", None),
        ("-M-30", None),
        ("dataset", None),
    ],
)
def test_the_name_of_a_folder(name: str, expected: tuple[str, str | None, str | None]) -> None:
    assert read_name(name) == expected


def test_decomposed_unicode_names_the_same_gender(tmp_path: Path) -> None:
    import unicodedata

    assert read_name(unicodedata.normalize("NFD", "Hà-nữ-30")) is not None


def test_names_that_say_too_little_or_too_much_are_told_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "1-M-20/a.wav", "2-M-25-26/a.wav", "3-unknown-30/a.wav", "noise/a.wav")
    touch(tmp_path, "4-F-30/a.wav", "4-M-30/b.wav", ".hidden/x.wav", "1-M-20/._a.wav")
    with caplog.at_level(logging.WARNING):
        rows = listed(tmp_path).recordings.set_index("path")
    assert "2 of 5 speakers' folders don't say one gender and one age (2-M-25-26, 3-unkn" in (
        caplog.text
    )
    assert "1 recordings lie in no speaker's folder and are left out (noise)" in caplog.text
    assert "1 ids have folders of two genders (4-F-30, 4-M-30)" in caplog.text
    assert sorted(rows["subject_id"]) == ["1", "2", "3", "4", "4"]
    assert rows.loc["2-M-25-26/a.wav", "sex"] == "m"
    assert rows.loc[["2-M-25-26/a.wav"], "age"].isna().all()
    assert rows.loc[["3-unknown-30/a.wav", "4-F-30/a.wav", "4-M-30/b.wav"], "sex"].isna().all()


def test_a_table_of_speakers_gives_the_targets(tmp_path: Path) -> None:
    touch(tmp_path, *(f"public-test/{name}" for name in TESTED))
    pairs(tmp_path, "a1.wav,b2.wav", "a1.wav,c3.wav", "a1.wav,00d.wav")
    table = "audio,speaker,session,sex\na1.wav,S01,v1,F\nb2.wav,S01,v2,f\nc3.wav,S02,v1,male\n"
    (tmp_path / "public-test-speakers.csv").write_text(table)
    listing = listed(tmp_path)
    rows = listing.recordings.set_index("path")
    about = ["subject_id", "session_id", "sex"]
    assert rows.loc["public-test/a1.wav", about].tolist() == ["S01", "S01/v1", "f"]
    assert rows.loc["public-test/c3.wav", about].tolist() == ["S02", "S02/v1", "m"]
    assert rows.loc["public-test/00d.wav", about].isna().all()
    assert listing.listed_trials["target"].tolist() == [1, 0, pd.NA]
    assert listing.listed_trials["target"].dtype == "Int64"


def test_a_label_in_the_list_is_believed(tmp_path: Path) -> None:
    touch(tmp_path, *(f"public-test/{name}" for name in TESTED))
    pairs(tmp_path, "a1.wav,b2.wav,1", "a1.wav,c3.wav,0", "a1.wav,00d.wav,", labels=True)
    assert listed(tmp_path).listed_trials["target"].tolist() == [1, 0, pd.NA]


def test_the_sample_stays_text_in_its_own_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"public-test/{name}" for name in TESTED))
    pairs(tmp_path, "a1.wav,b2.wav", "b2.wav,a1.wav", "a1.wav,b2.wav")
    sample(tmp_path, "b2.wav,a1.wav,0", "a1.wav,b2.wav,0", "a1.wav,b2.wav,1")
    listing = listed(tmp_path)
    assert listing.listed_trials["trial_id"].tolist() == [
        "a1.wav b2.wav", "b2.wav a1.wav", "a1.wav b2.wav~2",
    ]  # fmt: skip
    form = listing.submission_format
    assert form is not None
    assert list(form.columns) == ["audio_1", "audio_2", "label"]
    assert form["audio_1"].tolist() == ["b2.wav", "a1.wav", "a1.wav"]
    assert form["label"].tolist() == ["0", "0", "1"]


@pytest.mark.parametrize(
    "rows",
    [["a1.wav,b2.wav,0"], ["a1.wav,b2.wav,0", "b2.wav,c3.wav,0", "c3.wav,a1.wav,0"]],
    ids=["fewer", "more"],
)
def test_a_sample_of_other_pairs_stops_the_run_before_it_starts(
    tmp_path: Path, rows: list[str]
) -> None:
    touch(tmp_path, *(f"public-test/{name}" for name in TESTED))
    pairs(tmp_path, "a1.wav,b2.wav", "b2.wav,c3.wav")
    sample(tmp_path, *rows)
    with pytest.raises(ValueError, match=r"differ in 1 pairs .*take both files from one release"):
        listed(tmp_path)


def test_other_tests_have_the_same_form(tmp_path: Path) -> None:
    touch(tmp_path, "1-M-20/a.wav", "private-test/x.wav", "private-test/y.wav")
    (tmp_path / "private-test.csv").write_text("audio_1,audio_2\nx,y\n")
    listing = listed(tmp_path, test="private-test")
    assert listing.listed_trials["enrol_id"].tolist() == ["private-test/x.wav"]
    assert listing.listed_trials["trial_id"].tolist() == ["x y"]  # as the list spells them


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "music/a.wav")
    with pytest.raises(ValueError, match=r"neither folders named id-gender-age .*public-test.csv"):
        listed(tmp_path)
