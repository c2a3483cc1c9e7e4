"""The VoxCeleb layout, its tables and its lists."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from bodysounds.corpora.base import Corpus, Listing
from bodysounds.corpora.files import list_files
from bodysounds.corpora.ingest import ingest
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import IngestParams, SplitParams
from bodysounds.splitting.subsets import make_subsets
from bodysounds.splitting.trials import make_trials

META = (
    "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    "id10001\tA.J._Buckley\tm\tIreland\tdev\n"
    "id10002\tA.R._Rahman\tf\tIndia\tdev\n"
    "id10270\t\tf\tUSA\ttest\n"
)
META2 = "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \n"
UTTERANCES = (
    "id10001/vid-A_b/00001.wav", "id10001/vid-A_b/00002.wav", "id10001/-xQ/00001.wav",
    "id10002/vid-A_b/00001.wav", "id10270/5r0/00001.wav", "id10270/8jE/00001.wav",
)  # fmt: skip


def listed(root: Path, **options: object) -> Listing:
    return list_recordings(Corpus(root, "voxceleb", "made", options))


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_utterances_videos_and_speakers(tmp_path: Path) -> None:
    touch(tmp_path, *(f"wav/{name}" for name in UTTERANCES))
    touch(tmp_path, "vox2/dev/aac/id00012/21Ux/00001.m4a")
    (tmp_path / "vox1_meta.csv").write_text(META)
    (tmp_path / "vox2").joinpath("vox2_meta.csv").write_text(META2)
    listing = listed(tmp_path)
    rows = listing.recordings.set_index("recording_id")
    assert set(rows.index) == {*UTTERANCES, "id00012/21Ux/00001.m4a"}
    one = rows.loc["id10002/vid-A_b/00001.wav"]
    assert one["path"] == "wav/id10002/vid-A_b/00001.wav"
    assert one[["subject_id", "group_id", "sex"]].tolist() == ["id10002", "id10002", "f"]
    # two speakers' videos of one name are two sessions
    assert one["session_id"] == "id10002/vid-A_b"
    assert rows.loc["id10001/vid-A_b/00001.wav", "session_id"] == "id10001/vid-A_b"
    m4a = rows.loc["id00012/21Ux/00001.m4a"]
    assert m4a[["sex", "codec"]].tolist() == ["m", "m4a"]
    assert rows.loc["id10270/5r0/00001.wav", "sex"] == "f"  # an empty cell moves no other
    assert rows["subset_hint"].isna().all()
    assert listing.listed_trials.empty


def test_older_names_and_names_of_any_kind(tmp_path: Path) -> None:
    touch(tmp_path, "wav/A.J._Buckley/v/1.wav", "wav/Đặng Thu/vi deo/1.wav", "wav/Zoë/v/2.wav")
    (tmp_path / "vox1_meta.csv").write_text(META)
    rows = listed(tmp_path).recordings.set_index("subject_id")
    assert rows.loc["A.J._Buckley", "sex"] == "m"
    assert rows.loc["Đặng Thu", "session_id"] == "Đặng Thu/vi deo"
    assert pd.isna(rows.loc["Zoë", "sex"])


def test_of_copies_one_is_read_and_what_lies_elsewhere_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "aac/id1/v/1.m4a", "wav/id1/v/1.wav", "dev/wav/id1/v/1.wav", "wav/id1/x.wav")
    touch(tmp_path, "__MACOSX/wav/id1/v/._1.wav", "top.wav")
    with caplog.at_level(logging.WARNING):
        rows = listed(tmp_path).recordings
    assert rows["path"].tolist() == ["dev/wav/id1/v/1.wav"]
    assert "2 copies of utterances" in caplog.text
    assert (
        "2 recordings are not in <speaker>/<video>/ and are left out: top.wav, wav/id1/x.wav"
        in (caplog.text)
    )


def test_a_linked_folder_is_walked_once(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    touch(disk, *UTTERANCES)
    root = tmp_path / "root"
    root.mkdir()
    (root / "wav").symlink_to(disk)
    (disk / "loop").symlink_to(root)
    assert [str(path) for path in list_files(root)] == sorted(f"wav/{u}" for u in UTTERANCES)
    assert len(listed(root).recordings) == len(UTTERANCES)


LIST = (
    "1 id10270/5r0/00001.wav id10270/8jE/00001.wav\n0 id10270/5r0/00001.wav id10001/-xQ/00001.wav\n"
)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("O", "veri_test.txt"),
        ("O-cleaned", "veri_test2.txt"),
        ("E", "list_test_all.txt"),
        ("E-cleaned", "meta/list_test_all2.txt"),
        ("H", "lists/list_test_hard.txt"),
        ("H-cleaned", "list_test_hard2.txt"),
        ("own.txt", "own.txt"),
    ],
)
def test_the_speakers_of_a_list_are_test(tmp_path: Path, name: str, file: str) -> None:
    touch(tmp_path, *(f"wav/{utterance}" for utterance in UTTERANCES), file)
    (tmp_path / file).write_text(LIST)
    listing = listed(tmp_path, trials=name)
    trials = listing.listed_trials
    assert trials["enrol_id"].tolist() == ["id10270/5r0/00001.wav"] * 2
    assert trials["target"].tolist() == [1, 0]
    assert trials["subset"].tolist() == ["test", "test"]
    hint = listing.recordings.set_index("recording_id")["subset_hint"]
    assert hint["id10001/vid-A_b/00001.wav"] == "test"  # not named, but its speaker is
    assert pd.isna(hint["id10002/vid-A_b/00001.wav"])


def test_a_list_of_wavs_finds_the_m4as(tmp_path: Path) -> None:
    touch(tmp_path, "dev/aac/id1/v/1.m4a", "dev/aac/id2/v/1.m4a", "dev/aac/id2/v/2.m4a")
    path = tmp_path / "elsewhere.lst"
    path.write_text("0 id1/v/1.wav id2/v/1.wav\n1 id2/v/1.wav id2/v/2.wav\n")
    trials = listed(tmp_path, trials=str(path)).listed_trials
    assert trials["test_id"].tolist() == ["id2/v/1.m4a", "id2/v/2.m4a"]


def test_the_split_for_identification(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, *(f"wav/{utterance}" for utterance in UTTERANCES))
    text = [f"{number} {name}" for number, name in zip("11231", UTTERANCES[:5], strict=True)]
    (tmp_path / "iden_split.txt").write_text("\n".join([*text, "1 id10999/v/00001.wav"]) + "\n")
    with caplog.at_level(logging.WARNING):
        listing = listed(tmp_path, identification=True)
    hint = listing.recordings.set_index("recording_id")["subset_hint"].reindex(UTTERANCES)
    assert hint.tolist()[:5] == ["train", "train", "dev", "test", "train"]
    assert pd.isna(hint.iloc[5])
    assert "1 of 6 utterances of iden_split.txt are not in the folder: id10999/v" in caplog.text
    assert "1 of 6 recordings are not in iden_split.txt" in caplog.text
    assert listed(tmp_path).recordings["subset_hint"].isna().all()
    (tmp_path / "iden_split.txt").write_text("4 id10001/vid-A_b/00001.wav\n")
    with pytest.raises(ValueError, match=r"has the subset '4', where 1, 2 or 3 must stand"):
        listed(tmp_path, identification=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"trials": "O"},
            r"veri_test.txt is not there, .*meta/.*H-cleaned \(list_test_hard2.txt\)",
        ),
        ({"trials": "/no/list.txt"}, r"the list /no/list.txt is not there"),
        ({"trials": "O", "identification": True}, "exclude each other"),
        ({"identification": "yes"}, "must be true or false, got 'yes'"),
        ({"list": "O"}, r"takes the options trials, identification"),
    ],
)
def test_options_that_fit_nothing_are_named(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    touch(tmp_path, *UTTERANCES)
    with pytest.raises(ValueError, match=said):
        listed(tmp_path, **options)


def test_a_folder_or_table_of_something_else_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "wav/x.wav")
    with pytest.raises(ValueError, match=r"no recordings named .*bodysounds fetch voxceleb1"):
        listed(tmp_path)
    touch(tmp_path, *UTTERANCES)
    (tmp_path / "vox1_meta.csv").write_text("id,name\n1,2\n")
    with pytest.raises(ValueError, match=r"vox1_meta.csv has no column .*columns are id, name"):
        listed(tmp_path)


def made_corpus(root: Path, speakers: int, ending: str = "wav") -> None:
    rng = np.random.default_rng(0)
    for at in range(speakers):
        for video in ("a", "b")[: 1 if at == 0 else 2]:
            path = root / "wav" / f"id{at:05d}" / video / f"00001.{ending}"
            path.parent.mkdir(parents=True)
            soundfile.write(path.with_suffix(".wav"), rng.normal(0, 0.1, 4000), 8000)


def test_trials_of_missing_files_are_counted_and_the_rest_goes_to_the_split(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The first speaker has one clip; two of the list's recordings are not there."""
    made_corpus(tmp_path, 12)
    lines = [
        "1 id00010/a/00001.wav id00010/b/00001.wav", "0 id00010/a/00001.wav id00011/b/00001.wav",
        "1 id00011/a/00001.wav id00011/c/00009.wav", "0 id00077/a/00001.wav id00010/a/00001.wav",
    ]  # fmt: skip
    (tmp_path / "veri_test2.txt").write_text("\n".join(lines) + "\n")
    corpus = Corpus(tmp_path, "voxceleb", "made", {"trials": "O-cleaned"})
    with caplog.at_level(logging.WARNING):
        made = ingest(corpus, IngestParams())
    assert "2 of 4 trials of veri_test2.txt name 2 recordings that are not there" in caplog.text
    assert made.rejected["path"].tolist() == ["id00011/c/00009.wav", "id00077/a/00001.wav"]
    assert "1 of 12 subjects have one side only" in caplog.text
    params = SplitParams(dev_share=0.4, test_share=0.0)
    subsets = make_subsets(made.manifest, params)
    trials = make_trials(made.sides, made.manifest, subsets, made.listed_trials, params)
    test = trials[trials["subset"] == "test"]
    assert test["target"].tolist() == [1, 0]
    targets = trials[trials["target"] == 1]
    assert set(targets["condition"]) == {"across_sessions"}
    with pytest.raises(ValueError, match="2 of 25 files"):
        ingest(corpus, IngestParams(max_rejected_share=0.05))


@pytest.mark.skipif(
    shutil.which("ffmpeg") is None,
    reason="m4a is read by the command ffmpeg, which is not installed; CI installs it",
)
def test_m4a_is_read(tmp_path: Path) -> None:
    import subprocess

    made_corpus(tmp_path, 2)
    for path in sorted(tmp_path.rglob("*.wav")):
        command = ["ffmpeg", "-v", "error", "-i", str(path), str(path.with_suffix(".m4a"))]
        subprocess.run(command, check=True)
        path.unlink()
    made = ingest(Corpus(tmp_path, "voxceleb", "made"), IngestParams())
    assert made.manifest["codec"].tolist() == ["m4a"] * 3
    assert made.manifest["duration_s"].to_numpy() == pytest.approx(0.5, abs=0.3)
