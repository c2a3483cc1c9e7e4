"""verify --pairs: a table of many pairs, each recording heard once."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_calls import HIGH, LOW, call, left_overs, record, silence, text_file
from made_verifier import bundle
from sklearn.metrics import confusion_matrix

from bodysounds import Verifier
from bodysounds.commands.shared import recordings_of
from bodysounds.models.verifier import save_verifier

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "bundle"
    save_verifier(folder, bundle(threshold=0.97))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of six voices, two of each; a side of two files; silence, and a text."""
    made = tmp_path_factory.mktemp("p airs")
    for number, pitch in enumerate(np.geomspace(LOW, HIGH, 6)):
        record(made / f"{number} é.wav", float(pitch))
        record(made / "again" / f"{number}.wav", float(pitch), seed=7)
    record(made / "both" / "1.wav", LOW)
    record(made / "both" / "2.wav", HIGH)
    silence(made / "silent.wav")
    text_file(made / "text.wav")
    return made


def listed(folder: Path, rows: list[list[str]], head: str = "enrol,test,target,note") -> Path:
    with open(folder / "pairs.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head.split(","), *rows])
    return folder / "pairs.csv"


def all_pairs() -> list[list[str]]:
    return [
        [f"{a} é.wav", f"again/{b}.wav", str(int(a == b)), "007"]
        for a in range(6)
        for b in range(6)
    ]


def test_each_recording_is_heard_once_and_each_pair_scored(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pairs, out = listed(folder, all_pairs()), tmp_path / "new" / "scores.csv"
    heard: list[Any] = []
    alone: list[Any] = []
    hear, hear_each = Verifier.hear, Verifier.hear_each

    def counted(self: Verifier, side: Any, **options: Any) -> Any:
        if isinstance(side, list):
            alone.append(side)
        return hear(self, side, **options)

    def each_counted(self: Verifier, sides: Any) -> Any:
        sides = list(sides)
        heard.extend(tuple(side) for side in sides)
        return hear_each(self, sides)

    monkeypatch.setattr(Verifier, "hear", counted)
    monkeypatch.setattr(Verifier, "hear_each", each_counted)
    assert call("verify", "--pairs", pairs, "--out", out, "--model", model, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert len(heard) == len(set(heard)) == 12
    assert alone == []
    monkeypatch.undo()

    found = pd.read_csv(out, dtype={"note": str})
    assert found["note"].tolist() == ["007"] * 36  # the table's own columns stay as they are
    own = Verifier.load(model, device="cpu")
    names = pd.unique(found[["enrol", "test"]].to_numpy().ravel())
    sides = dict(zip(names, own.hear_each(folder / name for name in names), strict=True))
    for row in found.iloc[[0, 5, 17, 35]].itertuples():
        pair = own.verify(sides[row.enrol], sides[row.test])
        assert row.score == pytest.approx(pair.score, abs=1e-9)
        assert row.probability == pytest.approx(pair.probability, abs=1e-9)
        assert row.llr == pytest.approx(pair.llr, abs=1e-9)
        assert bool(row.same) is pair.same
    accepted = found["score"] >= 0.97
    (tn, fp), (fn, tp) = confusion_matrix(found["target"], accepted)
    assert 0 < accepted.sum() < len(found)
    assert said["rates"]["far"] == pytest.approx(fp / (fp + tn))
    assert said["rates"]["frr"] == pytest.approx(fn / (fn + tp))
    assert (said["same"], said["different"], said["without_answer"]) == (tp + fp, tn + fn, 0)
    assert 0 <= said["rates"]["eer"] <= 0.5


def test_sides_that_are_heard_together_score_as_each_by_itself(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of unequal lengths, broken ones among them, in several groups."""
    record(folder / "long.wav", LOW, seconds=2.7)
    record(folder / "short.wav", HIGH, seconds=0.3)
    names = ["0 é.wav", "silent.wav", "long.wav", "both", "text.wav", "short.wav", "again"]
    rows = [[a, b] for a in names for b in reversed(names)]
    monkeypatch.setattr("bodysounds.scoring.hearing.TOGETHER", 3)
    out = tmp_path / "scores.csv"
    pairs = listed(folder, rows, "enrol,test")
    assert call("verify", "--pairs", pairs, "--out", out, "--model", model) == 1
    own, found = Verifier.load(model, device="cpu"), pd.read_csv(out)
    sides = {name: recordings_of([folder / name]) for name in names}
    for row in found.itertuples():
        if {row.enrol, row.test} & {"silent.wav", "text.wav"}:
            assert np.isnan(row.score)
            continue
        alone = own.verify(sides[row.enrol], sides[row.test])
        assert row.score == pytest.approx(alone.score, abs=1e-6)
        assert row.llr == pytest.approx(alone.llr, abs=1e-4)
        # the same but for rounding: none of these scores lies at the threshold
        assert abs(alone.score - 0.97) > 1e-4
        assert (row.same == "True" or row.same is True) == alone.same


def test_what_cannot_be_heard_leaves_its_pairs_without_an_answer(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        ["0 é.wav", "both", "0", ""],
        ["0 é.wav", "silent.wav", "1", ""],
        ["text.wav", "silent.wav", "", ""],
    ]
    out = tmp_path / "scores.csv"
    options = ["--out", out, "--model", model]
    assert call("verify", "--pairs", listed(folder, rows), *options) == 1
    said = capsys.readouterr()
    assert "3 pairs: " in said.out
    assert "2 without an answer" in said.out
    assert "EER" not in said.out  # all that have an answer are of two
    assert said.err.count("no answer for ") == 2
    found = pd.read_csv(out)
    assert found["score"].notna().tolist() == [True, False, False]
    assert "silent.wav: silent" in found["abstained"][1]
    assert "text.wav is not audio" in found["abstained"][2]
    assert "silent.wav: silent" in found["abstained"][2]
    assert call("verify", "--pairs", listed(folder, rows[1:]), *options, "--force") == 3


def test_a_result_is_not_replaced_unasked(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, out = listed(folder, all_pairs()[:2]), tmp_path / "scores.csv"
    out.write_text("mine")
    asked = ["verify", "--pairs", pairs, "--out", out, "--model", model]
    assert call(*asked) == 2
    assert "scores.csv exists: choose another --out, or add --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert call(*asked, "--force") == 0
    assert len(pd.read_csv(out)) == 2


@pytest.mark.parametrize(
    ("head", "rows", "message"),
    [
        ("enrol,target", [["0 é.wav", "1"]], "lacks the column test"),
        ("enrol,test", [], "has no rows"),
        ("enrol,test", [["0 é.wav", "gone.wav"]], "gone.wav is not there"),
        ("enrol,test", [["0 é.wav", "gone.wav"]], "which --root changes"),
    ],
)
def test_tables_that_cannot_be_used(
    head: str, rows: list[list[str]], message: str, model: Path, folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    pairs, out = listed(folder, rows, head), tmp_path / "scores.csv"
    assert call("verify", "--pairs", pairs, "--out", out, "--model", model) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_root_is_where_the_paths_begin(model: Path, folder: Path, tmp_path: Path) -> None:
    pairs = listed(tmp_path, [["0.wav", "1.wav"]], "enrol,test")
    out = tmp_path / "scores.csv"
    asked = ["verify", "--pairs", pairs, "--out", out, "--model", model]
    assert call(*asked) == 2
    assert call(*asked, "--root", folder / "again") == 0


def test_ctrl_c_writes_nothing(
    model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs, out = listed(folder, all_pairs()[:2]), tmp_path / "scores.csv"

    def stopped(self: pd.DataFrame, path: Path, **_: Any) -> None:
        Path(path).write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_csv", stopped)
    assert call("verify", "--pairs", pairs, "--out", out, "--model", model) == 130
    assert left_overs(tmp_path) == []
    assert not out.exists()
