"""DaskRunner gives what SequentialRunner gives, from other processes, of which some die."""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT, kedro
from dask_nodes import DeadlyDataset, begun, branches, refuse, threads, two
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog, DatasetError, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline
from kedro_datasets.json import JSONDataset

from bodysounds.datasets.shared import forget_listings, refuse_memory
from bodysounds.pipeline_registry import register_pipelines
from bodysounds.runners import DaskRunner, _pickled
from bodysounds.workers import cores

pytest.importorskip("distributed")

TESTS = Path(__file__).parent
VERSION = re.compile(r"\d{4}-\d\d-\d\dT[\d.]+Z")
NAMES = ("start", "quick_2", "quick_3", "slow", "total")


@pytest.fixture(autouse=True)
def _nodes_of_partials() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The node producing outputs .* is made from a 'partial'")
        yield


def catalog(folder: Path, *names: str, version: str | None = None) -> DataCatalog:
    """JSON files of these names, in versions, and the folder where nodes note what they began."""
    entries: dict[str, Any] = {
        name: JSONDataset(filepath=str(folder / f"{name}.json"), version=Version(None, version))
        for name in names
    }
    return DataCatalog({**entries, "params:folder": MemoryDataset(str(folder))})


def versions(folder: Path) -> set[str]:
    return {found for path in folder.rglob("*.json") for found in VERSION.findall(str(path))}


