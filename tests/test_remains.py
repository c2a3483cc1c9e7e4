"""What a killed run left beside its waveforms is removed by the next one; a live one's stays."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bodysounds.audio import remains
from bodysounds.audio.packed import SAMPLES, open_packed, write_packed
from bodysounds.audio.remains import LOCK, PARTIAL, remove_remains

RATE = 8_000
FILL = """
import sys, time
from pathlib import Path
import numpy as np
from bodysounds.audio import packed, remains

def pieces():
    yield "a", np.ones(200_000, np.int16)
    if "while filled" in sys.argv:
        halt()
def halt(*_, **__):
    print("there", flush=True)
    time.sleep(60)

if "between the renames" in sys.argv:
    rename = Path.rename
    def once(self, target):
        moved = rename(self, target)
        if str(target).endswith(remains.OLD):
            halt()
        return moved
    Path.rename = once
if "before the lock is let go" in sys.argv:
    remains.shutil.rmtree = halt
packed.write_packed(Path(sys.argv[1]), pieces(), 8_000)
"""
MOMENTS = ("while filled", "between the renames", "before the lock is let go")


def pieces() -> Iterator[tuple[str, np.ndarray]]:
    yield "b", np.full(100, 7, np.int16)


@contextmanager
def another_run(folder: Path, moment: str) -> Iterator[Callable[[], None]]:
    """A process that packs into a folder and halts at a moment; give what kills it."""
    run = subprocess.Popen(
        [sys.executable, "-c", FILL, str(folder), moment], stdout=subprocess.PIPE, text=True
    )

    def kill() -> None:
        run.send_signal(signal.SIGKILL)
        run.wait()

    try:
        assert run.stdout is not None
        assert run.stdout.readline() == "there\n"
        yield kill
    finally:
        kill()
        run.stdout.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_run_left_is_removed_by_the_next_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    folder = tmp_path / "waveforms"
    write_packed(folder, pieces(), RATE)
    with another_run(folder, moment) as kill:
        kill()
    assert len(list(tmp_path.glob(f".*{LOCK}"))) == 1
    left = [path for path in tmp_path.glob(".*") if path.is_dir()]
    assert left
    with caplog.at_level(logging.INFO):
        write_packed(folder, pieces(), RATE)
    for path in left:
        assert f"{path} is removed, which a process that was killed left" in caplog.text
    assert names(tmp_path) == ["waveforms"]
    assert open_packed(folder, verify=True).index["segment_id"].tolist() == ["b"]


@pytest.mark.parametrize("moment", MOMENTS[:2])
def test_what_a_live_run_fills_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, moment: str
) -> None:
    folder = tmp_path / "waveforms"
    write_packed(folder, pieces(), RATE)
    with another_run(folder, moment):
        before = names(tmp_path)
        with caplog.at_level(logging.INFO):
            remove_remains(folder)
            if moment == "while filled":
                write_packed(folder, pieces(), RATE)
        assert names(tmp_path) == before
        (partial,) = tmp_path.glob(f".*{PARTIAL}")
        assert (partial / SAMPLES).is_file()
        assert "removed" not in caplog.text
        assert "filled" not in caplog.text


def test_a_new_process_of_the_same_number_does_not_keep_the_remains(tmp_path: Path) -> None:
    """No number is asked for: remains under the number of this very process go too."""
    folder = tmp_path / "waveforms"
    lock = tmp_path / f".waveforms.{remains._host()}.{os.getpid():032x}{LOCK}"
    lock.touch()
    lock.with_suffix(PARTIAL).mkdir()
    write_packed(folder, pieces(), RATE)
    assert names(tmp_path) == ["waveforms"]


@pytest.mark.parametrize("host", ["elsewhere", "{0}.local", "b.{0}"])
def test_another_machines_folder_stays_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    folder = tmp_path / "waveforms"
    lock = tmp_path / f".waveforms.{host.format(remains._host())}.{0:032x}{LOCK}"
    lock.touch()
    partial = lock.with_suffix(PARTIAL)
    partial.mkdir()
    with caplog.at_level(logging.INFO):
        write_packed(folder, pieces(), RATE)
    assert names(tmp_path) == sorted([partial.name, lock.name, "waveforms"])
    assert f"{partial} is being filled by another machine, or was left half-way" in caplog.text


def test_without_locks_nothing_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    folder = tmp_path / "waveforms"
    with another_run(folder, "while filled") as kill:
        kill()
    left = names(tmp_path)
    monkeypatch.setattr(fcntl, "flock", none)
    with caplog.at_level(logging.INFO):
        write_packed(folder, pieces(), RATE)
    assert names(tmp_path) == sorted([*left, "waveforms"])
    assert "removed" not in caplog.text
    open_packed(folder, verify=True)
