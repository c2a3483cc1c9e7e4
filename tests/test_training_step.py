"""The step waits for nothing: not on a GPU for figures, nor anywhere for a finite loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from bodysounds.training import meter, step
from bodysounds.training.meter import Meter
from bodysounds.training.resident import put
from bodysounds.training.run import Training
from bodysounds.training.setup import OPTIMISERS, Given, set_up
from bodysounds.training.state import State

pytestmark = pytest.mark.usefixtures("one_thread")
CUDA = torch.device("cuda")
LOSSES = [{"name": "aam", "margin_schedule": [0.1, 0.5]}, {"name": "triplet"}]
AUGMENT = [{"name": name} for name in ("tilt", "noise", "spec_augment")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 8, "dev": 4})


def training(corpus: Any, folder: Path, **changes: Any) -> Training:
    # torch offers bf16 on GPUs that are there alone
    options = {
        "augment": AUGMENT, "losses": LOSSES, "channels": 16, "precision": "float32", **changes
    }  # fmt: skip
    run, _ = set_up(Given(*corpus, made.small_training(folder, **options), None))
    step.train_mode(run)
    return run


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tensors that say they are on a GPU and hold nothing: whatever asks for a value is refused."""
    monkeypatch.setattr(torch, "Generator", lambda device: torch._C.Generator())
    # autograd would look for the GPU
    monkeypatch.setattr(torch.autograd, "backward", lambda loss: None)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def on_fake_gpu(run: Training) -> Training:
    for part in (run.module, run.losses):
        for module in part.modules():
            for name, weight in module._parameters.items():
                if weight is not None:
                    fake = torch.empty(weight.shape, device=CUDA)
                    module._parameters[name] = nn.Parameter(fake, weight.requires_grad)
            for name, held in module._buffers.items():
                if held is not None:
                    module._buffers[name] = torch.empty(held.shape, dtype=held.dtype, device=CUDA)
    weights = [*run.module.parameters(), *run.losses.parameters()]
    optimiser = OPTIMISERS["adamw"]([{"params": weights, "share": 1.0}], fused=True)
    return replace(run, device=CUDA, optimiser=optimiser)


@pytest.mark.parametrize("resident", [False, True])
@pytest.mark.parametrize("changes", [{}, {"speeds": [0.9, 1.0]}, {"front_end": "kaldi"}])
def test_nothing_in_a_step_on_a_gpu_waits_for_it(
    corpus: Any, tmp_path: Path, changes: dict[str, Any], resident: bool,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    run = training(corpus, tmp_path, **changes)
    if resident:
        run = replace(run, resident=put(run.packed, torch.device("cpu")))
    loaded = step.load(run, run.plan(0)[0], step.crop_draws(run, 0, 0))
    # made here, where tensors are real; the first call of a speed makes its filter
    step.train_step(run, loaded, State())
    request.getfixturevalue("fake_gpu")
    run = on_fake_gpu(run)
    if resident:
        run = replace(run, resident=torch.empty(len(run.packed.samples), dtype=torch.int16,
                                                device=CUDA))  # fmt: skip
    figures = step.train_step(run, loaded, State())
    assert {"loss", "loss_aam", "loss_triplet", "train_accuracy", "train_active"} <= set(figures)
    assert all(value.device.type == "cuda" for value in figures.values())


def test_such_a_step_would_tell(corpus: Any, tmp_path: Path, request: Any) -> None:
    """Semi-hard mining counts its triplets, for which the host waits."""
    run = training(corpus, tmp_path, losses=[{"name": "triplet", "mining": "semi_hard"}])
    loaded = step.load(run, run.plan(0)[0], step.crop_draws(run, 0, 0))
    request.getfixturevalue("fake_gpu")
    run = on_fake_gpu(run)
    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        step.train_step(run, loaded, State())


def test_pieces_that_are_sent_are_few(corpus: Any, tmp_path: Path) -> None:
    run = training(corpus, tmp_path)
    read = step.load(run, run.plan(0)[0], step.crop_draws(run, 0, 0))
    held = replace(run, resident=put(run.packed, torch.device("cpu")))
    placed = step.load(held, run.plan(0)[0], step.crop_draws(run, 0, 0))
    assert placed.content.dtype == torch.int64
    assert placed.content.numel() < read.content.numel() / 100
    assert torch.equal(step.waveforms_of(held, placed), step.waveforms_of(run, read))


def counted(state: State, figures: list[dict[str, float]], every: int, run: Any) -> Meter:
    one = Meter(torch.device("cpu"))
    one.every = every
    for row in figures:
        one.add({name: torch.tensor(value) for name, value in row.items()}, 7)
        if one.is_full:
            one.read(run, state)
        state.count(7, 0, 0.0)
    return one


def test_figures_read_late_are_summed_as_if_at_once(corpus: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    figures = [{"loss": float(x), "other": float(x) ** 2} for x in rng.random(12, np.float32)]
    run = training(corpus, tmp_path)
    sums = []
    for every in (1, 4, 6):
        state = State()
        one = counted(state, figures, every, run)
        assert one.loss == figures[-1]["loss"]
        sums.append(state.sums)
    assert sums[0] == sums[1] == sums[2]
    assert sums[0]["loss"] == pytest.approx(7 * sum(row["loss"] for row in figures))
    assert Meter(torch.device("cuda")).every == meter.READ_EVERY > 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("every", [1, 5])
def test_a_loss_read_late_names_the_step_that_had_it(
    corpus: Any, tmp_path: Path, bad: float, every: int
) -> None:
    figures = [{"loss": 1.0}] * 10
    figures[6] = figures[8] = {"loss": bad}
    state = State(epoch=2, step=40)
    said = f"the loss is {bad} at epoch 3, step 47: lower train_embedding.learning_rate"
    with pytest.raises(ValueError, match=said):
        counted(state, figures, every, training(corpus, tmp_path))


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_fused_optimiser_moves_weights_as_the_plain_one(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=rng) for shape in ((64, 80, 5), (64,), (7, 32))]
    both = []
    for fused in (True, False):
        weights = [nn.Parameter(one.clone()) for one in start]
        optimiser = OPTIMISERS[name](weights, lr=1e-2, weight_decay=1e-2, fused=fused)
        gradients = torch.Generator().manual_seed(1)
        for _ in range(20):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=gradients)
            optimiser.step()
        both.append(weights)
    for fused_weight, weight, before in zip(*both, start, strict=True):
        torch.testing.assert_close(fused_weight, weight, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(weight, before, atol=1e-2)
