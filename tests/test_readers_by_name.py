"""Readers of corpora whose file names say everything, and the real recordings."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.registry import list_recordings


def listed(root: Path, reader: str, **options: object) -> Listing:
    return list_recordings(Corpus(root, reader, "made", options))


ANDROID = "0c8f14a9-6999-485b-97a2-913c1cbf099c-1431028888092-1.7-m-26-sc"
IOS = "0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-1430742197-1.0-m-04-hu"


def test_donateacry_names_say_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (
        f"android/{ANDROID}.3gp", f"ios/{IOS}.caf", f"cleaned/hungry/{IOS}.wav", "ios/odd.caf",
        "ios/readme.txt",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        listing = listed(tmp_path, "donateacry")
    rows = listing.recordings.set_index("recording_id")
    assert sorted(rows.index) == [IOS, ANDROID]  # the copy of one recording is not a second one
    assert rows.loc[IOS, "path"] == f"cleaned/hungry/{IOS}.wav"
    android = rows.loc[ANDROID]
    assert android["subject_id"] == "0c8f14a9-6999-485b-97a2-913c1cbf099c-m-26"
    assert android["group_id"] == "0c8f14a9-6999-485b-97a2-913c1cbf099c"
    assert android["recorded_at"] == 1431028888.092
    assert rows.loc[IOS, "recorded_at"] == 1430742197
    assert android[["domain", "sex", "age", "label", "codec"]].tolist() == [
        "android", "m", "26", "sc", "3gp",
    ]  # fmt: skip
    assert rows.loc[IOS, "domain"] == "ios"
    assert "odd.caf" in caplog.text
    assert "1 copies" in caplog.text


def test_emogator_names_say_everything(tmp_path: Path) -> None:
    for name in ("000001-02-1.mp3", "000001-02-2.mp3", "000309-30-1.mp3", "cover.mp3"):
        (tmp_path / name).write_bytes(b"")
    rows = listed(tmp_path, "emogator").recordings
    assert rows["subject_id"].tolist() == ["000001", "000001", "000309"]
    assert rows["label"].tolist() == ["02", "02", "30"]
    assert rows["order"].tolist() == [1, 2, 1]


def test_a_table_wins_over_file_names(tmp_path: Path) -> None:
    (tmp_path / "000001-02-1.mp3").write_bytes(b"")
    (tmp_path / "metadata.csv").write_text("file_name,speaker_id,emotion,take\nx.mp3,p,Awe,3\n")
    row = listed(tmp_path, "emogator").recordings.iloc[0]
    assert row[["recording_id", "subject_id", "label", "order"]].tolist() == [
        "x.mp3",
        "p",
        "Awe",
        3,
    ]


@pytest.mark.parametrize("reader", ["donateacry", "emogator"])
def test_a_folder_without_such_files_is_named(tmp_path: Path, reader: str) -> None:
    with pytest.raises(ValueError, match=r"has neither metadata.csv nor files named"):
        listed(tmp_path, reader)


@pytest.mark.data
def test_real_cries(data_dir: Path) -> None:
    rows = listed(data_dir / "infant_cries", "donateacry").recordings
    assert len(rows) == 425
    assert rows["subject_id"].nunique() == 198
    assert rows["group_id"].nunique() == 175
    assert set(rows["domain"]) == {"android", "ios"}
    assert rows["recorded_at"].between(1.4e9, 1.5e9).all()


@pytest.mark.data
@pytest.mark.parametrize("reader", ["emogator", "table"])
def test_real_bursts(data_dir: Path, reader: str) -> None:
    options = {"subject": "speaker_id"} if reader == "table" else {}
    rows = listed(data_dir / "vocal_bursts", reader, **options).recordings
    assert len(rows) == 5085
    assert rows["subject_id"].nunique() == 242


@pytest.mark.data
def test_published_names_say_what_the_table_of_the_bursts_says(
    data_dir: Path, tmp_path: Path
) -> None:
    from bodysounds.corpora.emogator import NAME

    table = listed(data_dir / "vocal_bursts", "emogator").recordings
    parts = [NAME.fullmatch(Path(path).stem) for path in table["path"]]
    assert all(parts)
    named = pd.Series([part["person"] for part in parts if part])
    assert (table["subject_id"] == "emo" + named).all()
    assert table["order"].tolist() == [float(part["take"]) for part in parts if part]
