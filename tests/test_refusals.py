"""A run that is refused says why, and no more; a log that goes to a file keeps its lines whole."""

from __future__ import annotations

import io
import logging
import pickle
from pathlib import Path

import pytest
from conftest import kedro
from rich.console import Console
from rich.logging import RichHandler

from bodysounds.hooks import PlainHandler, RefusalError, WholeLines


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ("chanels=8", "Error: --params chanels is read by nothing: did you mean channels?"),
        ("recipe=our", "Error: --params recipe=our: the recipes are ours, aam_baseline, "),
        ("cry_verification.report.min_subject=5", "keyword argument 'min_subject'"),
    ],
)
def test_a_refusal_is_one_sentence(project_copy: Path, params: str, why: str) -> None:
    done = kedro(project_copy, "run", "--env=test", f"--params={params}", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert " File " not in done.stdout
    assert why in done.stdout.splitlines()[-1]


def test_a_refusal_is_a_value_error_for_programs() -> None:
    error = RefusalError("no such name")
    assert isinstance(error, ValueError)
    assert str(error) == "no such name"
    assert str(pickle.loads(pickle.dumps(error))) == "no such name"


@pytest.mark.parametrize("terminal", [False, True])
def test_lines_are_whole_where_no_terminal_is_written_to(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.Logger("root")
    console = Console(width=80, force_terminal=terminal)
    root.addHandler(RichHandler(console=console, show_path=False))
    monkeypatch.setattr(logging, "getLogger", lambda name=None: root)
    for _ in range(2):  # a process may open several sessions
        WholeLines().after_context_created()
    monkeypatch.undo()
    path = "/a/folder/of/[runs]/" + "x" * 90
    root.warning("%s is there", path)
    said = capsys.readouterr().out
    if terminal:
        assert [type(handler) for handler in root.handlers] == [RichHandler]
        assert path not in said
    else:
        assert [type(handler) for handler in root.handlers] == [PlainHandler]
        (line,) = said.splitlines()
        assert line.startswith("[")
        assert line.endswith(f" WARNING  {path} is there")


def test_a_plain_line_goes_where_richs_would_have_gone() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\n")
    replaced = RichHandler(console=Console(file=file, width=80), level=logging.WARNING)
    root = logging.Logger("root")
    root.addHandler(PlainHandler(replaced))
    root.info("nobody asked")
    root.warning("1 → 2")
    assert isinstance(file.buffer, io.BytesIO)
    (line,) = file.buffer.getvalue().decode("cp1252").splitlines()
    assert line.endswith(r"WARNING  1 \u2192 2")
