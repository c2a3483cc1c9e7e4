"""Copies of recordings: which one is kept, and what is said of the others."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.duplicates import drop_duplicates
from bodysounds.corpora.ingest import Ingested, ingest
from bodysounds.params import IngestParams

RATE = 8000
# name, subject, content
FILES = (
    ("b.wav", "s1", 0), ("a.wav", "s1", 0), ("c.wav", "s1", 1), ("d.wav", "s2", 0),
    ("e.wav", "s2", 2), ("f.wav", "", 2), ("g.wav", "s3", 3), ("h.wav", "s3", 4),
)  # fmt: skip


def corpus_of(folder: Path, trials: str = "", order: int = 1) -> Corpus:
    for name, _, content in FILES:
        noise = np.random.default_rng(content).normal(0, 0.1, RATE // 4)
        soundfile.write(folder / name, noise, RATE)
    rows = [f"{name},{who}" for name, who, _ in FILES][::order]
    (folder / "metadata.csv").write_text("\n".join(["file_name,who", *rows]) + "\n")
    if trials:
        (folder / "trials.csv").write_text(f"enrol,test,target\n{trials}\n")
    return Corpus(folder, "table", "made", {"subject": "who"})


def dropped(made: Ingested) -> list[str]:
    return made.rejected["path"].tolist()


def test_copies_are_kept_unless_asked_otherwise(tmp_path: Path) -> None:
    made = ingest(corpus_of(tmp_path), IngestParams())
    assert len(made.manifest) == len(FILES)
    assert made.rejected.empty


@pytest.mark.parametrize("order", [1, -1])
def test_the_first_by_id_is_kept_whatever_the_order(
    tmp_path: Path, order: int, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = corpus_of(tmp_path, order=order)
    with caplog.at_level(logging.WARNING):
        made = ingest(corpus, IngestParams(duplicates="drop", max_rejected_share=0.0))
    assert dropped(made) == ["b.wav", "d.wav", "f.wav"]
    reasons = made.rejected.set_index("path")["reason"]
    assert reasons["b.wav"] == "b.wav is a copy of a.wav (equal sha256), which is kept"
    assert reasons["d.wav"].endswith("kept, though of subject s2 and that one of s1")
    assert reasons["f.wav"].endswith("which is kept")  # an unknown subject contradicts nothing
    there = {"a.wav", "c.wav", "e.wav", "g.wav", "h.wav"}
    assert set(made.manifest["recording_id"]) == there
    assert set(made.sides["side_id"]) == there == set(made.segments["recording_id"])
    assert not made.manifest["sha256"].duplicated().any()
    assert "3 of 8 recordings are copies of others" in caplog.text
    assert "1 of these copies are filed under another subject than what is kept (d.wav)" in (
        caplog.text
    )


def test_what_trials_name_is_never_dropped_and_kept_before_others(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, trials="b.wav,c.wav,1\nd.wav,c.wav,0")
    made = ingest(corpus, IngestParams(duplicates="drop"))
    assert dropped(made) == ["a.wav", "f.wav"]
    assert made.rejected["reason"].iloc[0].startswith("a.wav is a copy of b.wav")
    assert len(made.listed_trials) == 2


def test_broken_files_are_judged_without_the_copies(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    (tmp_path / "g.wav").write_bytes(b"")
    made = ingest(corpus, IngestParams(duplicates="drop", max_rejected_share=0.125))
    assert dropped(made) == ["g.wav", "b.wav", "d.wav", "f.wav"]
    with pytest.raises(ValueError, match=r"^1 of 8 files"):
        ingest(corpus, IngestParams(duplicates="drop", max_rejected_share=0.1))


def test_against_a_slow_search(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    manifest = pd.DataFrame(
        {
            "recording_id": [f"r{i:03d}" for i in rng.permutation(200)],
            "subject_id": "s",
            "path": "p",
            "sha256": [f"h{i}" for i in rng.integers(0, 60, 200)],
        }
    )
    spared = set(rng.choice(manifest["recording_id"], 30, replace=False))
    kept, rejected = drop_duplicates(manifest, spared)
    expected = set(spared)
    for _, group in manifest.groupby("sha256"):
        ids = sorted(group["recording_id"])
        if not spared & set(ids):
            expected.add(ids[0])
    assert set(kept["recording_id"]) == expected
    assert len(kept) + len(rejected) == 200
    order = manifest["recording_id"].tolist()
    assert kept["recording_id"].tolist() == [name for name in order if name in expected]


def test_a_wrong_word_is_named() -> None:
    with pytest.raises(ValueError, match=r"ingest.duplicates must be one of keep, drop, got 'all'"):
        IngestParams(duplicates="all")


def test_a_copy_of_nobody_gives_way_to_one_of_a_known_subject() -> None:
    manifest = pd.DataFrame(
        {
            "recording_id": ["a", "b", "c"],
            "subject_id": pd.Series([None, "s1", "s2"], dtype="str"),
            "path": ["a", "b", "c"],
            "sha256": "x",
        }
    )
    kept, rejected = drop_duplicates(manifest)
    assert kept["recording_id"].tolist() == ["b"]
    reasons = rejected.set_index("path")["reason"]
    assert reasons["c"].endswith("though of subject s2 and that one of s1")
    assert drop_duplicates(manifest, ("a",))[0]["recording_id"].tolist() == ["a"]
