"""Whole trainings on two processes end as those on one do, killed and resumed ones too."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import killed
import pandas as pd
import pytest
import three_ranks
import torch
from conftest import FinishedRun, kedro

from bodysounds.models.encoder import Encoder
from bodysounds.params import TrainEmbeddingParams
from bodysounds.training import loop, together
from bodysounds.training.embedding import train_encoder
from bodysounds.training.setup import n_processes

pytestmark = pytest.mark.usefixtures("one_thread")
N_STEPS = 27
TOLERANCE = 1e-4
"""Of losses, relative: rounding, which each step carries on; 1e-6 is met in float32."""


def params(work: Path, **changes: Any) -> TrainEmbeddingParams:
    """Return those of test_resume, in float32 and slow enough for rounding to stay small."""
    options: dict[str, Any] = {"precision": "float32", "learning_rate": 2e-4}
    return killed.params(work, **(options | changes))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return killed.corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def alone(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoder, pd.DataFrame]:
    encoder, _, history = train_encoder(*corpus, params(tmp_path_factory.mktemp("alone")))
    return encoder, history


def same_history(ours: pd.DataFrame, theirs: pd.DataFrame, tolerance: float = TOLERANCE) -> None:
    """The losses within the tolerance; what is counted, drawn or chosen to the bit."""
    assert list(ours) == list(theirs)
    for name in theirs:
        if name.startswith(("loss", "validation_loss")):
            assert ours[name].tolist() == pytest.approx(theirs[name].tolist(), rel=tolerance), name
        elif name not in ("seconds", "items_per_second") and not name.startswith("dev_"):
            assert ours[name].tolist() == pytest.approx(theirs[name].tolist()), name


def furthest(ours: Encoder, theirs: Encoder) -> float:
    """The furthest that a weight of the network is from the other's."""
    names = [name for name in theirs.state if "num_batches" not in name]
    return max(float((ours.state[n] - theirs.state[n]).abs().max()) for n in names)


def test_two_processes_have_the_loss_curve_of_one(
    corpus: Any, alone: tuple[Encoder, pd.DataFrame], tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "bodysounds")
    encoder, _, history = train_encoder(*corpus, params(tmp_path, processes=2))
    assert "2 processes share each batch" in caplog.text
    assert "resumed" not in caplog.text
    assert caplog.text.count("epoch 3 of 3: loss") == 1  # one of them speaks
    assert "torchelastic" not in caplog.text
    same_history(history, alone[1])
    assert history["dev_auc"].tolist() == pytest.approx(alone[1]["dev_auc"].tolist(), abs=0.05)
    assert furthest(encoder, alone[0]) < 0.01
    assert encoder.training["parameters"] == alone[0].training["parameters"]
    assert list(tmp_path.iterdir()) == []


def test_killed_on_two_and_resumed_on_one(
    corpus: Any, alone: tuple[Encoder, pd.DataFrame], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "bodysounds")
    with monkeypatch.context() as patch:
        patch.setattr(together, "take_part", three_ranks.dies_at_step_16)
        sentence = r"process 2 of 2 ended early \(.*SIGKILL.*run again to go on from the last"
        with pytest.raises(ChildProcessError, match=sentence):
            train_encoder(*corpus, params(tmp_path, processes=2))
    (store,) = tmp_path.iterdir()
    assert (store / "checkpoint.pt").is_file()
    caplog.clear()
    _, _, history = train_encoder(*corpus, params(tmp_path))
    assert "resumed after epoch 1, batch 3" in caplog.text  # step 12 of epochs of 9
    same_history(history, alone[1])
    assert list(tmp_path.iterdir()) == []


def test_stopped_on_one_and_resumed_on_two(
    corpus: Any, alone: tuple[Encoder, pd.DataFrame], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "bodysounds")

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_step", killed.on_call(11, loop.train_step, interrupt))
        with pytest.raises(KeyboardInterrupt):
            train_encoder(*corpus, params(tmp_path))
    caplog.clear()
    _, _, history = train_encoder(*corpus, params(tmp_path, processes=2))
    assert caplog.text.count("resumed after epoch 0, batch 8") == 1
    same_history(history, alone[1])


