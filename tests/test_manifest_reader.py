"""The reader `manifest`: a table of classes, or class folders, and what is wrong with either."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.ingest import ingest
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import IngestParams

RATE = 16_000
HEAD = "file_path,label,source_id\n"


def listed(root: Path, **options: object) -> Listing:
    return list_recordings(Corpus(root, "manifest", "made", options))


def table(root: Path, text: str) -> Path:
    (root / "data_manifest.csv").write_text(text)
    return root


def tone(path: Path, seconds: float = 0.5, gain: float = 0.3, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = gain * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)
    soundfile.write(path, np.column_stack([np.clip(wave, -1, 1)] * channels), RATE)


def test_every_column_lands_in_the_manifest(tmp_path: Path) -> None:
    table(
        tmp_path,
        "file_path,label,source_id,corpus,split\n"
        "../far/a.wav,crying,007,phone:old,train\n"
        "sub\\b.wav, screaming ,b1,,validation\n"
        "c.wav,normal,,radio,\n",
    )
    rows = listed(tmp_path).recordings
    assert rows["path"].tolist() == ["../far/a.wav", "sub/b.wav", "c.wav"]
    assert rows["label"].tolist() == ["crying", "screaming", "normal"]
    assert rows["subject_id"].tolist() == rows["group_id"].tolist() == ["007", "b1", "c.wav"]
    assert rows["domain"].fillna("-").tolist() == ["phone:old", "-", "radio"]
    assert rows["subset_hint"].fillna("-").tolist() == ["train", "dev", "-"]


def test_paths_may_climb_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        tone(tmp_path / "elsewhere" / f"{name}.wav", gain=0.1 + len(name) / 20)
    root = tmp_path / "lists"
    root.mkdir()
    absolute = tmp_path / "elsewhere" / "three.wav"
    table(
        root,
        HEAD + "../elsewhere/one.wav,crying,1\n../elsewhere/two.wav,screaming,2\n"
        f"{absolute},normal,3\n",
    )
    found = ingest(Corpus(root, "manifest", "made"), IngestParams(min_duration_s=0.1))
    assert found.rejected.empty
    assert found.manifest["duration_s"].tolist() == [0.5] * 3


def test_without_source_id_each_recording_is_a_source_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table(tmp_path, "file_path,label\na.wav,crying\nb.wav,screaming\nc.wav,normal\n")
    assert listed(tmp_path).recordings["group_id"].tolist() == ["a.wav", "b.wav", "c.wav"]
    assert "has no column source_id" in caplog.text
    assert "figures will flatter" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "a.wav,crying,1\nb.wav,laughing,2\n",
         "has the label 'laughing' on line 3 (b.wav), and 1 such line(s) in all: a label is one of "
         "crying, screaming, normal"),
        (HEAD + "a.wav,crying,1\nb.wav,,2\n", "has no label on 1 lines (the first is line 3)"),
        (HEAD + ",crying,1\n", "has no file_path on 1 lines (the first is line 2)"),
        (HEAD + "a.wav,crying,1\nb.wav,normal,2\n", "has no recording of the class 'screaming'"),
        ("file,label\na.wav,crying\n", "has no column 'file_path'; its columns are file, label"),
        (HEAD + " ,crying,1\n", "has no file_path on 1 lines (the first is line 2)"),
        (HEAD + "a.wav,crying,1,\nb.wav,normal,2,\n", "has more cells on its lines than names"),
        (HEAD + "a.wav,crying,1\na.wav,normal,2\nc.wav,screaming,3\n",
         "stand in more than one row"),
    ],
)  # fmt: skip
def test_a_broken_table_is_told_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        listed(table(tmp_path, text))


def test_other_classes_are_an_option(tmp_path: Path) -> None:
    table(tmp_path, HEAD + "a.wav,bark,1\nb.wav,none,2\n")
    rows = listed(tmp_path, labels=["bark", "none"]).recordings
    assert rows["label"].tolist() == ["bark", "none"]


def folders(root: Path, names: Mapping[str, str]) -> None:
    for k, (name, label) in enumerate(names.items()):
        tone(root / label / f"{name}.wav", gain=0.1 + k / 100)


def test_class_folders_become_a_table_that_is_read_the_next_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders(
        tmp_path,
        {
            "home-seg01": "crying", "home-seg02": "crying", "0001": "Screaming",
            "0002": "Screaming", "street_part3": "deep/normal", "other": "neither",
        },
    )  # fmt: skip
    first = listed(tmp_path).recordings
    source = dict(zip(first["path"], first["group_id"], strict=True))
    assert source["crying/home-seg01.wav"] == source["crying/home-seg02.wav"] == "home"
    assert source["Screaming/0001.wav"] != source["Screaming/0002.wav"]
    assert source["deep/normal/street_part3.wav"] == "deep/street"
    assert set(first["label"]) == {"crying", "screaming", "normal"}
    assert "neither/other.wav" not in source
    assert "5 recordings are listed by their folders; 3 whose names" in caplog.text
    written = pd.read_csv(tmp_path / "data_manifest.csv", dtype=str)
    assert list(written) == ["file_path", "label", "source_id"]
    (tmp_path / "crying" / "home-seg01.wav").unlink()  # the table is what counts from now on
    pd.testing.assert_frame_equal(listed(tmp_path).recordings, first)


def test_pieces_of_a_recording_are_one_source_in_whatever_folder(tmp_path: Path) -> None:
    folders(
        tmp_path,
        {
            "a_seg1": "crying", "a_seg2": "normal", "b-chunk1": "train/screaming",
            "b-chunk2": "test/screaming", "b": "screaming", "c": "normal", "d_seg1": "far/crying",
            "d_seg2": "near/crying",
        },
    )  # fmt: skip
    rows = listed(tmp_path).recordings
    source = dict(zip(rows["path"], rows["group_id"], strict=True))
    assert source["crying/a_seg1.wav"] == source["normal/a_seg2.wav"]
    whole = source["screaming/b.wav"]
    assert whole == source["train/screaming/b-chunk1.wav"] == source["test/screaming/b-chunk2.wav"]
    assert source["far/crying/d_seg1.wav"] != source["near/crying/d_seg2.wav"]
    assert rows["group_id"].nunique() == 5


def test_blanks_are_nothing_and_surround_nothing(tmp_path: Path) -> None:
    table(
        tmp_path,
        "file_path, label, source_id, corpus, split\n"
        "a.wav, crying, , ,\nb.wav,screaming , ,radio , Val\nc.wav,normal, 007, ,  \n",
    )
    rows = listed(tmp_path).recordings
    assert rows["group_id"].tolist() == ["a.wav", "b.wav", "007"]
    assert rows["domain"].fillna("-").tolist() == ["-", "radio", "-"]
    assert rows["subset_hint"].fillna("-").tolist() == ["-", "dev", "-"]


@pytest.mark.parametrize("labels", ["crying", [1, 2], [False, "yes"]])
def test_labels_are_a_list_of_texts(tmp_path: Path, labels: object) -> None:
    table(tmp_path, HEAD + "a.wav,1,1\n")
    with pytest.raises(ValueError, match="option `labels` is a list of texts"):
        listed(tmp_path, labels=labels)


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders(tmp_path, {"a": "crying", "b": "screaming", "c": "normal"})

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    assert len(listed(tmp_path).recordings) == 3
    assert "cannot be written" in caplog.text
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_an_empty_folder_is_told_what_it_may_hold(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"neither data_manifest\.csv .* nor recordings in folders"
    ):
        listed(tmp_path)


def test_bad_files_are_rejected_or_told_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tone(tmp_path / "short.wav", 0.08)
    tone(tmp_path / "silent.wav", gain=0.0)
    tone(tmp_path / "clipped.wav", gain=20.0)
    tone(tmp_path / "stereo.wav", channels=2, gain=0.31)
    tone(tmp_path / "fine.wav", gain=0.32)
    labels = {
        "short": "crying", "silent": "normal", "clipped": "screaming", "stereo": "normal",
        "fine": "crying", "gone": "crying",
    }  # fmt: skip
    rows = "".join(f"{name}.wav,{label},{name}\n" for name, label in labels.items())
    corpus = Corpus(table(tmp_path, HEAD + rows), "manifest", "made")
    params = IngestParams(min_duration_s=0.1, max_rejected_share=0.6)
    with caplog.at_level(logging.WARNING):
        found = ingest(corpus, params)
    reason = dict(zip(found.rejected["path"], found.rejected["reason"], strict=True))
    assert set(reason) == {"short.wav", "silent.wav", "gone.wav"}
    assert "lasts 0.08 s, less than ingest.min_duration_s = 0.1" in reason["short.wav"]
    assert "is silent, its peak is digital zero" in reason["silent.wav"]
    assert "is not there" in reason["gone.wav"]
    assert sorted(found.manifest["path"]) == ["clipped.wav", "fine.wav", "stereo.wav"]
    assert "1 of 6 recordings are clipped" in caplog.text
    assert "kept: clipped.wav" in caplog.text
    with pytest.raises(ValueError, match=r"3 of 6 files \(50.0%\) are rejected, more than"):
        ingest(corpus, IngestParams(min_duration_s=0.1))


@pytest.mark.data
def test_the_real_table_is_read_as_it_is(data_dir: Path) -> None:
    rows = listed(data_dir / "cry_scream").recordings
    counts = rows["label"].value_counts().to_dict()
    assert counts == {"normal": 568, "crying": 449, "screaming": 360}
    assert rows["group_id"].nunique() == 579
    assert all((data_dir / "cry_scream" / path).is_file() for path in rows["path"])
    assert "emogator:strict" in set(rows["domain"])