def kill_when_begun(folder: Path, node: str) -> threading.Thread:
    """Kill the process that begins the node, when it has begun."""

    def watch() -> None:
        until = time.monotonic() + 60
        while not begun(folder, node) and time.monotonic() < until:
            time.sleep(0.05)
        # the quick branches end before, or their worker may be this one
        while not all(begun(folder, name) for name in ("quick_2", "quick_3")):
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(begun(folder, node)[0], signal.SIGKILL)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def processes(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{TESTS}"}
    environment["DASK_DISTRIBUTED__WORKER__DAEMON"] = "False"
    command = [sys.executable, "-m", "dask", *arguments]
    with (folder / f"{arguments[0]}_{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler with two workers, each a process without a guardian."""
    file = tmp_path / "scheduler.json"
    told = ["--scheduler-file", str(file), "--no-dashboard"]
    begun = [processes("scheduler", "--port", "0", "--host", "127.0.0.1", *told, folder=tmp_path)]
    worker = ("worker", "--nthreads", "1", "--no-nanny", "--memory-limit", "0", *told)
    begun += [processes(*worker, folder=tmp_path) for _ in range(2)]
    try:
        until = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < until, "the scheduler did not start"
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(begun):
            process.terminate()
        for process in begun:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:  # Dask's own goodbye to a scheduler that went
                process.kill()
                process.wait()


def test_a_killed_worker_costs_its_node_alone(scheduler: str, tmp_path: Path) -> None:
    own = catalog(tmp_path, *NAMES)
    killer = kill_when_begun(tmp_path, "slow")
    found = DaskRunner(address=scheduler).run(branches(), own)
    killer.join()
    assert list(found) == ["total"]
    assert own.load("total") == {"value": 3 + 4 + 11}
    assert {name: len(begun(tmp_path, name)) for name in ("first", "quick_2", "quick_3")} == {
        "first": 1,
        "quick_2": 1,
        "quick_3": 1,
    }
    # elsewhere: nobody started the killed one again
    killed, other = begun(tmp_path, "slow")
    assert killed != other
    assert len(begun(tmp_path, "total")) == 1
    assert os.getpid() not in begun(tmp_path, "first")
    assert len(versions(tmp_path)) == 1


def test_the_log_of_a_running_clusters_workers_is_shown_where_the_run_began(
    scheduler: str, project_copy: Path, tmp_path: Path
) -> None:
    """Workers that never ran the project configure their log when they first do."""
    task = "cry_verification"
    done = kedro(
        project_copy, "run", "--env=test", f"--pipelines={task}",
        f"--to-nodes={task}.split.assign_subsets", f"--params=data={tmp_path / 'data'}",
        "--runner=bodysounds.runners.DaskRunner", f"--runner-params=address={scheduler}",
    )  # fmt: skip
    shown = re.sub(r"\s+", " ", done.stdout)
    for node in ("ingest.read_corpus", "split.assign_subsets"):
        assert shown.count(f"{task}.{node} begins on tcp://") == 1


def test_a_node_that_saved_before_its_worker_died_is_done_again(tmp_path: Path) -> None:
    own = catalog(tmp_path, "saved", version="2026-01-01T00.00.00.000Z")
    own["deadly"] = DeadlyDataset(
        filepath=str(tmp_path / "deadly.txt"),
        marker=str(tmp_path / "died"),
        version=Version(None, "2026-01-01T00.00.00.000Z"),
    )
    pipeline = Pipeline([Node(two, "params:folder", ["saved", "deadly"], name="two")])
    DaskRunner(n_workers=1).run(pipeline, own)
    assert own.load("saved") == {"value": 2}
    assert own.load("deadly") == "{'value': 7}"
    # what a run saved is never removed by another
    with pytest.raises(DatasetError, match="must not exist"):
        DaskRunner(n_workers=1).run(pipeline, own)
    assert own.load("saved") == {"value": 2}


def test_without_retries_a_killed_worker_fails_the_run(tmp_path: Path) -> None:
    killer = kill_when_begun(tmp_path, "slow")
    with pytest.raises(RuntimeError, match="slow was begun 1 times, and each time its worker died"):
        DaskRunner(n_workers=2, retries=0).run(branches(), catalog(tmp_path, *NAMES))
    killer.join()
    assert len(begun(tmp_path, "slow")) == 1


def alive(process: int) -> bool:
    """Whether the process runs; one that ended and waits to be collected does not."""
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_control_c_ends_the_run_and_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "from pathlib import Path\n"
        "from dask_nodes import branches\n"
        "from test_dask_runner import NAMES, catalog\n"
        "from bodysounds.runners import DaskRunner\n"
        "if __name__ == '__main__':\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    DaskRunner(n_workers=2).run(branches(), catalog(folder, *NAMES))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT / 'src'}{os.pathsep}{TESTS}"}
    # tests that were started in the background ignore Ctrl-C, and so would what they start
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    until = time.monotonic() + 60
    while not begun(tmp_path, "slow") and time.monotonic() < until:
        time.sleep(0.1)
    # a terminal tells every process of the run
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, told = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    assert "KeyboardInterrupt" in told
    workers = {own for name in NAMES for own in begun(tmp_path, name)}
    assert workers
    until = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not [worker for worker in workers if alive(worker)]
    assert not begun(tmp_path, "total")


def test_what_a_node_raises_is_raised_once(tmp_path: Path) -> None:
    before = dict(os.environ)
    pipeline = Pipeline([Node(refuse, "params:folder", "out", name="refuse")])
    with pytest.raises(ValueError, match="the corpus holds no recordings"):
        DaskRunner(n_workers=1, retries=5).run(pipeline, catalog(tmp_path, "out"))
    assert len(begun(tmp_path, "refuse")) == 1
    # neither threads nor anything else is left to what is started later
    assert dict(os.environ) == before


@pytest.mark.parametrize("n_workers", [1, 2])
def test_workers_share_the_cores(n_workers: int, tmp_path: Path) -> None:
    own = catalog(tmp_path, "out")
    DaskRunner(n_workers=n_workers).run(Pipeline([Node(threads, None, "out", name="n")]), own)
    share = max(1, cores() // n_workers)
    assert own.load("out") == {"torch": share, "openmp": share, "in_worker": 1, "daemon": 0}


def test_every_node_reads_the_version_that_was_there_when_the_run_began(tmp_path: Path) -> None:
    old, new = "2026-01-01T00.00.00.000Z", "2099-01-01T00.00.00.000Z"
    for version, value in ((old, 1), (new, 100)):
        JSONDataset(filepath=str(tmp_path / "start.json"), version=Version(None, version)).save(
            {"value": value}
        )
    later = branches().only_nodes("quick_2", "quick_3")
    own = catalog(tmp_path, *NAMES)
    own["start"] = JSONDataset(filepath=str(tmp_path / "start.json"), version=Version(old, None))
    DaskRunner(n_workers=2).run(later, own)
    assert [own.load(name)["value"] for name in ("quick_2", "quick_3")] == [3, 4]
    # what this run saves is what it reads, though a version of a later date is there
    (tmp_path / "again").mkdir()
    other = catalog(tmp_path / "again", *NAMES)
    other["start"] = JSONDataset(filepath=str(tmp_path / "start.json"), version=Version(None, None))
    DaskRunner(n_workers=2).run(branches().only_nodes("first", "quick_2"), other)
    assert other.load("quick_2") == {"value": 3}


def test_memory_between_nodes_is_refused_by_name(tmp_path: Path) -> None:
    own = catalog(tmp_path, *(name for name in NAMES if name not in ("start", "quick_3")))
    own["quick_3"] = JSONDataset(filepath="memory://quick_3.json")
    with pytest.raises(ValueError, match=r"quick_3, start would stay in the memory of one: give"):
        DaskRunner(n_workers=1).run(branches(), own)
    assert not begun(tmp_path, "first")


def test_every_pipeline_can_be_sent_to_workers(project_dir: Path) -> None:
    bootstrap_project(project_dir)
    with KedroSession.create(project_dir, env="test") as session:
        own = session.load_context().catalog
    for pipeline in register_pipelines().values():
        for entry in pipeline.datasets():
            own.get(entry, fallback_to_runtime_pattern=True)
        refuse_memory(pipeline, own)
        for node in pipeline.nodes:
            sent, _ = pickle.loads(_pickled(node, DataCatalog()))
            assert sent == node
    _, sent = pickle.loads(_pickled(node, own))
    assert set(sent.keys()) == set(own.keys())


class Listed:
    """A filesystem that remembers what it listed."""

    def __init__(self) -> None:
        self.forgot = 0

    def invalidate_cache(self) -> None:
        self.forgot += 1


def test_what_others_saved_is_looked_for_again(tmp_path: Path) -> None:
    own = catalog(tmp_path, "a", "b")
    for name in ("a", "b"):
        own[name]._fs = Listed()
    forget_listings(["a", "params:folder"], own)
    assert (own["a"]._fs.forgot, own["b"]._fs.forgot) == (1, 0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"n_workers": 2, "address": "tcp://a:1"}, "give one of the two"),
        ({"address": "tcp://a:1", "retries": 2}, "a running one has its own number"),
        ({"n_workers": 0}, "n_workers must be a whole number of at least 1, got 0"),
        ({"n_workers": "two"}, "n_workers must be a whole number of at least 1, got 'two'"),
        ({"retries": -1}, "retries must be a whole number of at least 0, got -1"),
    ],
)
def test_parameters_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        DaskRunner(**given)


