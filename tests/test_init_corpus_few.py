"""What `init-corpus` says before a run would: no list, too few subjects, closed folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import PROJECT
from kedro.framework.cli.utils import _split_params
from made_folders import EIGHT, listed, loader, made_conf, speak, touch

from bodysounds.commands.init_corpus import run
from bodysounds.corpora.base import Corpus, recordings_table
from bodysounds.corpora.files import list_files
from bodysounds.corpora.registry import list_recordings
from bodysounds.corpora.survey.fit import fits, verification
from bodysounds.corpora.survey.words import facts_text, fit_text
from bodysounds.params import SplitParams
from bodysounds.params.report import ReportParams
from bodysounds.splitting.subsets import make_subsets
from bodysounds.types import Table


def manifest(n: int, twice: int, **columns: object) -> Table:
    """Return recordings of n subjects, of whom the first `twice` have two."""
    paths = [f"p{i:03}/{k}.wav" for i in range(n) for k in range(1 + (i < twice))]
    who = [path.split("/")[0] for path in paths]
    table = recordings_table({"recording_id": paths, "path": paths, "subject_id": who, **columns})
    return table.assign(duration_s=1.0, sha256=paths)


@pytest.fixture
def vox(tmp_path: Path) -> Path:
    template = "wav/id1{n:04}/abcdefghij{v}/00001.wav"
    speak(tmp_path / "vox", listed(template, n=range(12), v=(1, 2)))
    return tmp_path / "vox"


def told(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    conf = str(made_conf(folder.parent))
    assert run([str(folder), "--dry-run", "--json", "--conf", conf, *options]) == 0
    out = capsys.readouterr().out
    found: dict[str, object] = json.loads(out[out.index("{\n") :])  # below what kedro logs
    return found


def test_voxceleb_without_a_list_is_dealt(vox: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(vox, capsys)
    assert "put veri_test2.txt into the folder" in " ".join(found["notes"])  # type: ignore[arg-type]
    given = str(found["command"]).split("--params ")[1]
    params = _split_params(None, None, given)
    # as kedro reads it: no list is asked for, and dev and test have subjects
    conf = loader(PROJECT / "conf", "voxceleb")
    conf.runtime_params = params
    raw = conf["catalog"]["{task}.raw"]
    assert raw["options"] == {"trials": None}
    corpus = Corpus(Path(raw["filepath"]), raw["reader"], raw["name"], raw["options"])
    split = {**conf["parameters"]["speaker_verification"]["split"],
             **params["speaker_verification"]["split"]}  # fmt: skip
    recordings = list_recordings(corpus).recordings
    recordings = recordings.assign(duration_s=1.0, sha256=recordings["path"])
    subsets = make_subsets(recordings, SplitParams(**split))["subset"]
    assert set(subsets) == {"train", "dev", "test"}
    assert "trials" not in str(told(vox, capsys, "--task", "speaker_identification")["command"])


@pytest.mark.parametrize(
    ("file", "said"), [("veri_test2.txt", ""), ("veri_test.txt", "O"), ("list_test_hard.txt", "H")]
)
def test_a_list_that_lies_there_is_used(
    file: str, said: str, vox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(vox / "meta" / file)
    found = told(vox, capsys)
    expected = f"raw={vox}" + f",trials={said}" * bool(said)
    assert str(found["command"]).endswith(f"--params {expected}")
    assert found["notes"] == []


def test_too_few_speakers_without_a_list_get_no_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(tmp_path / "vox", listed("id1{n:04}/abcdefghij1/{k:05}.wav", n=range(4), k=(1, 2)))
    assert told(tmp_path / "vox", capsys)["command"] is None


def test_breath_without_its_split_is_dealt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "breath"
    names = listed("{n}_1b1_Al_sc_Meditron", n=range(101, 107))
    speak(folder, [f"{name}.wav" for name in names])
    for name in names:
        (folder / f"{name}.txt").write_text("0.0\t0.3\t0\t1\n")
    found = told(folder, capsys)
    assert str(found["command"]).endswith(f"--params raw={folder},protocol=patients")
    assert "no file here has the split" in str(found["notes"])
    rows = [f"{name}\t{'train' if k < 4 else 'test'}" for k, name in enumerate(names)]
    (folder / "ICBHI_challenge_train_test.txt").write_text("\n".join(rows))
    found = told(folder, capsys)
    assert str(found["command"]).endswith(f"--params raw={folder}")
    assert found["notes"] == []


def test_what_is_said_of_sessions_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Times part sessions for verification; identification holds named ones out."""
    speak(tmp_path / "recs", listed("202405{d:02}_100000_{n}.wav", d=(1, 2, 3), n=EIGHT))
    asked = [str(tmp_path / "recs"), "--dry-run", "--conf", str(made_conf(tmp_path))]
    assert run(asked) == 0
    said = capsys.readouterr().out
    assert "to verification, recordings under an hour apart are of one session" in said
    assert "no sessions are named (times alone hold none out)" in said
    assert run([*asked, "--recorded-at", "none"]) == 0
    said = capsys.readouterr().out
    assert "nothing in names or table says which recordings were made at once" in said
    assert "no sessions are named, so" in said


