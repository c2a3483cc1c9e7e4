"""Shared fixtures: real recordings, where a folder is named, and one finished run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def forget_lazy_modules() -> None:
    """Take SpeechBrain's old names and optional parts out of the loaded modules.

    They fail when they are touched, and hypothesis touches every loaded module.
    """
    for name, module in list(sys.modules.items()):
        if type(module).__name__ in ("LazyModule", "DeprecatedModuleRedirect"):
            del sys.modules[name]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems() -> None:
    forget_lazy_modules()


@pytest.fixture(autouse=True)
def _no_lazy_modules() -> None:
    forget_lazy_modules()


@pytest.fixture(scope="session")
def project_dir() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real recordings, from the environment variable BODYSOUNDS_DATA."""
    named = os.environ.get("BODYSOUNDS_DATA")
    if not named:
        pytest.skip("BODYSOUNDS_DATA names no folder of real recordings")
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        pytest.fail(f"BODYSOUNDS_DATA is {named!r}, which is no folder")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks as small as the tests' are slower on several threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class FinishedRun:
    """A copy of the project in which `kedro run --env=test` has finished."""

    project: Path
    output: str
    task: str = "cry_verification"
    data: str = "data"

    def results(self, layer: str) -> Path:
        return self.project / self.data / layer / "test" / self.task

    def latest(self, layer: str, name: str) -> Path:
        """The latest version of a versioned result."""
        return max(self.results(layer).joinpath(name).glob(f"*/{Path(name).name}"))


def kedro(project: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run kedro as a user would, in the project's folder."""
    environment = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "COLUMNS": "200"}
    environment["PYTHONPATH"] = str(project / "src")
    done = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0 or not check, done.stdout
    return done


def copy_project(copy: Path) -> Path:
    """The project without its data, in a folder that is made."""
    copy.mkdir()
    for name in ("conf", "src", "notebooks"):
        shutil.copytree(
            PROJECT / name, copy / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__")
        )
    for name in ("pyproject.toml", ".telemetry", "README.md"):
        shutil.copy(PROJECT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project without its data, elsewhere."""
    return copy_project(tmp_path_factory.mktemp("copy") / "project")


def finish(project: Path, task: str) -> FinishedRun:
    """Run a task in the environment test, from raw to report."""
    done = kedro(project, "run", "--env=test", f"--pipeline={task}", check=False)
    assert done.returncode == 0, done.stdout
    return FinishedRun(project, done.stdout, task)


@pytest.fixture(scope="session")
def finished_run(project_copy: Path) -> FinishedRun:
    """`kedro run --env=test --pipeline=cry_verification`, once for all tests."""
    return finish(project_copy, "cry_verification")


@pytest.fixture(scope="session")
def finished_speakers(project_copy: Path) -> FinishedRun:
    """`kedro run --env=test --pipeline=speaker_verification`, once for all tests."""
    return finish(project_copy, "speaker_verification")


@pytest.fixture(scope="session")
def finished_identification(project_copy: Path) -> FinishedRun:
    """`kedro run --env=test --pipeline=speaker_identification`, once for all tests."""
    return finish(project_copy, "speaker_identification")


@pytest.fixture(scope="session")
def finished_screams(project_copy: Path) -> FinishedRun:
    """`kedro run --env=test --pipeline=cry_scream_ensemble`, once for all tests."""
    return finish(project_copy, "cry_scream_ensemble")


@pytest.fixture(scope="session")
def finished_respiratory(project_copy: Path) -> FinishedRun:
    """`kedro run --env=test --pipeline=respiratory_scl`, once for all tests."""
    return finish(project_copy, "respiratory_scl")


def finish_beside(run: FinishedRun, kind: str) -> FinishedRun:
    """Run another pipeline of a task into data/<kind>, so that the run stays as it is."""
    beside = FinishedRun(run.project, "", run.task, f"data/{kind}")
    shutil.copytree(run.results("01_raw"), beside.results("01_raw"))
    done = kedro(
        run.project, "run", "--env=test", f"--pipelines={run.task}_{kind}",
        f"--params=data={beside.data}",
    )  # fmt: skip
    return replace(beside, output=done.stdout)


@pytest.fixture(scope="session")
def finished_folds(finished_respiratory: FinishedRun) -> FinishedRun:
    """respiratory_scl_folds of the same recordings, once for all tests."""
    return finish_beside(finished_respiratory, "folds")


@pytest.fixture(scope="session")
def finished_seeds(finished_respiratory: FinishedRun) -> FinishedRun:
    """respiratory_scl_seeds of the same recordings, once for all tests."""
    return finish_beside(finished_respiratory, "seeds")
