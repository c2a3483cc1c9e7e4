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
from bodysounds.audio.remains import LOCK, OLD, PARTIAL, name_others, remove_remains
from bodysounds.audio.reuse import pack

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
        put_back = path.suffix == OLD and moment == "between the renames"
        removed = f"{path} is removed, which a process that was killed left" in caplog.text
        assert removed != put_back
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
            name_others(folder)
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


def stands(folder: Path) -> bool:
    """Whether what `pieces` gives is there, and nothing beside it."""
    kept = open_packed(folder, verify=True).index["segment_id"].tolist() == ["b"]
    return kept and names(folder.parent) == [folder.name]


def test_a_folder_whose_replacement_was_killed_is_put_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "waveforms"
    write_packed(folder, pieces(), RATE)
    with another_run(folder, "between the renames") as kill:
        kill()
    assert not folder.exists()
    with caplog.at_level(logging.INFO):
        remove_remains(folder)
    assert f"{folder} is put back" in caplog.text
    assert stands(folder)


def test_a_folder_whose_replacement_fails_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "waveforms", Path.rename
    write_packed(folder, pieces(), RATE)

    def refused(path: Path, target: Path) -> Path:
        if path.suffix == PARTIAL:
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="Permission denied"):
        write_packed(folder, iter([("a", np.ones(5, np.int16))]), RATE)
    assert stands(folder)


def test_without_locks_no_open_file_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows has no fcntl, and does not remove a file that is open."""
    unlink, opened = Path.unlink, []

    def closed_only(path: Path, missing_ok: bool = False) -> None:
        here = [one for one in Path("/proc/self/fd").iterdir() if one.exists()]
        opened.extend(one for one in here if one.samefile(path))
        unlink(path, missing_ok)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("nothing tells which files are open")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setattr(Path, "unlink", closed_only)
    folder = tmp_path / "waveforms"
    write_packed(folder, pieces(), RATE)
    assert not opened
    assert stands(folder)


class Keyed:
    """Pieces for `pack`."""

    sample_rate, segment_ids, segment_keys = RATE, ["b"], [bytes(32)]

    def only(self, rows: object) -> Iterator[tuple[str, np.ndarray]]:
        return pieces()


def test_what_others_left_is_named_once_and_what_is_anothers_never(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "waveforms"
    left = [tmp_path / ".waveforms.4711.partial", tmp_path / ".waveforms.4711.old"]
    for path in left:
        path.mkdir()
    for decoded in (True, False):  # then all is reused
        caplog.clear()
        with caplog.at_level(logging.INFO):
            pack(folder, Keyed())
        assert ("are reused" in caplog.text) != decoded
        said = [record.getMessage() for record in caplog.records]
        assert [sum(line.startswith(f"{path} is ") for line in said) for path in left] == [1, 1]
    with another_run(tmp_path / "waveforms.x", "while filled"):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            name_others(folder)
        assert "waveforms.4711.old" in caplog.text
        assert ".x" not in caplog.text.replace(str(tmp_path), "")
        assert "%2Ex" not in caplog.text