def few_text(table: Table, task: str = "cry_verification") -> list[str]:
    return [
        line
        for line in fit_text(fits(table), task).splitlines()
        if "rely" in line or "helps" in line
    ]


def test_few_with_pairs_are_told() -> None:
    least = ReportParams.min_subjects
    table = manifest(65, 16)
    facts = verification(table).facts
    assert facts["paired"]["all"] == 16
    # as the run deals them
    subset = make_subsets(table, SplitParams(**facts["split"]))
    rows = subset[["recording_id", "subset"]].merge(table[["recording_id", "subject_id"]])
    of = rows.groupby(["subset", "subject_id"]).size()
    behind = {name: int((of[name] >= 2).sum()) for name in ("dev", "test")}
    assert {name: facts["paired"][name] for name in behind} == behind
    assert min(behind.values()) < least
    yes, doubt, ways = few_text(table)
    assert yes.split()[:2] == ["verification", "yes:"]
    assert "too few" in yes
    assert ("(the threshold)" in doubt) == (behind["dev"] < least)
    assert ("(the error rates" in doubt) == (behind["test"] < least)
    assert "--pipelines=cry_verification_folds" in ways
    assert "dev_share" not in ways  # 16 are not enough for two tens
    assert few_text(manifest(200, 200)) == []
    (*_, ways) = few_text(manifest(12, 8), "speaker_identification")
    assert "_folds" not in ways
    assert "8 have them" in ways


def test_shares_that_are_enough_are_named() -> None:
    table = manifest(40, 40)
    (*_, ways) = few_text(table)
    given = _split_params(None, None, ways.split("--params ")[1].split(", which")[0])
    shares = given["cry_verification"]["split"]
    subset = make_subsets(table, SplitParams(**shares))
    rows = subset[["recording_id", "subset"]].merge(table[["recording_id", "subject_id"]])
    sides = rows.groupby("subset")["subject_id"]
    assert sides.nunique()[["dev", "test"]].min() >= ReportParams.min_subjects
    assert sides.nunique()["train"] >= 16


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of which `fritz` cannot be read, whoever runs the test."""
    folder = tmp_path / "recs"
    speak(folder, listed("{n}/{k}.wav", n=EIGHT, k=range(3)))
    scan = os.scandir

    def refusing(path: str) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "fritz":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    return folder


def test_folders_that_cannot_be_read_are_named(
    closed: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert "1 folders cannot be read" in str(told(closed, capsys)["notes"])
    assert "recs/fritz" in str(told(closed, capsys)["notes"])
    assert not caplog.records
    assert len(list_files(closed)) == 21
    assert "recs/fritz" in caplog.text
    with pytest.raises(ValueError, match=r"holds no recording .*recs/fritz"):
        run([str(closed / "fritz"), "--dry-run", "--conf", str(made_conf(closed.parent))])


def test_channels_are_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "recs"
    speak(folder, listed("{n}/{k}.wav", n=EIGHT, k=range(3)))
    facts = told(folder, capsys)["facts"]
    assert "mixed" not in facts_text(facts)  # type: ignore[arg-type]
    wave, rate = soundfile.read(folder / "anna/0.wav")
    soundfile.write(folder / "anna/0.wav", np.stack([wave, -0.5 * wave], 1), rate)
    facts = told(folder, capsys)["facts"]
    assert "2: 1; they are mixed to one" in facts_text(facts)  # type: ignore[arg-type]
