"""verify: what it says, its exit codes, its errors; and what all commands share."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_calls import HIGH, LOW, call, record, silence, text_file
from made_verifier import bundle, verifier

from bodysounds import Verifier
from bodysounds.commands import COMMANDS
from bodysounds.commands.shared import finite, shown
from bodysounds.commands.words import rates_on_test, share
from bodysounds.models.verifier import save_verifier

pytestmark = pytest.mark.usefixtures("one_thread")

RATES = {"far": 0.0417, "far_ci95": [0.0255, 0.0623], "frr": 0.1, "frr_ci95": [0.025, 0.2]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    made = bundle()
    save_verifier(folder / "bundle", made)
    return folder / "bundle"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings of one voice, one of another, in names that are awkward."""
    folder = tmp_path_factory.mktemp("sö unds")
    record(folder / "a 1.wav", LOW)
    record(folder / "a é 2.wav", LOW, seconds=1.3, seed=1)
    record(folder / "b.wav", HIGH)
    silence(folder / "silent.wav")
    text_file(folder / "text.wav")
    return folder


def between(model: Path, sounds: Path) -> float:
    """A threshold that tells the voices apart."""
    own = Verifier.load(model, device="cpu")
    one, same, other = (own.embed(sounds / n) for n in ("a 1.wav", "a é 2.wav", "b.wav"))
    assert one @ same > one @ other
    return float(one @ same + one @ other) / 2


