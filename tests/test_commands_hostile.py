"""Commands in hostile hands: the same file twice, and two at one gallery."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_calls import HIGH, LOW, call, record
from made_verifier import bundle

from bodysounds import Verifier
from bodysounds.commands import run_command
from bodysounds.commands.shared import say, say_json
from bodysounds.models.verifier import save_verifier

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_recording_on_both_sides_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    a, b = record(tmp_path / "a.wav", LOW), record(tmp_path / "b.wav", HIGH)
    (tmp_path / "link.wav").symlink_to(a)
    call("verify", a, tmp_path / "link.wav", "--model", tmp_path / "bundle")
    assert "stands on both sides" in capsys.readouterr().err
    call("verify", a, b, "--model", tmp_path / "bundle")
    assert "both sides" not in capsys.readouterr().err


def test_an_enrolment_that_another_overtook_loses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    a, gallery = record(tmp_path / "a.wav", LOW), tmp_path / "g.safetensors"
    asked = ["--gallery", gallery, "--model", tmp_path / "bundle"]
    assert call("enrol", "first", a, *asked) == 0
    enrol = Verifier.enrol

    def overtaken(self: Verifier, *given: Any, **options: Any) -> None:
        monkeypatch.setattr(Verifier, "enrol", enrol)
        assert call("enrol", "meanwhile", a, *asked) == 0
        enrol(self, *given, **options)

    monkeypatch.setattr(Verifier, "enrol", overtaken)
    assert call("enrol", "last", a, *asked) == 2
    assert "was changed by another meanwhile" in capsys.readouterr().err
    verifier = Verifier.load(tmp_path / "bundle", device="cpu")
    verifier.load_gallery(gallery)
    assert verifier.gallery.ids == ["first", "meanwhile"]


def test_a_recording_that_looks_like_an_option_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    record(tmp_path / "-a.wav", LOW)
    monkeypatch.chdir(tmp_path)
    assert call("verify", "-a.wav", "-a.wav", "--model", "bundle") == 2
    assert "-a.wav looks like an option: write ./-a.wav" in capsys.readouterr().err
    assert call("verify", "./-a.wav", "./-a.wav", "--model", "bundle") == 0
    assert call("verify", "--model", "bundle", "--", "-a.wav", "-a.wav") == 0
    assert call("verify", "-a.wav", "bundle", "--frob", "--model", "bundle") == 2


def test_behind_two_dashes_an_id_may_begin_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    record(tmp_path / "-a.wav", LOW)
    monkeypatch.chdir(tmp_path)
    asked = ["--gallery", "g.safetensors", "--model", "bundle", "--json"]
    for who in ("-ana", "-a.wav", "--json"):  # one is a file's name too, one an option's
        assert call("enrol", *asked, "--", who, "-a.wav") == 0
        assert who in json.loads(capsys.readouterr().out)["references"]
    assert call("enrol", *asked, "--remove=-ana") == 0
    assert list(json.loads(capsys.readouterr().out)["references"]) == ["-a.wav", "--json"]
    out = tmp_path / "-e.csv"
    (tmp_path / "-in").mkdir()
    record(tmp_path / "-in" / "a.wav", LOW)
    assert call("embed", "--model", "bundle", f"--out={out}", "--", "-in") == 0
    assert call("enrol", *asked, "--", "-ana", "-gone.wav") == 2
    assert "-gone.wav is not there" in capsys.readouterr().err


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_a_stdout_that_is_no_file_may_end_too(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    def gone(_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("bodysounds.commands.verify.run", gone)
    monkeypatch.setattr(sys, "stdout", stream)
    assert run_command("verify", []) == 141


def test_who_is_not_enrolled_is_told_who_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    a, asked = record(tmp_path / "a.wav", LOW), ["--gallery", tmp_path / "g.safetensors"]
    asked += ["--model", tmp_path / "bundle"]
    for who in ("7", "007", "Anna"):
        call("enrol", who, a, *asked)
    capsys.readouterr()
    assert call("enrol", "--remove", "anna", *asked) == 2
    assert "anna is not enrolled: " in (told := capsys.readouterr().err)
    assert told.endswith("g.safetensors holds 3 individuals, such as Anna\n")
    assert call("enrol", "--remove", "7", *asked, "--json") == 0  # and not 007
    assert list(json.loads(capsys.readouterr().out)["references"]) == ["007", "Anna"]


def test_an_out_below_a_file_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    a = record(tmp_path / "in" / "a.wav", LOW)
    out = a / "e.csv"
    assert call("embed", a.parent, "--out", out, "--model", tmp_path / "bundle") == 2
    assert "a.wav can be no folder for --out (" in capsys.readouterr().err


MANY_LINES = """
import sys, types
from bodysounds.commands import run_command
from bodysounds.commands.shared import say, say_json

def run(arguments):
    say("line " * int(arguments[0]))
    say_json({"a": 1})
    return 0

sys.modules["bodysounds.commands.verify"] = types.SimpleNamespace(run=run)
sys.exit(run_command("verify", sys.argv[1:]))
"""


@pytest.mark.parametrize("lines", ["1", "100000"])
def test_a_reader_that_has_enough_is_no_error(lines: str) -> None:
    """As of `| head -1`, for less and for more than a pipe holds."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", MANY_LINES, lines]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_without_an_output_the_exit_code_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    say("nobody hears")
    say_json({})


def test_a_line_is_there_as_soon_as_it_is_said() -> None:
    """Through a pipe too, whatever ends the process after it."""
    code = "import os; from bodysounds.commands.shared import say_json; say_json([1]); os._exit(0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [b"[1]"]
