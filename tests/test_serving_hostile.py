"""What users and operators do to streams, which must cost no sound and no worker."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from temporal import RATE, Live, ended, need_server, spec, tone, write
from temporal import address_fixture as address_fixture
from temporal import shared_fixture as shared_fixture
from temporalio.client import Client, WorkflowFailureError

from bodysounds.audio.read import AudioError
from bodysounds.serving import tables
from bodysounds.serving.audio import probe
from bodysounds.serving.client import send, start, status
from bodysounds.serving.folder import new_files
from bodysounds.serving.messages import StreamSpec, check_spec
from bodysounds.serving.server import DevServer, dev_server, free_port
from bodysounds.serving.store import Store, plain
from bodysounds.serving.timeline import Timeline

Made = list[tuple[int, int, int, bool, list[str]]]


def windows(window: int, hop: int, sounds: Iterable[int | None], eager: bool) -> Made:
    """Return the windows of chunks of so many samples, None being one that is refused."""
    timeline, made = Timeline(100, window, hop), []

    def take() -> None:
        while own := timeline.take(timeline.total):
            paths = [piece.path for piece in own.pieces]
            made.append((own.number, own.start, own.stop, own.after_gap, paths))

    for at, length in enumerate(sounds):
        if length is None:
            timeline.wall()
        else:
            timeline.add(at, f"c{at}", length, 0.0)
        if eager:
            take()
    timeline.wall()
    take()
    return made


def test_a_gap_where_a_window_ended_is_a_gap() -> None:
    """Whether the window was taken before the chunk behind it was refused, or after."""
    for eager in (True, False):
        made = windows(100, 100, [100, None, None, 100], eager)
        assert [own[:4] for own in made] == [(0, 0, 100, False), (1, 100, 200, True)]
    assert [own[3] for own in windows(100, 50, [None, 200], True)] == [False, False, False]


def test_windows_do_not_depend_on_when_they_are_taken() -> None:
    rng = random.Random(0)
    for _ in range(3000):
        window = rng.choice([100, 200])
        hop = rng.choice([window, window // 2, 30, window - 1])
        lengths = [None, 1, 9, 10, 11, 50, window - 1, window, window + 1, hop, 337]
        sounds = [rng.choice(lengths) for _ in range(rng.randint(1, 8))]
        assert windows(window, hop, sounds, True) == windows(window, hop, sounds, False)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/zero", str(tmp_path)):
        with pytest.raises(AudioError, match="is no file: send files"):
            probe(path, RATE)


def test_a_file_of_tomorrow_holds_nothing_back(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name, tone(0.1))
    ahead = time.time() + 1e7
    os.utime(tmp_path / "a.wav", (ahead, ahead))
    assert new_files(str(tmp_path), [], 60.0, 9) == []
    time.sleep(0.05)
    found = new_files(str(tmp_path), [], 0.01, 9)
    assert [Path(chunk.path).name for chunk in found] == ["a.wav", "b.wav"]
    assert all(chunk.sent_at is not None and chunk.sent_at <= time.time() for chunk in found)


def test_names_that_are_no_unicode_can_be_written() -> None:
    assert plain(os.fsdecode(b"b\xff\0.wav")) == "b\\udcff\\0.wav"
    assert plain("häst 日.wav") == "häst 日.wav"


def test_tables_of_another_version_are_named_and_a_password_is_not(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'old.db'}")
    store.create()
    store.create()
    with store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE windows DROP COLUMN frames")
    with pytest.raises(ValueError, match=r"the table windows of .*old.db has no column frames"):
        store.create()
    store.close()
    with pytest.raises(ValueError, match="install its driver") as error:
        Store("nosuch://me:s3cret@host/results")
    assert "s3cret" not in str(error.value)


def test_a_server_whose_port_is_taken_does_not_start() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(RuntimeError, match="another program listens on 127"):
            DevServer("temporal", other.getsockname()[1]).start()


@pytest.mark.parametrize("idle_s", [0.0, -1.0, float("nan")])
def test_an_idle_time_that_cannot_be(idle_s: float) -> None:
    with pytest.raises(ValueError, match="idle_s must be above 0"):
        check_spec(StreamSpec("a", idle_s=idle_s))


def client(*arguments: str) -> subprocess.Popen[str]:
    code = "import sys; from bodysounds.serving.client import main; main(sys.argv[1:])"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_client_ends_without_a_crash() -> None:
    """Temporal's threads made Python abort, about every third time."""
    for _ in range(4):
        _, said = (
            one := client("status", "a", "--address", f"127.0.0.1:{free_port()}")
        ).communicate()
        assert one.returncode == 2
        assert len(said.splitlines()) == 1
        assert "no Temporal server answers" in said


