"""What keeps a worker from starting is one sentence."""

from __future__ import annotations

import json
import logging
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest
from temporal import FakeModel

from bodysounds.serving import logs
from bodysounds.serving.client import main as client_main
from bodysounds.serving.hearing import Model
from bodysounds.serving.server import local_server
from bodysounds.serving.settings import WorkerSettings
from bodysounds.serving.worker import main

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


def refused(*arguments: str, load: object = None) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments, load=load or (lambda path: FakeModel()))  # type: ignore[arg-type]
    assert stopped.value.code == 2
    return ""


def told(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().err
    assert said.startswith("bodysounds-worker: ")
    assert len(said.strip().splitlines()) == 1
    return said


def broken(path: str) -> Model:
    raise ValueError(f"{path} holds\nno weights")


def test_no_worker_without_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused()
    assert "a worker needs a model: give --model" in told(capsys)
    refused("--model", "m", load=broken)
    assert "the model m cannot be loaded: m holds no weights" in told(capsys)


def test_no_worker_without_a_database(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    refused("--model", "m", "--database", f"sqlite:///{tmp_path}/none/r.db")
    assert "cannot be reached or written" in told(capsys)
    refused("--model", "m", "--database", "nonsense")
    assert "is no database that can be used here" in told(capsys)


def test_no_worker_without_a_server(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    database = ("--database", f"sqlite:///{tmp_path}/r.db")
    refused("--model", "m", *database, "--address", "127.0.0.1:9", "--connect-s", "0")
    assert "no Temporal server answers at 127.0.0.1:9" in told(capsys)


def test_no_worker_where_the_metrics_have_no_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        database = ("--database", f"sqlite:///{tmp_path}/r.db")
        refused("--model", "m", *database, "--metrics", address)
    assert f"the metrics' address {address} cannot be used" in told(capsys)


def test_a_server_is_downloaded_only_if_that_is_allowed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    with local_server() as address:
        assert address == "elsewhere:7233"
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    with pytest.raises(SystemExit):
        client_main(["server"])
    assert "there is no Temporal server: put the command" in capsys.readouterr().err
    fetched = []

    async def fetch(database: Path | None, port: int) -> Any:
        fetched.append(port)
        return SimpleNamespace(shutdown=AsyncMock())

    monkeypatch.setattr("bodysounds.serving.server._downloaded", fetch)
    with local_server(port=7999, download=True) as address:
        assert address == "127.0.0.1:7999"
    assert fetched == [7999]


@pytest.mark.parametrize(
    ("option", "why"),
    [
        ({"threads": 0}, "--threads must be 1 at least"),
        ({"batch": 0}, "--batch must be 1 at least"),
        ({"wait_ms": -1.0}, "--wait-ms must be 0 at least"),
        ({"shutdown_s": float("nan")}, "--shutdown-s must be 0 at least"),
        ({"address": "nowhere"}, "--address must read HOST:PORT"),
        ({"metrics": "host:0"}, "--metrics must read HOST:PORT"),
    ],
)
def test_settings_that_cannot_be(option: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        WorkerSettings(model="m", **option)  # type: ignore[arg-type]


def test_logs_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    log = logging.getLogger("bodysounds.serving")
    try:
        logs.set_up(as_json=True, level="debug")
        log.debug("window", extra={"stream": "s", "window": 3})
        logs.set_up(as_json=False, level="info")
        log.info("event", extra={"stream": "s", "label": "crying"})
        log.debug("window")
    finally:
        logging.getLogger().handlers = before
        logging.getLogger("bodysounds").setLevel(logging.NOTSET)
    first, second = capsys.readouterr().err.splitlines()
    line = json.loads(first)
    assert (line["message"], line["stream"], line["window"]) == ("window", "s", 3)
    assert second.endswith("bodysounds.serving: event stream=s label=crying")
