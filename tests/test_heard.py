"""An encoder knows which recordings it has heard."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from conftest import FinishedRun, kedro

from bodysounds.models.encoder import Encoder
from bodysounds.models.heard import heard_before, remember, warning_of

MANIFEST = pd.DataFrame(
    {"recording_id": list("abcd"), "sha256": [f"{k:064x}"[::-1] for k in range(4)]}
)


def subsets(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"recording_id": list("abcd"), "subset": names})


def test_what_taught_and_what_chose_is_remembered() -> None:
    own = subsets("train", "train", "dev", "test")
    encoder = remember(Encoder({}, {}, {}), MANIFEST, own, None)
    assert len(encoder.training["heard"]) == 3
    assert heard_before(encoder, MANIFEST, own) == (0, 1)
    assert warning_of(encoder, MANIFEST, own) is None
    other = subsets("test", "train", "test", "test")
    assert heard_before(encoder, MANIFEST, other) == (2, 3)
    assert "has heard 2 of the 3 test recordings" in str(warning_of(encoder, MANIFEST, other))


def test_what_it_started_from_counts_too() -> None:
    first = remember(Encoder({}, {}, {}), MANIFEST, subsets("train", "test", "test", "test"), None)
    second = remember(Encoder({}, {}, {}), MANIFEST, subsets("test", "train", "dev", "test"), first)
    assert heard_before(second, MANIFEST, subsets("test", "train", "dev", "test")) == (1, 2)


def test_a_run_on_another_split_says_so(finished_run: FinishedRun, tmp_path: Path) -> None:
    encoder = finished_run.latest("06_models", "encoder.safetensors")
    evaluate = ("run", "--env=test", "--pipelines=cry_verification_evaluate")
    given = f"--params=encoder={encoder},data={tmp_path}"
    clean = kedro(finished_run.project, *evaluate, given)
    assert "has heard" not in clean.stdout
    # another demo draws other babies into test, some of whom taught this encoder
    mixed = kedro(finished_run.project, *evaluate, given + ",n_test=30,n_train=2")
    said = re.sub(r"\s+", " ", mixed.stdout)
    told = r"This encoder has heard \d+ of the \d+ test recordings"
    assert re.search("ours: " + told, said), said
    reports = (tmp_path / "08_reporting" / "test" / "cry_verification" / "report.html").iterdir()
    first, last = (path.joinpath("report.html").read_text() for path in sorted(reports))
    assert not re.search(told, first)
    assert re.search(told, last)
