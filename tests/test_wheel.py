"""`kedro package`: the wheel and its configuration serve where there is no project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from conftest import PROJECT, copy_project, kedro

PACKAGE = PROJECT / "src/bodysounds"
CONF = "conf-bodysounds.tar.gz"
SECRET = "nobody else's"


def pack_setuptools(folder: Path) -> None:
    """Write the wheel that the installed setuptools came from.

    The wheel is built in an environment of its own, which asks an index for setuptools: with it
    in a folder, none is asked.
    """
    installed = distribution("setuptools")
    name = f"setuptools-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / name, "w") as packed:
        for file in installed.files or []:
            path = Path(str(installed.locate_file(file)))
            if ".." not in file.parts and path.suffix != ".pyc":
                packed.write(path, file.as_posix())


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `kedro package` leaves."""
    folder = tmp_path_factory.mktemp("package")
    pack_setuptools(folder)
    project = copy_project(folder / "project")
    (project / "conf/local/credentials.yml").write_text(f"key: {SECRET}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(folder))
        kedro(project, "package")
    return project / "dist"


def outside() -> dict[str, str]:
    """The environment with nothing of this project named in it.

    Kedro puts the project's `src` into PYTHONPATH whenever a test opens one, and pip would take
    the project that it finds there for the wheel.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KEDRO_", "PYTHON")) and name != "DO_NOT_TRACK"
    }


@pytest.fixture(scope="module")
def programs(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, and what it needs as it is installed here.

    Its list of folders is no `.pth` of the environment here, so that an editable project is not
    found.
    """
    home = tmp_path_factory.mktemp("elsewhere") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    (wheel,) = dist.glob("bodysounds-*.whl")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(home / "bin/python"), "install", "--quiet",
         "--no-deps", "--no-index", str(wheel)],
        check=True,
        env=outside(),
    )  # fmt: skip
    # afterwards: pip would find the project installed already, and leave the wheel out
    here = sysconfig.get_paths()
    Path(paths["purelib"], "here.pth").write_text(f"{here['purelib']}\n{here['platlib']}\n")
    return home / "bin"


def run(folder: Path, *command: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, with nothing of this project named in the environment."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**outside(), "COLUMNS": "200"},
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_wheel_holds_every_module_template_and_mark(dist: Path) -> None:
    (wheel,) = dist.glob("bodysounds-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        held = {name for name in packed.namelist() if name.startswith("bodysounds/")}
    written = {
        f"bodysounds/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"bodysounds/py.typed", "bodysounds/reporting/page.css"} <= written
    assert held == written


def test_the_archive_holds_the_configuration_and_no_secret(dist: Path) -> None:
    with tarfile.open(dist / CONF) as archive:
        held = {name for name in archive.getnames() if Path(name).suffix == ".yml"}
        files = [archive.extractfile(member) for member in archive.getmembers() if member.isfile()]
        told = [file.read() for file in files if file is not None]
    written = {path.relative_to(PROJECT).as_posix() for path in PROJECT.glob("conf/**/*.yml")}
    assert held == {name for name in written if not name.startswith("conf/local/")}
    assert not [text for text in told if SECRET.encode() in text]


def test_help_needs_no_project(programs: Path, tmp_path: Path) -> None:
    told = run(tmp_path, programs / "bodysounds", "--help").stdout
    assert "bodysounds fetch" in told
    assert "--pipelines" in told
    assert "cryceleb" in run(tmp_path, programs / "bodysounds", "fetch", "--help").stdout
    assert run(tmp_path, programs / "bodysounds-client", "--help").stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "asked", [("--pipelines=cry_verification",), ("--params=recipe=ours",), ("--env=nosuch",)]
)
def test_without_its_configuration_it_says_where_to_get_it(
    programs: Path, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    done = run(tmp_path, programs / "bodysounds", *asked, code=2)
    assert "Traceback" not in done.stdout + done.stderr
    (told,) = done.stderr.splitlines()
    assert told.startswith("bodysounds: ")
    assert f"--conf-source={CONF}" in told


def test_an_unknown_command_is_an_error(programs: Path, tmp_path: Path) -> None:
    done = run(tmp_path, programs / "bodysounds", "nosuch", code=2)
    assert "no command 'nosuch'" in done.stderr


def check_results(folder: Path) -> None:
    results = folder / "data/08_reporting/test/cry_verification"
    (page,) = results.glob("report.html/*/report.html")
    assert "<html" in page.read_text()
    (metrics,) = results.glob("metrics.json/*/metrics.json")
    assert 0 <= json.loads(metrics.read_text())["headline"]["eer"] <= 1


@pytest.mark.parametrize("unpacked", [False, True])
def test_the_pipeline_runs_elsewhere(
    dist: Path, programs: Path, tmp_path: Path, unpacked: bool
) -> None:
    asked = ["-m", "bodysounds", "--pipelines=cry_verification", "--env=test"]
    if unpacked:
        with tarfile.open(dist / CONF) as archive:
            archive.extractall(tmp_path, filter="data")
    else:
        (tmp_path / CONF).write_bytes((dist / CONF).read_bytes())
        # a recipe is looked up in the archive
        asked += [f"--conf-source={CONF}", "--params=recipe=ours"]
    where = run(
        tmp_path, programs / "python", "-c", "import bodysounds; print(bodysounds.__file__)"
    )
    assert Path(where.stdout.strip()).is_relative_to(programs.parent)
    done = run(tmp_path, programs / "python", *asked)
    check_results(tmp_path)
    told = done.stdout + done.stderr
    # nothing is sent from where no .telemetry forbids it, and viz does not look for a project
    assert "usage data" not in told
    assert "No Kedro project" not in told


def test_a_wrong_recipe_is_refused_by_the_archive(
    dist: Path, programs: Path, tmp_path: Path
) -> None:
    asked = [f"--conf-source={dist / CONF}", "--params=recipe=nosuch"]
    done = run(tmp_path, programs / "bodysounds", *asked, code=1)
    assert "the recipes are ours, aam_baseline" in " ".join((done.stdout + done.stderr).split())
