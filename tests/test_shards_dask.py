"""Shards on Dask, in a run of the project and in their benchmark."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import sharded
from conftest import kedro

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The folder in which each attempt leaves a file."""
    return sharded.log_folder(tmp_path)


@pytest.fixture(scope="module")
def packed_whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return sharded.packed_whole(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def means(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return sharded.means_whole(*sharded.corpus(tmp_path_factory.mktemp("corpus"))[:2])


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    told = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments], env=os.environ | told | environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A client of a scheduler and a worker that stays, and a function that starts another."""
    from distributed import Client

    told = str(tmp_path_factory.mktemp("dask") / "scheduler.json")
    with ExitStack() as stack:
        shared = f"--scheduler-file={told}", "--no-dashboard"
        stack.enter_context(started("scheduler", *shared, "--host=127.0.0.1", "--port=0"))

        def start(name: str, **environment: str) -> subprocess.Popen[bytes]:
            own = f"--name={name}", "--nthreads=1", "--no-nanny", "--memory-limit=0"
            return stack.enter_context(started("worker", *shared, *own, **environment))

        start("steady")
        client = stack.enter_context(Client(scheduler_file=told, set_as_default=False))
        client.wait_for_workers(1, timeout=60)
        yield client, start


def run_and_kill(cluster: Any, log: Path, node: Any, *arguments: Any, node_on: str) -> Any:
    """Return what a node returns that a task of Dask runs, while a worker dies in its shard."""
    client, start = cluster
    doomed = f"doomed-{node_on}-{node.__name__}"
    process = start(doomed, **{sharded.HANG: doomed})
    client.wait_for_workers(2, timeout=60)
    found = client.submit(
        node, *arguments, workers=["steady" if node_on == "steady" else doomed],
        allow_other_workers=True, pure=False,
    )  # fmt: skip
    hung = log / f"hung-{doomed}"
    until = time.monotonic() + 60
    while not hung.is_file() or not hung.read_text():
        assert found.status != "error", found.exception()
        assert time.monotonic() < until, sharded.attempts(log)
        time.sleep(0.05)
    shard, pid = hung.read_text().split()
    if node_on == "steady":  # the others are done meanwhile
        while len(sharded.attempts(log)) < 5:
            time.sleep(0.05)
    assert int(pid) == process.pid
    process.kill()
    result = found.result(timeout=60)
    assert sharded.attempts(log) == sorted([*sharded.names(0, 1, 2, 3, 4), shard])
    return result


@pytest.mark.parametrize("node_on", ["steady", "doomed"])
def test_featurize_on_dask_does_only_the_shard_of_a_dead_worker_again(
    cluster: Any, tmp_path: Path, log: Path, packed_whole: dict[str, str], node_on: str
) -> None:
    arguments = (str(tmp_path), str(tmp_path / "packed"), 5)
    run_and_kill(cluster, log, sharded.pack_on_dask, *arguments, node_on=node_on)
    assert made.hashes(tmp_path / "packed") == packed_whole


def test_embedding_on_dask_does_only_the_shard_of_a_dead_worker_again(
    cluster: Any, tmp_path: Path, log: Path, means: np.ndarray
) -> None:
    arguments = (str(tmp_path), 5)
    found = run_and_kill(cluster, log, sharded.embed_on_dask, *arguments, node_on="steady")
    np.testing.assert_allclose(found, means, rtol=0, atol=sharded.BOUND)


def test_an_error_on_dask_is_tried_again_and_a_wrong_input_is_not(
    cluster: Any, tmp_path: Path, log: Path
) -> None:
    client, _ = cluster
    arguments = (sharded.text_on_dask, str(tmp_path / "work"))
    with pytest.raises(ValueError, match="the shard is wrong"):
        client.submit(*arguments, ["wrong"], pure=False).result(timeout=60)
    assert sharded.attempts(log) == sharded.names(0)
    assert client.submit(*arguments, ["unlucky"], pure=False).result(timeout=60) == ["unlucky"]
    assert sharded.attempts(log) == sharded.names(0, 0, 0)


def numbers(found: Any, path: str = "") -> dict[str, float]:
    """Return the numbers of nested dicts and lists, by their place."""
    if isinstance(found, dict | list):
        items = found.items() if isinstance(found, dict) else enumerate(found)
        return {k: v for key, value in items for k, v in numbers(value, f"{path}/{key}").items()}
    return {path: float(found)} if isinstance(found, int | float) else {}


def test_a_run_in_shards_has_the_same_metrics(finished_run: Any) -> None:
    beside = replace(finished_run, data="data/sharded")
    shutil.copytree(finished_run.results("01_raw"), beside.results("01_raw"))
    told = "featurize.shards=3", "score_pairs.shards=2"
    params = ",".join([f"data={beside.data}", *(f"{beside.task}.{one}" for one in told)])
    done = kedro(beside.project, "run", "--env=test", f"--params={params}")
    assert "0 of 3 shards are there, 3 to do" in done.stdout
    assert "0 of 2 shards are there, 2 to do" in done.stdout
    assert list((beside.project / beside.data / ".work").iterdir()) == []
    packed = [
        made.hashes(run.results("04_feature") / "waveforms") for run in (finished_run, beside)
    ]
    assert packed[0] == packed[1]
    # later versions are of other tests
    plain, dealt = (
        numbers(json.loads(min(run.results("08_reporting").glob("metrics.json/*/*")).read_text()))
        for run in (finished_run, beside)
    )
    assert len(plain) > 100
    assert dealt == pytest.approx(plain, rel=1e-4, abs=1e-4)


def test_the_benchmark_runs(project_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/shards.py", "--quick"],
        cwd=project_dir, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1:3] for line in done.stdout.splitlines() if line.startswith("| ")]
    found = [tuple(cell.strip() for cell in row) for row in rows[1:]]
    assert found == [(what, n) for what in ("featurize", "embed") for n in ("alone", "1", "2")]
