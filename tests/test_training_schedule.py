"""The learning rate: each schedule against an independent account of it."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from speechbrain.nnet.schedulers import CyclicLRScheduler

from bodysounds.params import TrainEmbeddingParams
from bodysounds.training.schedule import cyclic, learning_rate, plateau, warmup_cosine


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [warmup_cosine(step, 100, 0.5, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.05 * k for k in range(1, 11)])
    assert rates[10] == 0.5
    assert rates[55] == pytest.approx(0.25)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert 0 < rates[-1] < 1e-3
    assert warmup_cosine(0, 1, 0.5, 0.0) == 0.5
    with pytest.raises(ValueError, match=r"step must lie in \[0, 5\), got 5"):
        warmup_cosine(5, 5, 0.5, 0.1)


@pytest.mark.parametrize("step_size", [1, 4, 100])
def test_cyclic_is_that_of_speechbrain(step_size: int) -> None:
    theirs = CyclicLRScheduler(base_lr=1e-8, max_lr=1e-4, step_size=step_size)
    ours = [cyclic(step, 1e-8, 1e-4, step_size) for step in range(450)]
    assert ours == pytest.approx([theirs.clr(step + 1) for step in range(450)], rel=1e-9, abs=1e-18)
    assert max(ours) == pytest.approx(1e-4)


def test_plateau_is_that_of_torch() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        figures = list(1 + 0.03 * rng.standard_normal(80) + np.linspace(1, 0, 80) ** 3)
        figures[40:50] = [figures[39]] * 10  # equal is not better
        weight = torch.nn.Parameter(torch.zeros(1))
        optimiser = torch.optim.Adam([weight], lr=1e-3)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=3)
        for done, figure in enumerate(figures, start=1):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs.step(figure)
            ours = plateau(figures[:done], 1e-3, 0.5, 3)
            assert ours == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        assert ours < 1e-3
    assert plateau([], 1e-3, 0.5, 8) == 1e-3


def test_a_schedule_is_called_by_name() -> None:
    def rates(stretch: float = 1.0, **spec: Any) -> list[float]:
        return [learning_rate(spec, step, 20, 0.1, [1.0, 2.0], stretch) for step in range(20)]

    assert rates(name="constant") == [0.1] * 20
    assert rates(name="plateau", factor=0.5, patience=0) == [0.05] * 20
    cosine = rates(name="warmup_cosine", warmup_share=0.5)
    assert cosine == [warmup_cosine(step, 20, 0.1, 0.5) for step in range(20)]
    once = rates(name="cyclic", base_lr=0.0, step_size=5)
    assert int(np.argmax(once)) == 4
    assert int(np.argmax(rates(2.0, name="cyclic", base_lr=0.0, step_size=5))) == 9


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ([], "a list of one of warmup_cosine, cyclic, plateau, step, constant"),
        ([{"name": "constant"}] * 2, "a list of one of"),
        ({"name": "constant"}, "a list of one of"),
        ([{"name": "linear"}], "must be one of .* got 'linear'"),
        ([{"name": "cyclic", "base_lr": 0.0}], "takes base_lr, step_size, got base_lr"),
        ([{"name": "constant", "factor": 0.5}], "takes no option, got factor"),
        ([{"name": "cyclic", "base_lr": 0.1, "step_size": 9}], r"base_lr must lie in \[0, 0.001\]"),
        ([{"name": "cyclic", "base_lr": 0.0, "step_size": 0}], "step_size must lie in steps"),
        ([{"name": "plateau", "factor": 1.0, "patience": 8}], r"factor must lie in \(0, 1\)"),
        ([{"name": "plateau", "factor": 0.5, "patience": "8"}], "patience must lie in .* got '8'"),
        ([{"name": "warmup_cosine", "warmup_share": math.nan}], "warmup_share must lie in"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(schedule: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainEmbeddingParams(schedule=schedule)