def test_an_address_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bodysounds.clusters.ANSWER_S", 1)
    silent, web = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))

    def answer() -> None:
        with web.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1)

    thread = threading.Thread(target=answer)
    thread.start()
    there = [f"tcp://127.0.0.1:{server.getsockname()[1]}" for server in (silent, web)]
    for address in ("tcp://127.0.0.1:9", "nowhere", *there):
        with pytest.raises(ConnectionError, match=f"no Dask scheduler answers at {address}"):
            DaskRunner(address=address).run(branches(), catalog(tmp_path, *NAMES))
    thread.join()
    silent.close()
    web.close()


def test_without_distributed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "bodysounds\[dask\]"'):
        DaskRunner()


def results(folder: Path) -> dict[str, Path]:
    return {
        VERSION.sub("", str(path.relative_to(folder))): path
        for path in folder.rglob("*")
        if path.is_file() and path.name != "record.json"
    }


def test_seeds_in_two_processes_give_the_same_bytes_as_one_after_the_other(
    project_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = "respiratory_scl"
    # threads round otherwise: as many here as a worker has, which is one on two cores
    monkeypatch.setenv("OMP_NUM_THREADS", str(max(1, cores() // 2)))
    asked = (
        "run", "--env=test", f"--pipelines={task}_seeds", f"--to-outputs={task}.metrics,{task}.runs"
    )  # fmt: skip
    kedro(project_copy, *asked, f"--params=data={tmp_path / 'one'}")
    done = kedro(
        project_copy, *asked, f"--params=data={tmp_path / 'two'}",
        "--runner=bodysounds.runners.DaskRunner", "--runner-params=n_workers=2",
    )  # fmt: skip
    one, two = results(tmp_path / "one"), results(tmp_path / "two")
    assert set(one) == set(two)
    assert len(one) > 40
    differ = [name for name in one if one[name].read_bytes() != two[name].read_bytes()]
    assert differ == []
    assert len({found for path in two.values() for found in VERSION.findall(str(path))}) == 1
    # lines of the workers reach the console, and Dask's own do not
    assert f"{task}.seed_0.scl begins on tcp://" in done.stdout
    assert "4 classes, 68 examples in train" in done.stdout
    assert "Nanny" not in done.stdout
    assert f"{task}: ICBHI Score" in done.stdout
