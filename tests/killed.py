"""Run by test_resume: train, and die by SIGKILL at the place that is named."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made
import torch

from bodysounds.params import TrainEmbeddingParams
from bodysounds.training import dev, loop
from bodysounds.training.embedding import train_encoder


def corpus(folder: Path) -> Any:
    """Return the corpus that killed and resumed runs share; equal in every folder."""
    return made.corpus(folder, {"train": 12, "dev": 4}, seconds=0.4)


def params(work: Path, **changes: Any) -> TrainEmbeddingParams:
    """Return parameters of 3 epochs of 9 steps, a checkpoint every 4 steps."""
    options: dict[str, Any] = {
        "channels": 16,
        "depth": 1,
        "dim": 8,
        "n_mels": 24,
        "epochs": 3,
        "passes_per_epoch": 3,
        "subjects_per_batch": 4,
        "crop_s": [0.3, 0.5],
        "checkpoint_every": 4,
        "augment": [{"name": "noise"}, {"name": "tilt"}, {"name": "spec_augment"}],
        "losses": [{"name": "aam"}, {"name": "triplet"}],
        "device": "cpu",
        "work_dir": str(work),
    }
    return TrainEmbeddingParams(**(options | changes))


def everything(work: Path) -> TrainEmbeddingParams:
    """Return parameters under which all that a resumed run must remember matters.

    20 steps are taken of 4 epochs of 6, then 8 an epoch on train and dev.
    """
    return params(
        work,
        epochs=4,
        passes_per_epoch=2,
        subjects_per_batch=3,
        audio_budget_s=6 * 20 * 0.39,
        losses=[{"name": "triplet"}],
        validation_share=0.25,
        schedule=[{"name": "plateau", "factor": 0.5, "patience": 0}],
        optimiser="adam",
        keep_best=2,
        average_best=True,
        refit="train+dev",
        defects=["choose_by_loss", "pad_crops"],
        crops_per_subject=2,
    )


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def on_call(number: int, function: Callable[..., Any], act: Callable[..., Any]) -> Any:
    """Return the function, with `act` before its call of that number."""
    calls = 0

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            act(*args)
        return function(*args, **options)

    return wrapped


def half_written(descriptor: int) -> None:
    os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
    die()


def main(place: str, folder: Path, work: Path) -> None:
    torch.set_num_threads(1)
    made_of = corpus(folder)
    if place == "mid-epoch":  # 15 steps done, the last checkpoint at 12
        loop.train_step = on_call(16, loop.train_step, die)
    elif place == "first training":  # of epoch 3
        loop.train_step = on_call(15, loop.train_step, die)
        return done(made_of, everything(work))
    elif place == "refit":
        loop.train_step = on_call(28, loop.train_step, die)
        return done(made_of, everything(work))
    elif place == "dev scoring":  # of epoch 2, embeddings done
        dev.cosine_scores = on_call(2, dev.cosine_scores, die)
    else:  # the checkpoint of step 16, after those of 4, 8 and 12 and the weights of epoch 1
        os.fsync = on_call(5, os.fsync, half_written)
    done(made_of, params(work))


def done(made_of: Any, chosen: TrainEmbeddingParams) -> None:
    train_encoder(*made_of, chosen)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
