"""The notebooks run from top to bottom on a finished run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from conftest import PROJECT, FinishedRun
from nbclient import NotebookClient

NOTEBOOKS = sorted(path.name for path in (PROJECT / "notebooks").glob("*.ipynb"))
# the fixture whose run each notebook reads, by the name of its file, and the rate that it must show
READS = {
    "cry_verification": ("finished_run", "eer"),
    "speaker_verification": ("finished_speakers", "eer"),
    "speaker_identification": ("finished_identification", "accuracy"),
    "cry_scream_ensemble": ("finished_screams", "balanced_accuracy"),
    "respiratory_scl": ("finished_respiratory", "score"),
    "what_threshold": ("finished_run", "eer"),
}
ANSI = re.compile(r"\x1b\[[0-9;]*m")  # colours
# what a notebook reads beside it
BESIDE = {"respiratory_scl": ("finished_folds", "finished_seeds")}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_runs(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = Path(name).stem.split("_", 1)[1]
    fixture, rate = READS[about]
    run: FinishedRun = request.getfixturevalue(fixture)
    beside: list[FinishedRun] = [request.getfixturevalue(other) for other in BESIDE.get(about, ())]
    monkeypatch.setenv("KEDRO_ENV", "test")
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("PYTHONPATH", str(run.project / "src"))
    folder = run.project / "notebooks"
    notebook = nbformat.read(folder / name, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    texts = [str(output.get("data", {}).get("text/plain", "")) for output in outputs]
    for read in (run, *beside):
        metrics = json.loads(read.latest("08_reporting", "metrics.json").read_text())
        shown = f"'{rate}': {metrics['headline'][rate]}"  # by name: a number alone may be another's
        assert any(shown in ANSI.sub("", text) for text in texts)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_is_stored_without_outputs(name: str) -> None:
    notebook = nbformat.read(Path(PROJECT, "notebooks", name), as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
