"""The supervised contrastive loss against a loop over its formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bodysounds.losses.options import SupconOptions
from bodysounds.losses.supcon import SupervisedContrastive, supcon

LABELS = torch.tensor([0, 3, 1, 1, 2, 3, 4, 0, 2, 0, 5])  # 4 and 5 stand alone
GROUPS = torch.tensor([0, 1, 0, 0, 1, 1, 2, 0, 1, 0, 3])


def embeddings(dtype: torch.dtype = torch.float64) -> Tensor:
    made = torch.randn(len(LABELS), 4, generator=torch.Generator().manual_seed(0))
    return made.to(dtype).requires_grad_()


def slow_supcon(given: Tensor, labels: Tensor, groups: Tensor, temperature: float) -> float:
    rows, n = given.tolist(), len(given)

    def similarity(i: int, j: int) -> float:
        dot = sum(x * y for x, y in zip(rows[i], rows[j], strict=True))
        return math.exp(dot / math.hypot(*rows[i]) / math.hypot(*rows[j]) / temperature)

    losses = []
    for i in range(n):
        positives = [p for p in range(n) if p != i and labels[p] == labels[i]]
        negatives = [a for a in range(n) if labels[a] != labels[i] and groups[a] != groups[i]]
        if positives:
            everyone = sum(similarity(i, a) for a in positives + negatives)
            terms = [math.log(similarity(i, p) / everyone) for p in positives]
            losses.append(-sum(terms) / len(positives))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [0.05, 0.07, 1.0])
@pytest.mark.parametrize("groups", [LABELS, GROUPS])
def test_supcon_equals_the_slow_loop(
    dtype: torch.dtype, temperature: float, groups: Tensor
) -> None:
    expected = slow_supcon(embeddings(), LABELS, groups, temperature)
    got = supcon(embeddings(dtype), LABELS, groups, temperature)
    assert got.item() == pytest.approx(expected, rel=1e-5)


def test_with_one_positive_each_it_is_a_cross_entropy_over_the_others() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    unit = functional.normalize(embeddings()[:6])
    logits = (unit @ unit.T / 0.1).fill_diagonal_(-torch.inf)
    expected = functional.cross_entropy(logits, torch.tensor([1, 0, 3, 2, 5, 4]))
    assert torch.isclose(supcon(embeddings()[:6], labels, labels, 0.1), expected)


def test_coincident_embeddings_cost_the_logarithm_of_their_number() -> None:
    given = torch.ones(11, 4, requires_grad=True)
    loss = supcon(given, LABELS, LABELS, 0.07)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(10))  # ten others, all alike
    assert torch.isfinite(given.grad).all()


def test_of_one_class_alone_all_others_are_positives() -> None:
    one = torch.zeros_like(LABELS)
    expected = slow_supcon(embeddings(), one, one, 0.1)
    assert supcon(embeddings(), one, one, 0.1).item() == pytest.approx(expected, rel=1e-9)
    assert expected > math.log(10)  # no less than where all coincide
    same = torch.ones(11, 4, dtype=torch.float64, requires_grad=True)
    supcon(same, one, one, 0.1).backward()
    torch.testing.assert_close(same.grad, torch.zeros_like(same), rtol=0, atol=1e-12)


def test_a_view_of_an_item_is_its_positive() -> None:
    """Items that stand alone count once each of them is there twice, as in the published code."""
    views = torch.cat([embeddings()[:4], embeddings()[4:8]])
    labels = torch.arange(4).repeat(2)
    unit = functional.normalize(views)
    logits = (unit @ unit.T / 0.06).fill_diagonal_(-torch.inf)
    expected = functional.cross_entropy(logits, torch.tensor([4, 5, 6, 7, 0, 1, 2, 3]))
    assert torch.isclose(supcon(views, labels, labels, 0.06), expected)


ONE_CLASS = torch.zeros_like(LABELS)


@pytest.mark.parametrize("labels", [LABELS, ONE_CLASS, torch.arange(11)])
def test_supcon_gradients_of_any_labels(labels: Tensor) -> None:
    assert torch.autograd.gradcheck(lambda e: supcon(e, labels, labels, 0.06), (embeddings(),))


@pytest.mark.parametrize("groups", [LABELS, GROUPS, torch.zeros_like(LABELS)])
def test_supcon_gradients(groups: Tensor) -> None:
    assert torch.autograd.gradcheck(lambda e: supcon(e, LABELS, groups, 0.5), (embeddings(),))


def test_supcon_ignores_order_and_length() -> None:
    given = embeddings()
    expected = supcon(given, LABELS, GROUPS)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    assert torch.isclose(supcon(given[order], LABELS[order], GROUPS[order]), expected)
    lengths = torch.linspace(0.1, 9.0, 11, dtype=torch.float64)[:, None]
    assert torch.isclose(supcon(given * lengths, LABELS, GROUPS), expected)


def test_group_mates_do_not_push_each_other() -> None:
    given = embeddings()
    labels = torch.tensor([0, 0, 1])
    supcon(given[:3], labels, torch.tensor([0, 0, 0]), 0.1).backward()
    assert torch.equal(given.grad[2], torch.zeros(4, dtype=torch.float64))
    given.grad = None
    supcon(given[:3], labels, labels, 0.1).backward()
    assert (given.grad[2] != 0).any()


def test_without_positives_it_is_a_zero_with_gradients() -> None:
    given = embeddings()
    loss = supcon(given, torch.arange(11), torch.arange(11))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(given.grad, torch.zeros_like(given))


def test_the_module_has_the_temperature_of_its_options() -> None:
    loss, figures = SupervisedContrastive(SupconOptions(0.3))(embeddings(), LABELS, GROUPS)
    assert torch.equal(loss, supcon(embeddings(), LABELS, GROUPS, 0.3))
    assert figures == {}


def test_what_makes_no_sense_is_named() -> None:
    with pytest.raises(ValueError, match="temperature must be above 0, got 0"):
        supcon(embeddings(), LABELS, GROUPS, 0)
    with pytest.raises(ValueError, match=r"got shapes \(11, 4\), \(10,\) and \(11,\)"):
        supcon(embeddings(), LABELS[1:], GROUPS)
    given = embeddings().detach().clone()
    given[0, 0] = math.nan
    assert supcon(given, LABELS, GROUPS).isnan()
