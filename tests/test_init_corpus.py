"""`bodysounds init-corpus`: what is written, what is never overwritten, and that it runs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import kedro
from made_folders import (
    EIGHT,
    NAMES,
    PROJECT,
    everything,
    init,
    init_corpus,
    listed,
    loader,
    made_conf,
    speak,
    touch,
)

from bodysounds.__main__ import main
from bodysounds.commands.init_corpus import run
from bodysounds.corpora.ingest import ingest
from bodysounds.params import IngestParams, SplitParams
from bodysounds.splitting.subsets import make_subsets
from bodysounds.splitting.trials import make_trials


def test_a_published_folder_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speak(tmp_path / "sounds", listed("{c}/{k}.wav", c=("crying", "screaming", "normal"), k=(1, 2)))
    before = everything(tmp_path)
    assert run([str(tmp_path / "sounds"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == (
        f"kedro run --env=cry_scream --pipelines=cry_scream_ensemble --params raw={tmp_path}/sounds"
    )
    assert told["written"] == []
    assert everything(tmp_path) == before


def test_a_table_of_odd_names_is_understood(tmp_path: Path) -> None:
    folder = tmp_path / "recs"
    paths = listed("audio/x{n:02}{k}.wav", n=range(10), k="abc")
    speak(folder, paths)
    table = pd.DataFrame({"clip": [Path(path).stem for path in paths]})
    table["Speaker ID"] = [f"0{path[7:9]}" for path in paths]
    table["Recording Date"] = [f"2024-05-0{1 + k % 3}" for k in range(30)]
    table["gender"] = ["Male" if int(path[7:9]) % 2 else "F" for path in paths]
    table["phone"] = "old"
    table["comment"] = "x; y"
    table["length"] = 1.5
    table.to_csv(folder / "notes.csv", sep=";", index=False)
    recordings = init(tmp_path, folder).recordings
    assert len(recordings) == 30
    assert sorted(recordings["subject_id"].unique())[:2] == ["000", "001"]  # zeros are kept
    assert recordings["sex"].value_counts().to_dict() == {"m": 15, "f": 15}
    assert recordings["recorded_at"].iloc[0] == pd.Timestamp("2024-05-01").timestamp()
    assert set(recordings["domain"]) == {"old"}
    written = pd.read_csv(folder / "metadata.csv", dtype=str)
    assert set(written["comment"]) == {"x; y"}
    assert "length" in written


def test_a_table_that_serves_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "cries"
    paths = listed("{n}{k}.wav", n="abcdefgh", k=range(3))
    speak(folder, paths)
    table = pd.DataFrame({"file_name": paths, "baby_id": [path[0] for path in paths]})
    table.to_csv(folder / "metadata.csv", index=False)
    before = everything(folder)
    found = init(tmp_path, folder)
    assert everything(folder) == before
    assert set(found.recordings["subject_id"]) == set("abcdefgh")
    text = (tmp_path / "conf/cries/catalog.yml").read_text()
    assert 'subject: "baby_id"' in text


def test_a_table_is_never_overwritten_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recs"
    speak(folder, listed("{n}_{k}.wav", n=EIGHT, k=range(3)))
    (folder / "metadata.csv").write_text("mine\n1\n")
    conf = made_conf(tmp_path)
    before = everything(tmp_path)
    with pytest.raises(SystemExit) as failed:
        main(["init-corpus", str(folder), "--conf", str(conf)])
    assert failed.value.code == 2
    assert "--force" in capsys.readouterr().err
    assert everything(tmp_path) == before
    assert run([str(folder), "--conf", str(conf), "--force"]) == 0
    assert (folder / "metadata.csv.bak").read_text() == "mine\n1\n"
    assert (folder / "metadata.csv").read_text().startswith("file_name,subject,order\n")


def test_an_environment_of_others_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "recs"
    speak(folder, listed("{n}_{k}.wav", n=EIGHT, k=range(3)))
    conf = made_conf(tmp_path)
    shutil.copytree(PROJECT / "conf/folder", conf / "folder")
    before = everything(tmp_path)
    for given in (["--name", "folder", "--force"], ["--name", "base"], ["--name", "a/b"]):
        with pytest.raises(ValueError, match="--name"):
            run([str(folder), "--conf", str(conf), *given])
    with pytest.raises(ValueError, match="no configuration of bodysounds"):
        run([str(folder), "--conf", str(tmp_path)])
    assert everything(tmp_path) == before


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recs"
    speak(folder, listed("{n}_{k}.wav", n=EIGHT, k=range(3)))
    (folder / "metadata.csv").write_text("mine\n1\n")
    conf = made_conf(tmp_path)
    before = everything(tmp_path)
    replace, calls = os.replace, []

    def failing(source: Any, place: Any) -> None:
        calls.append(place)
        if len(calls) == 3:
            raise OSError("the disk is full")
        replace(source, place)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="disk is full"):
        run([str(folder), "--conf", str(conf), "--force"])
    after = everything(tmp_path)
    assert after.pop(str(folder / "metadata.csv.bak")) == b"mine\n1\n"
    assert after == before


def test_a_pattern_overrides_every_guess(tmp_path: Path) -> None:
    folder = tmp_path / "recs"
    speak(folder, [*listed("x{a}/{n}{s}-{k}.wav", a=(1,), n="abcdefgh", s="pq", k=(1, 2)), "z.wav"])
    found = init(tmp_path, folder, "--pattern", r"/(?P<subject>[a-h])(?P<session>[pq])-")
    assert found.recordings["subject_id"].value_counts().to_dict() == dict.fromkeys("abcdefgh", 4)
    assert set(found.recordings["session_id"]) == {"p", "q"}
    for pattern, said in (
        ("(", "regular"),
        ("a(?P<who>.)", "who"),
        ("(?P<subject>Q)", "fits none"),
    ):
        with pytest.raises(ValueError, match=said):
            run([str(folder), "--pattern", pattern, "--conf", str(tmp_path / "conf")])
    with pytest.raises(ValueError, match="field9"):
        run([str(folder), "--subject", "field9", "--conf", str(tmp_path / "conf")])


def test_a_split_that_leaks_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "recs"
    speak(folder, listed("{s}/{n}/{k}.wav", s=("train", "dev", "test"), n=EIGHT, k=(1, 2)))
    found = init(tmp_path, folder)
    assert found.recordings["subset_hint"].isna().all()
    assert set(pd.read_csv(folder / "metadata.csv")["listed_split"]) == {"train", "dev", "test"}


def test_classes_become_a_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    speak(folder, listed("{c}/{k:03}.wav", c=("cry", "scream", "other"), k=range(8)))
    found = init(tmp_path, folder)
    assert found.recordings["label"].value_counts().to_dict() == {"cry": 8, "scream": 8, "other": 8}
    parameters = loader(tmp_path / "conf", "sounds")["parameters"]["cry_scream_ensemble"]
    assert parameters["split_sources"]["classes"] == ["cry", "other", "scream"]
    # a second time its own table serves
    before = everything(folder)
    assert run([str(folder), "--conf", str(tmp_path / "conf"), "--force"]) == 0
    assert everything(folder) == before


@pytest.mark.parametrize(
    "template", ["{n}/2024-05-{d:02}/{k}.wav", "{n}_s{d}_{k:03}.wav"], ids=["folders", "names"]
)
def test_what_is_written_can_be_split(template: str, tmp_path: Path) -> None:
    paths = listed(template, n=EIGHT, d=(1, 2), k=range(2))
    folder = tmp_path / "my recs, $1: 'x' ü"
    speak(folder, paths)
    read = ingest(init_corpus(tmp_path, folder), IngestParams(workers=1))
    assert len(read.manifest) == len(paths)
    assert read.manifest["session_id"].nunique() == 2
    parameters = loader(tmp_path / "conf", "my_recs_1_x")["parameters"]
    split = SplitParams(**parameters["speaker_verification"]["split"])
    subsets = make_subsets(read.manifest, split)
    trials = make_trials(read.sides, read.manifest, subsets, read.listed_trials, split)
    targets = trials[trials["target"] == 1].groupby("subset").size()
    assert targets["dev"] > 0
    assert targets["test"] > 0


def test_the_printed_command_runs(
    project_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cries of ours"
    speak(folder, listed("{n}/2024-05-{d:02}/{k}.wav", n=NAMES, d=(1, 2), k=(1, 2)))
    touch(folder / "anna/2024-05-01/broken.wav")
    conf = project_copy / "conf"
    assert run([str(folder), "--conf", str(conf), "--name", "ours_here"]) == 0
    command = next(
        line.split() for line in capsys.readouterr().out.splitlines() if "  kedro run" in line
    )
    assert command[2:] == ["--env=ours_here", "--pipelines=cry_verification"]
    task = "cry_verification"
    small = {
        "channels": 8, "dim": 8, f"{task}.train_embedding.epochs": 1,
        f"{task}.train_embedding.depth": 1, f"{task}.train_embedding.passes_per_epoch": 1,
        f"{task}.threshold.n_bootstrap": 50, f"{task}.report.n_bootstrap": 50, "data": "data/ours",
    }  # fmt: skip
    params = ",".join(f"{name}={value}" for name, value in small.items())
    done = kedro(project_copy, *command[1:], f"--params={params}")
    shutil.rmtree(conf / "ours_here")
    results = project_copy / "data/ours/08_reporting/ours_here" / task
    metrics = json.loads(next(results.glob("metrics.json/*/metrics.json")).read_text())
    assert metrics["headline"]["condition"] == "across_sessions"
    assert 0 <= metrics["headline"]["eer"] <= 1
    assert "the report is" in done.stdout
