"""Triplet loss: each mining and distance against loops in Python."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from bodysounds.losses.mining import mine_triplets
from bodysounds.losses.options import TripletOptions
from bodysounds.losses.pairs import pair_masks
from bodysounds.losses.triplet import TripletLoss, pairwise_distances, triplet_loss

# subjects 6 and 7 have one embedding each; subjects 2k and 2k+1 share a group
LABELS = torch.tensor([0, 3, 1, 1, 2, 3, 4, 0, 5, 6, 5, 4, 0, 7, 2, 1, 3])
GROUPS = LABELS // 2
MININGS = ("hard", "semi_hard", "all")
DISTANCES = ("cosine", "euclidean", "squared_euclidean")


def embeddings(dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    made = torch.randn(len(LABELS), 5, generator=torch.Generator().manual_seed(seed))
    return made.to(dtype).requires_grad_()


def slow_distance(one: list[float], other: list[float], kind: str) -> float:
    if kind == "cosine":
        dot = sum(x * y for x, y in zip(one, other, strict=True))
        return 1 - dot / math.hypot(*one) / math.hypot(*other)
    return math.dist(one, other) ** (2 if kind == "squared_euclidean" else 1)


def slow_triplets(
    given: Tensor, labels: Tensor, groups: Tensor, mining: str, kind: str
) -> list[tuple[float, float]]:
    """(distance to positive, distance to negative), one triplet after the other."""
    rows, n = given.tolist(), len(given)
    chosen = []
    for a in range(n):
        others = [b for b in range(n) if b != a]
        near = [slow_distance(rows[a], rows[b], kind) for b in others if labels[a] == labels[b]]
        far = [slow_distance(rows[a], rows[b], kind) for b in others if groups[a] != groups[b]]
        if not near or not far:
            continue
        if mining == "hard":
            chosen.append((max(near), min(far)))
        elif mining == "all":
            chosen += product(near, far)
        else:
            for positive in near:
                further = [negative for negative in far if negative > positive]
                chosen.append((positive, min(further) if further else max(far)))
    return chosen


def slow_loss(triplets: list[tuple[float, float]], margin: float | None, mining: str) -> float:
    if margin is None:
        return sum(math.log(1 + math.exp(p - n)) for p, n in triplets) / len(triplets)
    losses = [max(0.0, margin + p - n) for p, n in triplets]
    if mining == "all":
        losses = [loss for loss in losses if loss > 0] or [0.0]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.1, 1.0, None])
def test_triplet_equals_the_slow_loop(
    dtype: torch.dtype, mining: str, distance: str, margin: float | None
) -> None:
    triplets = slow_triplets(embeddings(), LABELS, GROUPS, mining, distance)
    loss, active = triplet_loss(embeddings(dtype), LABELS, GROUPS, margin, mining, distance)
    assert loss.item() == pytest.approx(slow_loss(triplets, margin, mining), rel=1e-5)
    share = sum(n < p + (margin or 0) for p, n in triplets) / len(triplets)
    assert active.item() == pytest.approx(share)


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("seed", range(5))
def test_mining_picks_what_the_loop_picks(mining: str, seed: int) -> None:
    given = embeddings(seed=seed).detach()
    expected = slow_triplets(given, LABELS, GROUPS, mining, "euclidean")
    distances = pairwise_distances(given, "euclidean")
    picked = torch.stack(mine_triplets(distances, *pair_masks(LABELS, GROUPS), mining), dim=1)
    assert len(expected) == {"hard": 15, "semi_hard": 24, "all": 280}[mining]
    torch.testing.assert_close(
        torch.tensor(sorted(picked.tolist())), torch.tensor(sorted(expected))
    )


def test_semi_hard_by_hand() -> None:
    # two of a subject at 0 and 2, three other subjects at 1, 3 and 5
    line = torch.tensor([[0.0], [2.0], [1.0], [3.0], [5.0]])
    labels = torch.tensor([0, 0, 1, 2, 3])
    positive, negative = pair_masks(labels, labels)
    to_positive, to_negative = mine_triplets(
        torch.cdist(line, line), positive, negative, "semi_hard"
    )
    # both positives are 2 away; negatives are 1, 3, 5 away from the one, 1, 1, 3 from the other
    assert to_positive.tolist() == [2.0, 2.0]
    assert to_negative.tolist() == [3.0, 3.0]
    # without the last, the other has no negative beyond its positive: the furthest, 1 away
    left = torch.tensor([0, 1, 2, 3])
    to_negative = mine_triplets(
        torch.cdist(line[left], line[left]),
        positive[left][:, left],
        negative[left][:, left],
        "semi_hard",
    )[1]
    assert to_negative.tolist() == [3.0, 1.0]


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.5, None])
def test_triplet_gradients(mining: str, distance: str, margin: float | None) -> None:
    assert torch.autograd.gradcheck(
        lambda e: triplet_loss(e, LABELS, GROUPS, margin, mining, distance)[0], (embeddings(),)
    )


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_coincident_embeddings_have_finite_gradients(mining: str, distance: str) -> None:
    for collapsed in (torch.zeros(17, 5), torch.ones(17, 5)):
        given = collapsed.requires_grad_()
        loss, active = triplet_loss(given, LABELS, GROUPS, 1.0, mining, distance)
        loss.backward()
        assert loss.item() == pytest.approx(1.0)  # the margin, for each triplet
        assert active.item() == 1
        assert torch.isfinite(given.grad).all()


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean"])
def test_close_embeddings_far_from_the_origin_keep_their_distance(distance: str) -> None:
    far = torch.full((40, 8), 100.0)
    far[1, 0] += 0.125
    expected = 0.125 if distance == "euclidean" else 0.125**2
    assert pairwise_distances(far, distance)[0, 1].item() == expected


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        (torch.arange(17), torch.arange(17)),  # no positive
        (LABELS, torch.zeros(17, dtype=torch.int64)),  # no negative
        (torch.zeros(17, dtype=torch.int64), torch.arange(17)),  # one subject in several groups
    ],
)
def test_triplet_without_triplets_is_a_zero_with_gradients(
    labels: Tensor, groups: Tensor, mining: str
) -> None:
    given = embeddings()
    loss, active = triplet_loss(given, labels, groups, 0.3, mining)
    loss.backward()
    assert loss.item() == active.item() == 0
    assert torch.equal(given.grad, torch.zeros_like(given))


def test_all_with_nothing_left_to_learn_is_zero() -> None:
    given = torch.tensor([[0.0, 1.0], [0.0, 2.0], [9.0, 0.0], [8.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    loss, active = triplet_loss(given, labels, labels, 0.3, "all")
    loss.backward()
    assert loss.item() == active.item() == 0
    assert torch.equal(given.grad, torch.zeros_like(given))


@pytest.mark.parametrize("mining", MININGS)
def test_group_mates_are_no_negatives(mining: str) -> None:
    # subject 1 shares the group of subject 0: wherever it lies, nothing changes there
    labels = torch.tensor([0, 0, 1, 2, 2])
    groups = torch.tensor([0, 0, 0, 1, 1])
    positive, negative = (mask[:3] for mask in pair_masks(labels, groups))
    given = embeddings()[:5].detach()
    distances = pairwise_distances(given, "cosine")[:3]
    expected = mine_triplets(distances, positive, negative, mining)
    given[2] = given[0]
    distances = pairwise_distances(given, "cosine")[:3]
    got = mine_triplets(distances, positive, negative, mining)
    assert torch.equal(torch.stack(got), torch.stack(expected))


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_triplet_ignores_order_and_cosine_ignores_length(mining: str, distance: str) -> None:
    given = embeddings()
    order = torch.randperm(17, generator=torch.Generator().manual_seed(1))
    expected = triplet_loss(given, LABELS, GROUPS, 0.5, mining, distance)[0]
    shuffled = triplet_loss(given[order], LABELS[order], GROUPS[order], 0.5, mining, distance)[0]
    assert torch.isclose(shuffled, expected)
    lengths = torch.linspace(0.1, 9.0, 17, dtype=torch.float64)[:, None]
    longer = triplet_loss(given * lengths, LABELS, GROUPS, 0.5, mining, distance)[0]
    assert torch.isclose(longer, expected).item() == (distance == "cosine")


@pytest.mark.parametrize("mining", MININGS)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.5, None])
def test_a_nan_is_not_hidden(mining: str, distance: str, margin: float | None) -> None:
    given = embeddings().detach().clone()
    given[3, 1] = math.nan
    assert triplet_loss(given, LABELS, GROUPS, margin, mining, distance)[0].isnan()


def test_the_module_passes_its_options_on() -> None:
    given = embeddings()
    for options, margin in (
        (TripletOptions("semi_hard", 0.7, distance="euclidean"), 0.7),
        (TripletOptions("semi_hard", soft=True, distance="euclidean"), None),
    ):
        loss, figures = TripletLoss(options)(given, LABELS, GROUPS)
        expected, active = triplet_loss(given, LABELS, GROUPS, margin, "semi_hard", "euclidean")
        assert torch.equal(loss, expected)
        assert torch.equal(figures["active"], active)


def test_what_is_unknown_or_does_not_fit_is_named() -> None:
    given = embeddings()
    with pytest.raises(ValueError, match="hard, semi_hard, all, got 'easy'"):
        triplet_loss(given, LABELS, GROUPS, 0.3, "easy")
    with pytest.raises(ValueError, match="squared_euclidean, got 'l1'"):
        triplet_loss(given, LABELS, GROUPS, 0.3, "hard", "l1")
    with pytest.raises(ValueError, match=r"got shapes \(17, 5\), \(17,\) and \(1,\)"):
        triplet_loss(given, LABELS, GROUPS[:1], 0.3)
    with pytest.raises(ValueError, match=r"n at least 1, got shapes \(0, 5\)"):
        triplet_loss(given[:0], LABELS[:0], GROUPS[:0], 0.3)