@pytest.mark.temporal
def test_a_server_that_is_told_to_stop_leaves_none_behind() -> None:
    need_server()
    if dev_server() is None:
        pytest.skip("needs the command temporal on the PATH")
    port = free_port()
    one = client("server", "--port", str(port))
    assert one.stderr is not None
    assert "listens on" in one.stderr.readline()
    one.terminate()
    one.communicate(timeout=20)
    assert one.returncode == 0
    assert not DevServer("temporal", port).listens()


async def each(paths: Iterable[Path | str]) -> AsyncIterator[str]:
    for path in paths:
        yield str(path)


@pytest.mark.temporal
def test_names_that_are_no_unicode_in_a_folder(shared: Live, tmp_path: Path) -> None:
    sound = write(tmp_path / "x.wav", tone(2)).read_bytes()
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"a.wav", b"b\xff.wav", b"d.wav"):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(sound)
    asked = spec(folder=str(folder), settle_s=0.0, idle_s=0.5)

    async def test() -> None:
        handle = await start(await Client.connect(shared.server), asked, shared.queue)
        totals = await ended(handle)
        assert (totals.chunks, totals.rejected, totals.windows) == (3, 1, 2)

    asyncio.run(test())
    names = [Path(row["path"]).name for row in shared.rows(tables.chunks, asked.stream_id)]
    assert names == ["a.wav", "b\\udcff.wav", "d.wav"]


@pytest.mark.temporal
def test_a_chunk_and_a_window_that_break_cost_no_others(shared: Live, tmp_path: Path) -> None:
    """In one batch with them."""
    parts = [tone(2, 400), tone(2, 400, level=0.99), tone(2, 400)]
    paths: list[Path | str] = [write(tmp_path / f"{k}.wav", part) for k, part in enumerate(parts)]
    paths.insert(1, "a\0b.wav")
    asked = spec(patience={"attempts": 2})

    async def test() -> None:
        handle = await start(await Client.connect(shared.server), asked, shared.queue)
        await send(handle, each(paths))
        totals = await ended(handle)
        assert (totals.chunks, totals.rejected, totals.windows, totals.unheard) == (4, 1, 3, 1)
        assert "is no Unicode" in (await status(handle)).refusals[0]

    asyncio.run(test())
    rows = shared.rows(tables.windows, asked.stream_id)
    assert [row["label"] for row in rows] == ["crying", None, "crying"]


@pytest.mark.temporal
def test_a_quiet_label_that_no_model_knows(shared: Live) -> None:
    async def test() -> None:
        asked = spec(events={"quiet": "nromal"})
        handle = await start(await Client.connect(shared.server), asked, shared.queue)
        with pytest.raises(WorkflowFailureError) as error:
            await ended(handle, 10)
        assert "quiet must be one of crying, normal, screaming" in str(error.value.cause)

    asyncio.run(test())


@pytest.mark.temporal
def test_a_client_that_is_interrupted_says_so(shared: Live, temporal_address: str) -> None:
    need_server()
    where = ("--address", temporal_address, "--queue", shared.queue)
    one = client("stream", "-", *where)
    assert one.stderr is not None
    assert "has begun" in one.stderr.readline()
    time.sleep(0.3)
    one.send_signal(signal.SIGINT)
    assert one.wait(10) == 130  # though stdin is still open
    (said,) = one.stderr.read().splitlines()
    assert "a stream that has begun goes on" in said
    one.communicate()
    nowhere = client("status", "a", *where, "--namespace", "nowhere")
    assert "has no namespace 'nowhere'" in nowhere.communicate()[1]
    assert nowhere.returncode == 2