def test_the_same_is_0_another_is_1_and_no_answer_is_3(
    model: Path, sounds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", model, "--threshold", between(model, sounds)]
    assert call("verify", sounds / "a 1.wav", sounds / "a é 2.wav", *options) == 0
    said = capsys.readouterr().out
    assert said.startswith("This sounds like the same individual: score ")
    assert "at a prior of 50%" in said
    assert "no proof of who made them" in said
    assert "synthetic sounds" in said
    assert call("verify", sounds / "a 1.wav", sounds / "b.wav", *options) == 1
    assert capsys.readouterr().out.startswith("This sounds like two different individuals: score ")
    assert call("verify", sounds / "a 1.wav", sounds / "silent.wav", *options) == 3
    assert capsys.readouterr().out.startswith("No answer. b: silent")


def test_json_is_all_that_is_printed(
    model: Path, sounds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = sounds / "a 1.wav", sounds / "a é 2.wav"
    call("verify", a, b, "--model", model, "--prior", 0.2, "--json")
    said = json.loads(capsys.readouterr().out)
    own = Verifier.load(model, device="cpu")
    assert said["score"] == pytest.approx(float(own.embed(a) @ own.embed(b)), abs=1e-6)
    odds = math.exp(20 * said["score"] - 18) * 0.2 / 0.8  # the made calibration
    assert said["probability"] == pytest.approx(odds / (1 + odds), rel=1e-6)
    assert (said["a"], said["b"], said["prior"]) == ([str(a)], [str(b)], 0.2)
    assert call("verify", a, sounds / "silent.wav", "--model", model, "--json") == 3
    silent = json.loads(capsys.readouterr().out)
    assert (silent["same"], silent["score"], silent["probability"]) == (None, None, None)
    assert "silent" in silent["abstained"]


def test_a_folder_and_several_files_are_one_side(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = record(tmp_path / "one" / "1.wav", LOW)
    second = record(tmp_path / "one" / "below" / "2.flac", HIGH)
    other = record(tmp_path / "b.wav", HIGH, seed=3)
    text_file(tmp_path / "one" / "notes.txt")  # no audio by its ending
    call("verify", tmp_path / "one", other, "--model", model, "--json")
    folder = json.loads(capsys.readouterr().out)
    call("verify", first, second, "--against", other, "--model", model, "--json")
    assert json.loads(capsys.readouterr().out)["score"] == folder["score"]
    assert folder["a"] == [str(first), str(second)]
    call("verify", first, "--model", model, other, "--json")  # options may stand in between
    assert json.loads(capsys.readouterr().out)["score"] != folder["score"]


def test_the_rates_of_the_threshold_are_told(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = bundle()
    made.about["threshold"]["test"] = RATES
    verifier(tmp_path, made)
    asked = ["verify", sounds / "a 1.wav", sounds / "b.wav", "--model", tmp_path / "bundle"]
    call(*asked)
    said = capsys.readouterr().out
    assert "(eer, chosen on dev) took 4.2% (2.5% to 6.2%) of the pairs of two" in said
    assert "and 10% (2.5% to 20%) of the pairs of one" in said
    call(*asked, "--threshold", 0.3)
    said = capsys.readouterr().out
    assert "4.2%" not in said
    assert "threshold of 0.300" in said
    assert "error rates of the threshold that was given are not known" in said


@pytest.mark.parametrize(("n_subjects", "few"), [(3, True), (10, False)])
def test_rates_that_stand_on_few_subjects_say_so(n_subjects: int, few: bool) -> None:
    said = rates_on_test({"test": {**RATES, "n_target_subjects": n_subjects}})
    told = f"pairs of one for two. Those are of {n_subjects} (too few to rely on)."
    assert said is not None
    assert said.endswith(told) == few
    # bundles of older versions do not know of how many
    assert "too few" not in str(rates_on_test({"test": RATES}))


def test_a_model_without_calibration_says_so(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verifier(tmp_path, bundle(calibration=None))
    call("verify", sounds / "a 1.wav", sounds / "b.wav", "--model", tmp_path / "bundle")
    said = capsys.readouterr().out
    assert "not calibrated" in said
    assert "prior" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a 1.wav", "gone.wav"], "gone.wav is not there"),
        (["a 1.wav", "text.wav"], "text.wav is not audio that can be read"),
        (["a 1.wav"], "got 1"),
        (["a 1.wav", "b.wav", "silent.wav"], "--against"),
        (["a 1.wav", "empty"], "empty holds no audio files"),
        (["a 1.wav", "b.wav", "--prior", "1"], "--prior: must lie between 0 and 1"),
        (["a 1.wav", "b.wav", "--threshold", "nan"], "--threshold: must be a number, got nan"),
        (["a 1.wav", "b.wav", "--out", "x.csv"], "--out is for many pairs"),
        (["a 1.wav", "--pairs", "p.csv"], "not both"),
        (["--pairs", "text.wav"], "--out FILE"),
        (["--pairs", "gone.csv", "--out", "x.csv"], "gone.csv is no file"),
        (["--pairs", "text.wav", "--out", "x.csv"], "text.wav lacks the column enrol"),
        (["--pairs", "text.wav", "--out", "x.xlsx"], "--out must end in .csv"),
        (["a 1.wav", "b.wav", "--device", "gpu"], "gpu"),
    ],
)
def test_errors_are_one_sentence_and_2(
    arguments: list[str],
    message: str,
    model: Path,
    sounds: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(sounds)
    (sounds / "empty").mkdir(exist_ok=True)
    assert call("verify", *arguments, "--model", model) == 2
    said = capsys.readouterr()
    assert said.out == ""
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("bodysounds verify: ")
    assert message in last
    assert not (sounds / "x.csv").exists()


@pytest.mark.parametrize("given", [[], ["--model", "gone"]])
def test_without_a_model_those_of_the_folder_are_listed(
    given: list[str],
    sounds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["verify", sounds / "a 1.wav", sounds / "b.wav"]
    assert call(*asked, *given) == 2
    assert "holds none: a run of a pipeline" in capsys.readouterr().err
    models = tmp_path / "data" / "06_models" / "demo"
    verifier(models / "cry_verification" / "bundle" / "2026-01-01T00.00.00.000Z")
    other = models / "cry_scream_ensemble" / "bundle" / "2026-01-01T00.00.00.000Z" / "bundle"
    other.mkdir(parents=True)
    (other / "ensemble.json").write_text("{}")  # which verify cannot ask
    assert call(*asked, *given) == 2
    listed = capsys.readouterr().err.splitlines()[1:]
    assert [line.split() for line in listed] == [
        ["--model", "data/06_models/demo/cry_verification/bundle"]
    ]
    assert call(*asked, *listed[0].split()) in (0, 1)
    assert call(*asked, "--model", models / "cry_verification") in (0, 1)  # the task's folder


def test_help_is_light_and_has_an_example() -> None:
    """In a process of its own, for every command of this file's kind."""
    names = ["verify", "enrol", "identify", "classify", "embed"]
    assert set(names) <= set(COMMANDS)
    code = f"""
import contextlib, io, sys
from bodysounds.__main__ import main
for name in {names}:
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main([name, "-h"])
    assert f"such as:\\n  bodysounds {{name}} " in said.getvalue(), said.getvalue()
heavy = {{"torch", "pandas", "numpy", "kedro", "soundfile", "rich"}} & set(sys.modules)
sys.exit(", ".join(heavy) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_in_a_process_of_its_own(model: Path, sounds: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bodysounds", "verify", "a 1.wav", "a é 2.wav", "--json"]
    done = subprocess.run(
        [*command, "--model", str(model), "--threshold", "-1"],
        capture_output=True, text=True, check=False, cwd=sounds,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["same"] is True
    assert "Traceback" not in done.stderr


def test_numbers_for_json() -> None:
    value = {"a": [np.float32(0.5), float("nan")], "b": (np.int64(3), math.inf), "c": Path("x")}
    assert finite(value) == {"a": [0.5, None], "b": [3, None], "c": "x"}
    assert finite({"flag": np.bool_(True), "none": None}) == {"flag": True, "none": None}


def test_a_share_is_never_rounded_to_certainty() -> None:
    assert [share(value) for value in (0.0, 1e-9, 0.0417, 0.1, 0.99999, 1.0)] == [
        "0%", "below 0.1%", "4.2%", "10%", "above 99.9%", "100%",
    ]  # fmt: skip


def test_a_broken_file_name_can_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    broken = b"\xff.wav".decode("utf-8", "surrogateescape")
    assert shown(broken).encode() == b"\\udcff.wav"
    assert call("verify", broken, "x.wav", "--model", "/") == 2
    assert "\\udcff.wav is not there" in capsys.readouterr().err
