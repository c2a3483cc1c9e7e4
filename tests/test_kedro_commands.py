"""Kedro's own commands work in this project, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from conftest import kedro

from bodysounds.pipeline_registry import register_pipelines

TASK = "cry_verification"


@contextmanager
def started(project: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of Kedro that goes on, in a process group of its own, ended as by Ctrl-C."""
    environment = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(project / "src")}
    # where tests run in the background Ctrl-C is ignored, and what they start would ignore it too
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with (project / "output.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "kedro", *command],
            cwd=project,
            env=environment,
            start_new_session=True,
            stdout=log,
            stderr=log,
        )
    signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=60)


def free_port() -> int:
    """A port that nothing listens on: of those that kedro-viz accepts, which end at 49151."""
    for port in range(20_000 + os.getpid() % 20_000, 49_151):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port is free")


def living(group: int) -> list[str]:
    """The processes of a group, but those that have ended and wait for their parent to hear it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


def test_viz_run_serves_the_pipelines_and_ends(project_copy: Path) -> None:
    port = free_port()

    def ask(path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return json.load(answer)

    with started(project_copy, "viz", "run", "--no-browser", f"--port={port}") as process:
        until = time.monotonic() + 120
        while True:
            try:
                shown = ask("/api/main")
                break
            except OSError:
                assert process.poll() is None, (project_copy / "output.log").read_text()
                assert time.monotonic() < until, "it did not answer"
                time.sleep(0.2)
        assert {row["id"] for row in shown["pipelines"]} == set(register_pipelines())
        drawn = ask(f"/api/pipelines/{TASK}")
        rooms = {f"{TASK}.ingest", f"{TASK}.train_embedding", f"{TASK}.report"}
        assert rooms <= set(drawn["modular_pipelines"])
        assert len(living(process.pid)) >= 2
    until = time.monotonic() + 30
    while living(process.pid):
        assert time.monotonic() < until, living(process.pid)
        time.sleep(0.1)
    with pytest.raises(OSError, match="refused"):
        ask("/api/main")


def test_ipython_has_catalog_context_and_pipelines(project_copy: Path) -> None:
    asked = (
        "print('told', context.env, len(pipelines), catalog.load("
        f"'params:{TASK}.train_embedding').epochs, type(session).__name__)"
    )
    done = kedro(project_copy, "ipython", "--env=test", "--", "--no-banner", "-c", asked)
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("told ")]
    assert told == f"told test {len(register_pipelines())} 2 KedroSession"


def after_log(output: str) -> str:
    """What a command printed below its log."""
    lines = output.splitlines()
    first = next(n for n, line in enumerate(lines) if not line.startswith(("[", " " * 12)))
    return "\n".join(lines[first:])


def test_the_catalog_is_described_and_resolved(project_copy: Path) -> None:
    saved = register_pipelines()[TASK].datasets()
    entries = {name for name in saved if not name.startswith("params:")} - {"parameters"}
    described = kedro(project_copy, "catalog", "describe-datasets", "-p", TASK).stdout
    told = {line.strip("- ") for line in described.splitlines() if line.startswith("    - ")}
    assert entries <= told
    resolved = kedro(project_copy, "catalog", "resolve-patterns", "-p", TASK).stdout
    written = yaml.safe_load(after_log(resolved))
    assert entries <= set(written)
    assert written[f"{TASK}.metrics"]["versioned"] is True
    where = project_copy / "data/02_intermediate/demo" / TASK / "manifest.parquet"
    assert written[f"{TASK}.manifest"]["filepath"] == str(where)
    listed = kedro(project_copy, "catalog", "list-patterns").stdout
    assert "{task}.manifest" in yaml.safe_load(after_log(listed))


def test_the_registry_is_listed_and_described(project_copy: Path) -> None:
    listed = yaml.safe_load(after_log(kedro(project_copy, "registry", "list").stdout))
    assert set(listed) == set(register_pipelines())
    told = kedro(project_copy, "registry", "describe", TASK).stdout
    nodes = yaml.safe_load(after_log(told))["Nodes"]
    names = {node.split(" ")[0] for node in nodes}
    assert names == {node.name for node in register_pipelines()[TASK].nodes}
