"""Readers: each published layout, and every wrong table named."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bodysounds.corpora.base import Corpus, Listing, recordings_table
from bodysounds.corpora.registry import READERS, list_recordings


def write(folder: Path, **tables: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def listed(root: Path, reader: str, **options: object) -> Listing:
    return list_recordings(Corpus(root, reader, "made", options))


CRYCELEB = """baby_id,period,duration,split,chronological_index,file_name,file_id
0694,B,1.0,train,1,audio/train/0694/B/b.wav,0694_B_001
0694,B,1.0,train,0,audio/train/0694/B/a.wav,0694_B_000
0694,D,1.0,train,0,audio/train/0694/D/a.wav,0694_D_000
0007,B,0.5,dev,0,audio/dev/0007/B/a.wav,0007_B_000
0007,D,0.5,dev,0,audio/dev/0007/D/a.wav,0007_D_000
0012,B,0.5,test,0,audio/test/0012/B/a.wav,0012_B_000
0013,D,0.5,test,0,audio/test/0013/D/a.wav,0013_D_000
"""
PAIRS = "baby_id_B,baby_id_D,id,label\n0007,0007,0007_0007,1\n"
TEST_PAIRS = "baby_id_B,baby_id_D,id\n0012,0013,0012_0013\n"
SUBMISSION = "id,score\n0012_0013,0.5\n"


def test_cryceleb_is_read_as_published(tmp_path: Path) -> None:
    root = write(
        tmp_path, metadata=CRYCELEB, dev_pairs=PAIRS, test_pairs=TEST_PAIRS,
        sample_submission=SUBMISSION,
    )  # fmt: skip
    listing = listed(root, "cryceleb")
    rows = listing.recordings.set_index("recording_id")
    assert rows.loc["0694_B_001", "subject_id"] == "0694"
    assert rows.loc["0694_B_001", "group_id"] == "0694"
    assert rows.loc["0694_B_001", "session_id"] == "B"
    assert rows.loc["0694_B_001", "order"] == 1
    assert rows.loc["0694_B_001", "path"] == "audio/train/0694/B/b.wav"
    assert rows.loc["0694_B_001", "codec"] == "wav"
    assert rows["subset_hint"].tolist() == ["train"] * 3 + ["dev"] * 2 + ["test"] * 2
    side = listing.sides[listing.sides["side_id"] == "0694_B"]
    assert side["recording_id"].tolist() == ["0694_B_000", "0694_B_001"]  # in their order
    trials = listing.listed_trials.set_index("trial_id")
    assert trials.loc["0007_0007"].tolist() == ["0007_B", "0007_D", 1, "dev"]
    assert trials.loc["0012_0013", ["enrol_id", "test_id"]].tolist() == ["0012_B", "0013_D"]
    assert pd.isna(trials.loc["0012_0013", "target"])
    assert trials["target"].dtype == "Int64"
    assert listing.submission_format is not None
    assert listing.submission_format["id"].tolist() == ["0012_0013"]
    assert listing.submission_format["score"].tolist() == [0.5]


def test_cryceleb_without_pairs_lists_no_trials(tmp_path: Path) -> None:
    listing = listed(write(tmp_path, metadata=CRYCELEB), "cryceleb")
    assert listing.listed_trials.empty
    assert listing.submission_format is None


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ("baby_id_B,baby_id_D\n0007,0999\n", r"name 1 sides that the corpus doesn't have: 0999_D"),
        ("baby_id_B,baby_id_D\n7,0007\n", r"7_B \(was an id read as a number\? .* as 0007_B"),
        ("baby_id_B,baby_id_D\n7.0,0007\n", r"7.0_B \(was an id read as a number\?"),
        ("baby_B,baby_D\n0007,0007\n", r"no column 'baby_id_B', 'baby_id_D'; its columns are ba"),
        ("baby_id_B,baby_id_D,label\n0007,0007,yes\n", r"'yes' in column 'label' \(line 2\)"),
    ],
)
def test_cryceleb_with_wrong_pairs(tmp_path: Path, pairs: str, said: str) -> None:
    root = write(tmp_path, metadata=CRYCELEB, dev_pairs=pairs)
    with pytest.raises(ValueError, match=said):
        listed(root, "cryceleb")


TABLE = """file_name,who,install,when,place
a.wav,007,u1,1436857154,android
b.wav,007,u1,1436857155.5,android
c.flac,NA,,,
d.MP3,,,,ios
"""


def test_a_table_maps_its_columns_to_ours(tmp_path: Path) -> None:
    root = write(tmp_path, metadata=TABLE)
    options = {"subject": "who", "group": "install", "recorded_at": "when", "domain": "place"}
    listing = listed(root, "table", **options)
    rows = listing.recordings
    assert rows["recording_id"].tolist() == rows["path"].tolist()
    assert rows["subject_id"].tolist()[:3] == ["007", "007", "NA"]  # text, and NA is a name
    assert rows["subject_id"].isna().tolist() == [False, False, False, True]
    assert rows["group_id"].tolist() == ["u1", "u1", "NA", "d.MP3"]
    assert rows["recorded_at"].tolist()[:2] == [1436857154.0, 1436857155.5]
    assert rows["codec"].tolist() == ["wav", "wav", "flac", "mp3"]
    assert rows["session_id"].isna().all()
    assert listing.sides["side_id"].tolist() == rows["recording_id"].tolist()
    assert listing.segments is None


def test_times_may_be_iso(tmp_path: Path) -> None:
    text = "file_name,who,recorded_at\na.wav,1,1970-01-02\n"
    text += "b.wav,1,1970-01-01T01:00:00+01:00\nc.wav,1,7.5\n"
    listing = listed(write(tmp_path, metadata=text), "table", subject="who")
    assert listing.recordings["recorded_at"].tolist() == [86400.0, 0.0, 7.5]


def test_columns_of_our_names_need_no_option(tmp_path: Path) -> None:
    text = (
        "file_name,who,group,session,order,sex,age,label,split\na.wav,1,g,s,2,f,04,hu,Validation\n"
    )
    row = listed(write(tmp_path, metadata=text), "table", subject="who").recordings.iloc[0]
    ours = ["group_id", "session_id", "order", "sex", "age", "label", "subset_hint"]
    assert row[ours].tolist() == ["g", "s", 2, "f", "04", "hu", "dev"]


def test_a_table_lists_trials_by_file_name(tmp_path: Path) -> None:
    text = "file_name,who\na.wav,1\nb.wav,1\nc.wav,2\nd.wav,\n"
    trials = "enrol,test,target\na.wav,b.wav,1\na.wav,c.wav,\n"
    listing = listed(write(tmp_path, metadata=text, trials=trials), "table", subject="who")
    assert listing.listed_trials["trial_id"].tolist() == ["a.wav~b.wav", "a.wav~c.wav"]
    assert listing.listed_trials["target"].tolist() == [1, pd.NA]
    assert listing.listed_trials["subset"].tolist() == ["test", "test"]
    hints = listing.recordings["subset_hint"]
    assert hints[:3].tolist() == ["test"] * 3  # what trials name is theirs
    assert hints.isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("options", "tables", "said"),
    [
        ({}, {"metadata": TABLE}, r"option subject must name .* file_name, who, install, when"),
        ({"subject": "baby"}, {"metadata": TABLE}, r"no column 'baby'; its columns are file_name"),
        ({"subject": "who"}, {"metadata": "file,who\na,b\n"}, r"no column 'file_name'"),
        (
            {"subject": "who"},
            {"metadata": "file_name;who\na.wav;1\n"},
            r"one column 'file_name;who': is it separated by semicolons\? save it with commas",
        ),
        ({"subject": "who"}, {}, r"metadata.csv is not there"),
        ({"subject": "who"}, {"metadata": ""}, r"metadata.csv cannot be read \(No columns"),
        ({"subject": "who"}, {"metadata": 'file_name,who\n"a,b\nc'}, r"cannot be read"),
        (
            {"subject": "who"},
            {"metadata": "file_name,who\n"},
            r"lists no recording of the corpus 'made': fill in",
        ),
        (
            {"subject": "who"},
            {"metadata": "file_name,who\n,a\n"},
            r"no file_name on 1 lines.*line 2",
        ),
        (
            {"subject": "who"},
            {"metadata": "file_name,who\na.wav,1\na.wav,2\nb.wav,1\n"},
            r"stand in more than one row of the corpus's table \(a.wav\)",
        ),
        (
            {"subject": "who", "recorded_at": "when"},
            {"metadata": "file_name,who,when\na.wav,1,1\nb.wav,1,noon\n"},
            r"'noon' in column 'when' \(line 3\), where unix seconds or an ISO 8601",
        ),
        (
            {"subject": "who", "order": "n"},
            {"metadata": "file_name,who,n\na.wav,1,first\n"},
            r"'first' in column 'n' \(line 2\), where a number",
        ),
        (
            {"subject": "who"},
            {"metadata": "file_name,who,split\na.wav,1,holdout\n"},
            r"'holdout' in column 'split' \(line 2\), where train, dev, test",
        ),
        (
            {"subject": "who"},
            {"metadata": "file_name,who\na.wav,1\n", "trials": "enrol,test\na.wav,x.wav\n"},
            r"names 1 recordings that metadata.csv doesn't list: x.wav",
        ),
        (
            {"subject": "who"},
            {"metadata": "file_name,who\na.wav,1\n", "trials": "a,b\na.wav,a.wav\n"},
            r"trials.csv has no column 'enrol', 'test'",
        ),
        (
            {"subject": "who"},
            {
                "metadata": "file_name,who\na.wav,1\nb.wav,1\nc.wav,1\n",
                "trials": "enrol,test,subset\na.wav,b.wav,dev\na.wav,c.wav,test\n",
            },
            r"uses a.wav in trials of dev and of test",
        ),
        ({"subject": "who", "colour": "x"}, {"metadata": TABLE}, r"takes the options subject, "),
    ],
)
def test_wrong_tables_are_named(
    tmp_path: Path, options: dict[str, str], tables: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        listed(write(tmp_path, **tables), "table", **options)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes("file_name,who\nä.wav,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"metadata.csv cannot be read .*save it as UTF-8"):
        listed(tmp_path, "table", subject="who")


def test_unknown_reader_and_missing_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"must be one of cryceleb, .*table, manifest, got 'kaldi'"
    ):
        listed(tmp_path, "kaldi")
    with pytest.raises(ValueError, match=r"gone is not there: name it with --params raw="):
        listed(tmp_path / "gone", "cryceleb")


def test_ids_that_were_read_as_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'subject_id' was read as numbers .*dtype=str"):
        recordings_table({"recording_id": ["a"], "subject_id": [694], "path": ["a.wav"]})


def test_every_reader_gives_the_same_columns(tmp_path: Path) -> None:
    made = {
        "cryceleb": (write(tmp_path / "c", metadata=CRYCELEB), {}),
        "table": (write(tmp_path / "t", metadata="file_name,who\na.wav,1\n"), {"subject": "who"}),
        "emogator": (write(tmp_path / "e"), {}),
        "donateacry": (write(tmp_path / "d"), {}),
    }
    assert set(made) <= set(READERS)
    (tmp_path / "e" / "000001-02-1.mp3").write_bytes(b"")
    phone = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-1430742197-1.0-m-04-hu.caf"
    (tmp_path / "d" / phone).write_bytes(b"")
    tables = [listed(root, reader, **options) for reader, (root, options) in made.items()]
    for table in tables[1:]:
        assert table.recordings.dtypes.equals(tables[0].recordings.dtypes)
        assert table.sides.dtypes.equals(tables[0].sides.dtypes)
        assert table.listed_trials.dtypes.equals(tables[0].listed_trials.dtypes)
