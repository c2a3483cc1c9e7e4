"""A Zalo folder whose pairs name files that are not there: from the listing to the submission."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from test_zalo import TESTED, pairs, sample

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.ingest import ingest
from bodysounds.params import IngestParams, SplitParams
from bodysounds.pipelines.report.nodes import submit
from bodysounds.reporting.submission import submission
from bodysounds.splitting.subsets import make_subsets
from bodysounds.splitting.trials import make_trials

RATE = 8000


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Real sound, names of every kind, a speaker with one clip, copies, two files missing."""
    rng = np.random.default_rng(0)
    for speaker in ("Đỗ Thị Hoa-F-30", "an na-nữ-25", "003-M-22", "004-M-23", "005-F-24"):
        for take in range(3):
            path = tmp_path / "dataset" / speaker / f"câu nói {take}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, rng.normal(0, 0.1, RATE // 2), RATE)
    lonely = tmp_path / "dataset" / "006-M-50" / "only.wav"
    lonely.parent.mkdir()
    soundfile.write(lonely, rng.normal(0, 0.1, RATE // 2), RATE)
    (tmp_path / "public-test").mkdir()
    for name in TESTED:
        soundfile.write(tmp_path / "public-test" / name, rng.normal(0, 0.1, RATE // 2), RATE)
    pairs(tmp_path, "a1.wav,b2.wav", "a1.wav,gone.wav", "lost.wav,gone.wav", "c3.wav,00d.wav")
    return Corpus(tmp_path, "zalo", "made")


def test_pairs_of_missing_files_are_counted_and_the_others_go_on(
    corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        made = ingest(corpus, IngestParams(max_rejected_share=0.15))
    assert (
        "2 of 4 pairs of public-test.csv name 2 recordings that are not in public-test (gone"
        in (caplog.text)
    )
    assert made.rejected["path"].tolist() == ["public-test/gone.wav", "public-test/lost.wav"]
    assert made.rejected["reason"].str.contains("is not there").all()
    assert made.listed_trials["trial_id"].tolist() == ["a1.wav b2.wav", "c3.wav 00d.wav"]
    assert "1 of 6 subjects have one side only" in caplog.text
    assert "006" in caplog.text
    with pytest.raises(ValueError, match=r"2 of 22 files .* more than ingest.max_rejected_share"):
        ingest(corpus, IngestParams(max_rejected_share=0.05))


def test_an_unlabelled_test_goes_through_the_split(corpus: Corpus) -> None:
    made = ingest(corpus, IngestParams(max_rejected_share=0.15))
    params = SplitParams(dev_share=0.4, test_share=0.0)
    subsets = make_subsets(made.manifest, params)
    trials = make_trials(made.sides, made.manifest, subsets, made.listed_trials, params)
    subset = subsets.set_index("recording_id")["subset"]
    assert set(subset[subset.index.str.startswith("public-test")]) == {"test"}
    assert set(subset[~subset.index.str.startswith("public-test")]) == {"train", "dev"}
    test = trials[trials["subset"] == "test"]
    assert test["trial_id"].tolist() == ["a1.wav b2.wav", "c3.wav 00d.wav"]
    assert test["target"].isna().all()
    assert (trials[trials["subset"] == "dev"]["target"] == 1).any()


def test_a_submission_has_every_pair_and_says_which_are_a_guess(
    corpus: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    order = ["c3.wav,00d.wav,1", "lost.wav,gone.wav,1", "a1.wav,b2.wav,1", "a1.wav,gone.wav,1"]
    sample(Path(corpus.root), *order)
    made = ingest(corpus, IngestParams(max_rejected_share=0.15))
    scores = pd.DataFrame(
        {"system": "ours", "trial_id": made.listed_trials["trial_id"], "cosine": [0.2, 0.9]}
    )
    with caplog.at_level(logging.WARNING):
        table = submit(scores, made.listed_trials, {"score": "cosine", "threshold": 0.1}, corpus)
    assert table["audio_1"].tolist() == [row.split(",")[0] for row in order]
    assert table["label"].tolist() == [1, 0, 1, 0]
    assert "2 of 4 rows of the submission are a guess" in caplog.text
    form = pd.DataFrame({"id": ["lost", "a", "b"], "score": "0"})
    trials = pd.DataFrame({"trial_id": ["a", "b"], "subset": "test"})
    scores = pd.DataFrame({"system": "ours", "trial_id": ["a", "b"], "cosine": [0.4, 0.3]})
    assert submission(scores, trials, form, unheard=["lost"])["score"].tolist() == [0.3, 0.4, 0.3]
    with pytest.raises(ValueError, match="missing among the test trials: lost"):
        submission(scores, trials, form, unheard=["other"])
