"""Probing: good files fill the manifest, broken ones are rejected with a reason."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.ingest import ingest
from bodysounds.corpora.probe import MANIFEST_COLUMNS, probe
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import IngestParams

RATE = 8000


def folder_of(tmp_path: Path, good: int = 12) -> tuple[Corpus, list[str]]:
    """Good recordings of subjects with three each, in several formats."""
    rng = np.random.default_rng(0)
    endings = ("wav", "flac", "ogg", "mp3")
    names = [f"g{i:02d}.{endings[i % 4]}" for i in range(good)]
    for name in names:
        soundfile.write(tmp_path / name, rng.normal(0, 0.1, RATE), RATE)
    write_table(tmp_path, [(name, f"s{i // 3}") for i, name in enumerate(names)])
    return Corpus(tmp_path, "table", "made", {"subject": "who"}), names


def write_table(folder: Path, rows: list[tuple[str, str]]) -> None:
    pd.DataFrame(rows, columns=["file_name", "who"]).to_csv(folder / "metadata.csv", index=False)


def break_files(folder: Path) -> dict[str, str]:
    """Write one file of each kind of damage; return what must be said of it."""
    noise = np.random.default_rng(1).normal(0, 0.1, RATE).astype("f4")
    soundfile.write(folder / "whole.wav", noise, RATE)
    whole = (folder / "whole.wav").read_bytes()
    (folder / "whole.wav").unlink()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "letter.wav").write_bytes(b"dear aunt, " * 50)
    soundfile.write(folder / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(folder / "short.wav", noise[: RATE // 50], RATE)
    noise[5] = np.nan
    soundfile.write(folder / "nan.wav", noise, RATE, subtype="FLOAT")
    return {
        "gone.wav": "gone.wav is not there",
        "empty.wav": "empty.wav is empty (0 bytes)",
        "cut.wav": "cut.wav is cut short",
        "letter.wav": "letter.wav is not audio",
        "silent.wav": "silent.wav is silent",
        "short.wav": "short.wav lasts 0.02 s",
        "nan.wav": "nan.wav holds 1 samples that are NaN",
    }


def test_the_manifest_says_what_the_files_are(tmp_path: Path) -> None:
    corpus, names = folder_of(tmp_path)
    manifest, rejected = probe(corpus, list_recordings(corpus), IngestParams())
    assert tuple(manifest.columns) == MANIFEST_COLUMNS
    assert manifest["path"].tolist() == names
    assert manifest["duration_s"].to_numpy() == pytest.approx(1.0, abs=0.2)
    assert manifest["duration_s"].iloc[0] == 1.0
    assert manifest["sample_rate"].tolist() == [RATE] * 12
    for path, digest in zip(manifest["path"], manifest["sha256"], strict=True):
        assert digest == hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
    assert rejected.empty
    assert list(rejected.columns) == ["path", "reason"]
    kinds = manifest.dtypes.astype(str)
    assert kinds[["duration_s", "sample_rate", "sha256"]].tolist() == ["float64", "int64", "str"]


def test_broken_files_are_rejected_and_good_ones_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus, names = folder_of(tmp_path)
    reasons = break_files(tmp_path)
    mixed = [(name, f"s{i // 3}") for i, name in enumerate(names)]
    mixed[3:3] = [(name, "s0") for name in reasons]
    write_table(tmp_path, mixed)
    with caplog.at_level(logging.WARNING):
        made = ingest(corpus, IngestParams(max_rejected_share=0.5, workers=3))
    assert made.manifest["path"].tolist() == names
    assert made.rejected["path"].tolist() == list(reasons)
    for said, expected in zip(made.rejected["reason"], reasons.values(), strict=True):
        assert said.startswith(expected)
    assert "7 of 19 files (36.8%) are rejected" in caplog.text
    assert set(made.segments["recording_id"]) == set(names) == set(made.sides["side_id"])
    assert (made.segments["end_s"] == made.manifest["duration_s"]).all()


def test_too_many_broken_files_stop_the_run(tmp_path: Path) -> None:
    corpus, names = folder_of(tmp_path)
    write_table(tmp_path, [*((name, "s") for name in names), ("gone.wav", "s"), ("no.wav", "s")])
    with pytest.raises(
        ValueError, match=r"^2 of 14 files \(14.3%\) are rejected, more than .* = 0.1 .*gone.wav is"
    ):
        ingest(corpus, IngestParams())
    assert len(ingest(corpus, IngestParams(max_rejected_share=0.2)).manifest) == 12


def test_limits_are_parameters(tmp_path: Path) -> None:
    corpus, names = folder_of(tmp_path)
    soundfile.write(tmp_path / "short.wav", np.full(RATE // 50, 1e-3), RATE, subtype="FLOAT")
    write_table(tmp_path, [*((name, "s") for name in names), ("short.wav", "s")])
    listing = list_recordings(corpus)
    assert len(probe(corpus, listing, IngestParams(min_duration_s=0.01))[0]) == 13
    reason = probe(corpus, listing, IngestParams(min_duration_s=0.01, silence_dbfs=-50))[1]
    assert "its peak is -60.0 dBFS and ingest.silence_dbfs = -50" in reason["reason"].iloc[0]


def test_trials_of_lost_sides_are_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus, names = folder_of(tmp_path)
    (tmp_path / names[1]).unlink()
    text = f"enrol,test,target\n{names[0]},{names[1]},1\n{names[0]},{names[2]},1\n"
    (tmp_path / "trials.csv").write_text(text)
    with caplog.at_level(logging.WARNING):
        made = ingest(corpus, IngestParams())
    assert made.listed_trials["test_id"].tolist() == [names[2]]
    assert "1 of 2 listed trials are left out" in caplog.text
    assert f"{names[0]}~{names[1]}" in caplog.text
    assert f"1 sides have no recording left: {names[1]}" in caplog.text


def test_a_side_survives_the_loss_of_one_of_its_recordings(tmp_path: Path) -> None:
    rows = ["baby_id,period,duration,split,chronological_index,file_name,file_id"]
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", np.full(RATE, 0.1), RATE)
        rows.append(f"0001,{'BBDD'[i]},1,train,{i % 2},{i}.wav,f{i}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    (tmp_path / "0.wav").unlink()
    made = ingest(Corpus(tmp_path, "cryceleb", "made"), IngestParams(max_rejected_share=0.5))
    assert made.sides["side_id"].tolist() == ["0001_B", "0001_D", "0001_D"]
    assert made.sides["recording_id"].tolist() == ["f1", "f2", "f3"]


def test_a_baby_with_one_recording_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corpus, names = folder_of(tmp_path)
    write_table(tmp_path, [*((name, "many") for name in names[1:]), (names[0], "lonely")])
    with caplog.at_level(logging.WARNING):
        made = ingest(corpus, IngestParams())
    assert "1 of 2 subjects have one side only" in caplog.text
    assert "lonely; they make no target pair" in caplog.text
    assert len(made.manifest) == 12


@pytest.mark.data
def test_real_cries_are_all_good(data_dir: Path) -> None:
    made = ingest(Corpus(data_dir / "infant_cries", "donateacry", "cries"), IngestParams())
    assert len(made.manifest) == 425
    assert made.rejected.empty
    table = pd.read_csv(data_dir / "infant_cries" / "metadata.csv")
    assert made.manifest["duration_s"].to_numpy() == pytest.approx(table["duration"], abs=0.01)
    assert made.manifest["sample_rate"].tolist() == table["sample_rate"].tolist()


@pytest.mark.data
def test_real_bursts_are_all_good_and_half_of_one_is_not(data_dir: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data_dir / "vocal_bursts" / "metadata.csv", dtype=str).iloc[::50]
    for name in table["file_name"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir / "vocal_bursts" / name, tmp_path / name)
    table.to_csv(tmp_path / "metadata.csv", index=False)
    first = tmp_path / table["file_name"].iloc[0]
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    made = ingest(Corpus(tmp_path, "emogator", "bursts"), IngestParams())
    assert len(made.manifest) == len(table) - 1
    assert "is cut short" in made.rejected["reason"].iloc[0]
