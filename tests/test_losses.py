"""Losses against slow and obvious versions of themselves."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from bodysounds.losses.aam import AamSoftmax, aam_softmax
from bodysounds.losses.build import build_losses
from bodysounds.losses.triplet import batch_hard_triplet

LABELS = torch.tensor([0, 0, 1, 1, 2, 3])
GROUPS = torch.tensor([0, 0, 1, 1, 1, 2])


def embeddings(dtype: torch.dtype = torch.float64, dim: int = 5) -> Tensor:
    made = torch.randn(len(LABELS), dim, generator=torch.Generator().manual_seed(0))
    return made.to(dtype).requires_grad_()


def slow_aam(cosines: Tensor, labels: Tensor, margin: float, scale: float, mask: Tensor) -> float:
    total = 0.0
    for row, label, allowed in zip(cosines.tolist(), labels.tolist(), mask.tolist(), strict=True):
        angle = math.acos(row[label])
        if angle + margin < math.pi:
            own = math.cos(angle + margin)
        else:
            own = row[label] - margin * math.sin(margin)
        rivals = [c for k, c in enumerate(row) if k != label and allowed[k]]
        weights = [math.exp(scale * value) for value in (own, *rivals)]
        total -= math.log(weights[0] / sum(weights))
    return total / len(labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("margin", "scale"), [(0.0, 1.0), (0.2, 30.0), (0.5, 10.0)])
@pytest.mark.parametrize("masked", [False, True])
def test_aam_equals_the_slow_loop(
    dtype: torch.dtype, margin: float, scale: float, masked: bool
) -> None:
    drawn = torch.rand(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cosines = (2 * drawn - 1).to(dtype)
    cosines[0, 0] = -0.99  # the margin would carry this angle beyond pi
    mask = torch.ones(6, 4, dtype=torch.bool)
    if masked:
        mask[torch.arange(6), (LABELS + 1) % 4] = False
        mask[torch.arange(6), LABELS] = False  # the own class counts all the same
    expected = slow_aam(cosines, LABELS, margin, scale, mask)
    got = aam_softmax(cosines, LABELS, margin, scale, mask if masked else None)
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_aam_gradients() -> None:
    cosines = torch.linspace(-0.9, 0.9, 24, dtype=torch.float64).reshape(6, 4).requires_grad_()
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[0, 2] = False
    assert torch.autograd.gradcheck(lambda c: aam_softmax(c, LABELS, 0.2, 10.0, mask), (cosines,))


@pytest.mark.parametrize("value", [1.0, -1.0, 1.0000001, -1.0000001])
def test_aam_is_finite_at_the_ends(value: float) -> None:
    cosines = torch.full((6, 4), value, requires_grad=True)
    loss = aam_softmax(cosines, LABELS, 0.2, 30.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(cosines.grad).all()


def test_aam_without_rivals_is_zero() -> None:
    cosines = torch.zeros(6, 4, requires_grad=True)
    loss = aam_softmax(cosines, LABELS, 0.2, 30.0, torch.zeros(6, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(cosines.grad, torch.zeros(6, 4))


def test_classes_of_one_group_do_not_push_each_other() -> None:
    module = AamSoftmax(torch.tensor([0, 1, 1, 2]), dim=5, seed=0)
    given = embeddings(torch.float32)
    loss, figures = module(given[2:3], LABELS[2:3], GROUPS[2:3])
    loss.backward()
    assert torch.equal(module.weight.grad[2], torch.zeros(5))
    assert (module.weight.grad[[0, 1, 3]] != 0).any(dim=1).all()
    assert figures["accuracy"] in (0.0, 1.0)


def test_aam_weights_follow_the_seed_alone() -> None:
    groups = torch.arange(4)
    first, again, other = (AamSoftmax(groups, 5, seed).weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def slow_triplet(given: Tensor, labels: Tensor, groups: Tensor, margin: float) -> list[float]:
    unit = [[x / math.hypot(*row) for x in row] for row in given.tolist()]

    def distance(a: int, b: int) -> float:
        return 1 - sum(x * y for x, y in zip(unit[a], unit[b], strict=True))

    losses = []
    for a in range(len(unit)):
        others = [b for b in range(len(unit)) if b != a]
        positives = [distance(a, b) for b in others if labels[a] == labels[b]]
        negatives = [distance(a, b) for b in others if groups[a] != groups[b]]
        if positives and negatives:
            losses.append(max(0.0, margin + max(positives) - min(negatives)))
    return losses


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("margin", [0.1, 0.3, 1.0])
def test_triplet_equals_the_slow_loop(dtype: torch.dtype, margin: float) -> None:
    losses = slow_triplet(embeddings(), LABELS, GROUPS, margin)
    assert len(losses) == 4  # subjects 2 and 3 have one embedding each
    loss, active = batch_hard_triplet(embeddings(dtype), LABELS, GROUPS, margin)
    assert loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert active.item() == pytest.approx(sum(value > 0 for value in losses) / len(losses))


def test_triplet_gradients() -> None:
    assert torch.autograd.gradcheck(
        lambda e: batch_hard_triplet(e, LABELS, GROUPS, 1.0)[0], (embeddings(),)
    )


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (torch.arange(6), torch.arange(6)),  # no positive
        (LABELS, torch.zeros(6, dtype=torch.int64)),  # no negative
    ],
)
def test_triplet_without_triplets_is_a_zero_with_gradients(labels: Tensor, groups: Tensor) -> None:
    given = embeddings()
    loss, active = batch_hard_triplet(given, labels, groups, 0.3)
    loss.backward()
    assert loss.item() == active.item() == 0
    assert torch.equal(given.grad, torch.zeros_like(given))


def test_the_sum_is_weighted_and_its_parts_are_told() -> None:
    specs = [{"name": "aam", "weight": 0.5, "scale": 10.0}, {"name": "triplet", "weight": 2}]
    losses = build_losses(specs, torch.tensor([0, 1, 1, 2]), dim=5, seed=0)
    total, parts = losses(embeddings(torch.float32), LABELS, GROUPS)
    assert total.item() == pytest.approx(
        0.5 * float(parts["loss_aam"]) + 2 * float(parts["loss_triplet"])
    )
    assert set(parts) == {"loss_aam", "loss_triplet", "train_accuracy", "train_active"}


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([{"name": "center"}], "one of aam, triplet, got 'center'"),
        ([{"name": "aam", "marign": 1}], "aam has no option 'marign': it has weight, margin"),
        ([{"name": "triplet"}, {"name": "triplet"}], "triplet is named twice"),
        ([{"name": "triplet", "weight": 0}], "weight must be above 0, got 0"),
        ([{"name": "aam", "margin": "big"}], "margin must be a number, got 'big'"),
        ([{"name": "aam", "margin": 2.0}], r"margin must lie in \[0, pi/2\)"),
        ([{"name": "aam", "scale": 0}], "scale must be above 0"),
        ([{"name": "triplet", "margin": 0}], r"margin must lie in \(0, 2\]"),
    ],
)
def test_options_are_checked_by_name(specs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_losses(specs, torch.arange(4), dim=5, seed=0)
