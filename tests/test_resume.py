"""A training killed anywhere and run again ends with the same bytes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import killed
import pytest
import torch

from bodysounds.models.encoder import Encoder, save_encoder
from bodysounds.training import loop
from bodysounds.training.embedding import train_encoder

N_STEPS = 27


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the process that is killed: the number of threads changes the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps done in this process, as they are done."""
    done: list[int] = []
    original = loop.train_step

    def counted(run: Any, batch: Any, state: Any) -> Any:
        figures = original(run, batch, state)
        done.append(state.step)
        return figures

    monkeypatch.setattr(loop, "train_step", counted)
    return done


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return killed.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def uninterrupted(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    encoder, _, history = train_encoder(*corpus, killed.params(folder / "work"))
    return sha256(encoder, folder), history


def sha256(encoder: Encoder, folder: Path) -> str:
    save_encoder(folder / "encoder.safetensors", encoder)
    return hashlib.sha256((folder / "encoder.safetensors").read_bytes()).hexdigest()


def kill(place: str, tmp_path: Path) -> Path:
    """Return the work folder of a process that was killed at this place."""
    command = [sys.executable, killed.__file__, place, str(tmp_path), str(tmp_path / "work")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("place", "expected"),
    [("mid-epoch", 12), ("dev scoring", 16), ("writing the checkpoint", 12)],
)
def test_killed_and_run_again_it_ends_the_same(
    place: str,
    expected: int,
    corpus: Any,
    uninterrupted: tuple[str, Any],
    tmp_path: Path,
    steps: list[int],
) -> None:
    work = kill(place, tmp_path)
    (store,) = work.iterdir()
    assert any(".partial" in file.name for file in store.iterdir()) == place.startswith("writing")
    encoder, _, history = train_encoder(*corpus, killed.params(work))
    assert steps == list(range(expected, N_STEPS))
    assert sha256(encoder, tmp_path) == uninterrupted[0]
    same = [name for name in history if name not in ("seconds", "items_per_second")]
    assert history[same].equals(uninterrupted[1][same])
    assert list(work.iterdir()) == []


@pytest.mark.parametrize(("place", "expected"), [("first training", 12), ("refit", 24)])
def test_all_that_is_followed_kept_and_refit_resumes(
    place: str, expected: int, corpus: Any, tmp_path: Path, steps: list[int]
) -> None:
    whole = train_encoder(*corpus, killed.everything(tmp_path / "whole"))
    n_steps = len(steps)
    steps.clear()
    work = kill(place, tmp_path)
    resumed = train_encoder(*corpus, killed.everything(work))
    assert len(steps) == n_steps - expected
    for ours, theirs in zip(resumed[:2], whole[:2], strict=True):
        assert sha256(ours, tmp_path) == sha256(theirs, tmp_path)
    best = [[sha256(kept, tmp_path) for kept in made[1].best] for made in (resumed, whole)]
    assert best[0] == best[1]
    assert len(best[0]) == 2
    same = [name for name in whole[2] if name not in ("seconds", "items_per_second")]
    assert resumed[2][same].equals(whole[2][same])
    assert resumed[2]["learning_rate"].nunique() > 1
    assert list(work.iterdir()) == []


@pytest.fixture
def stopped(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The work folder of a training stopped after 10 steps, its last checkpoint at 8."""
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", killed.on_call(11, loop.train_step, interrupt))
        with pytest.raises(KeyboardInterrupt):
            train_encoder(*corpus, killed.params(tmp_path))
    return tmp_path


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_where_and_how_often_it_saves_change_nothing(
    corpus: Any, uninterrupted: tuple[str, Any], stopped: Path, steps: list[int]
) -> None:
    encoder, _, _ = train_encoder(*corpus, killed.params(stopped, checkpoint_every=1000))
    assert steps == list(range(8, N_STEPS))
    assert sha256(encoder, stopped) == uninterrupted[0]


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 2e-3}, {"crop_s": [0.3, 0.6]}])
def test_a_changed_parameter_starts_anew(
    corpus: Any, stopped: Path, steps: list[int], change: dict[str, Any]
) -> None:
    train_encoder(*corpus, killed.params(stopped, **change))
    assert steps == list(range(N_STEPS))
    assert len(list(stopped.iterdir())) == 1  # the other training's store is still there


def test_other_data_and_other_code_start_anew(
    corpus: Any, stopped: Path, steps: list[int], tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    packed, sides, trials = corpus
    from bodysounds.training import checkpoints

    def key(**changes: Any) -> str:
        options = {"packed": packed, "side_table": sides, "trials": trials} | changes
        return checkpoints.training_key(**options, params={}, init=None)

    assert key() == key()
    louder = type(packed)(packed.samples // 2, packed.index, packed.sample_rate)
    regrouped = type(sides)(sides.table.assign(group_id="g"), sides.spans)
    fewer = trials.iloc[1:]
    keys = {key(), key(packed=louder), key(side_table=regrouped), key(trials=fewer)}
    sources = tmp_path_factory.mktemp("package")
    for name in ("sides.py", "_speechbrain.py"):
        (sources / name).write_text("other = True\n")
    monkeypatch.setattr("bodysounds.shards.PACKAGE", sources)
    keys.add(key())
    assert len(keys) == 5


def test_a_damaged_checkpoint_is_not_used(
    corpus: Any, uninterrupted: tuple[str, Any], stopped: Path, steps: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (checkpoint,) = stopped.glob("*/checkpoint.pt")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    encoder, _, _ = train_encoder(*corpus, killed.params(stopped))
    assert "is damaged: training starts again" in caplog.text
    assert steps == list(range(N_STEPS))
    assert sha256(encoder, stopped) == uninterrupted[0]


def test_damaged_weights_of_a_kept_epoch_are_not_used(
    corpus: Any, uninterrupted: tuple[str, Any], tmp_path: Path, steps: list[int],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", killed.on_call(13, loop.train_step, interrupt))
        with pytest.raises(KeyboardInterrupt):
            train_encoder(*corpus, killed.params(tmp_path, checkpoint_every=1))
    steps.clear()
    (weights,) = tmp_path.glob("*/epoch_000001.pt")
    weights.write_bytes(weights.read_bytes()[:-1])
    encoder, _, _ = train_encoder(*corpus, killed.params(tmp_path))
    assert "is damaged: training starts again" in caplog.text
    assert steps == list(range(N_STEPS))
    assert sha256(encoder, tmp_path) == uninterrupted[0]
