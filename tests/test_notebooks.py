"""The notebooks run from top to bottom on a finished run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from conftest import PROJECT, FinishedRun
from nbclient import NotebookClient

NOTEBOOKS = sorted(path.name for path in (PROJECT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_runs(
    name: str, finished_run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_ENV", "test")
    monkeypatch.setenv("KEDRO_DISABLE_TELEMETRY", "1")
    monkeypatch.setenv("PYTHONPATH", str(finished_run.project / "src"))
    folder = finished_run.project / "notebooks"
    notebook = nbformat.read(folder / name, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert any("eer" in str(output.get("data", {})) for output in outputs)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_notebook_is_stored_without_outputs(name: str) -> None:
    notebook = nbformat.read(Path(PROJECT, "notebooks", name), as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