def test_what_is_judged_followed_kept_and_refit(corpus: Any, tmp_path: Path) -> None:
    """A share validates, the rate follows it, two epochs are averaged, and all is refit."""
    chosen = replace(killed.everything(tmp_path), precision="float32", learning_rate=2e-4)
    ours = train_encoder(*corpus, replace(chosen, processes=2))
    theirs = train_encoder(*corpus, chosen)
    same_history(ours[2], theirs[2])
    assert ours[2]["validation_loss"].notna().all()
    for one, other in zip(ours[:2], theirs[:2], strict=True):
        assert furthest(one, other) < 0.02
        assert one.training["refit"] == other.training["refit"]
    assert len(ours[1].best) == 2


def test_a_loss_that_is_not_finite_is_refused_in_the_words_of_one_process(
    corpus: Any, tmp_path: Path
) -> None:
    said = []
    for processes in (1, 2):
        with pytest.raises(ValueError, match="the loss is nan at epoch 1") as error:
            train_encoder(*corpus, params(tmp_path, learning_rate=1e30, processes=processes))
        said.append(str(error.value))
    assert said[0] == said[1]


def test_an_error_of_one_process_is_told_in_a_sentence(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(together, "take_part", three_ranks.fails_at_step_3)
    sentence = r"^process 2 of 2 ended early \(MemoryError: no room left\), and the others were"
    with pytest.raises(ChildProcessError, match=sentence):
        train_encoder(*corpus, params(tmp_path, processes=2))
    assert "in train_epoch" in caplog.text  # where it was


def test_no_process_asked_for_is_one_without_a_gpu(
    corpus: Any, alone: tuple[Encoder, pd.DataFrame], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert n_processes(params(tmp_path, processes=0)) == 1
    encoder, _, _ = train_encoder(*corpus, params(tmp_path, processes=0))
    assert furthest(encoder, alone[0]) == 0.0
    assert not torch.distributed.is_initialized()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    on_gpu = params(tmp_path, processes=0, device="cuda")
    assert n_processes(on_gpu) == 2
    assert n_processes(replace(on_gpu, processes=1)) == 1
    with pytest.raises(ValueError, match=r"processes is 3 and there are 2 GPU"):
        n_processes(replace(on_gpu, processes=3))


def test_processes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train_embedding\.processes must lie in"):
        params(tmp_path, processes=-1)
    with pytest.raises(ValueError, match=r"'cuda:1' is one GPU and processes is 2"):
        params(tmp_path, processes=2, device="cuda:1")


def test_kedro_trains_on_two_processes(finished_run: FinishedRun) -> None:
    task, project = finished_run.task, finished_run.project
    histories, options = [], f"{task}.train_embedding"
    for processes in (1, 2):
        beside = replace(finished_run, data=f"data/on_{processes}")
        for layer in ("01_raw", "02_intermediate", "03_primary", "04_feature"):
            shutil.copytree(finished_run.results(layer), beside.results(layer))
        done = kedro(
            project, "run", "--env=test", f"--pipelines={task}",
            f"--nodes={options}.train",
            f"--params={options}.processes={processes},{options}.precision=float32,"
            f"data={beside.data}",
        )  # fmt: skip
        assert ("2 processes share each batch" in done.stdout) == (processes == 2)
        assert "torchelastic" not in done.stdout
        assert list((project / beside.data / ".work").iterdir()) == []
        histories.append(pd.read_csv(beside.latest("06_models", "history.csv")))
    one, two = histories
    assert two["step"].equals(one["step"])
    # Adam amplifies what rounding parts; the first epoch is before that
    assert two["loss"][0] == pytest.approx(one["loss"][0], rel=1e-3)
    assert two["loss"].tolist() == pytest.approx(one["loss"].tolist(), rel=0.02)
