"""Contrastive-center loss: the paper's formula by slow loops, gradients, what moves it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from bodysounds.losses.contrastive_center import ContrastiveCenter, contrastive_center_loss

N_CLASSES, DIM = 4, 3


def batch(seed: int = 0, n: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn((n, DIM), generator=generator, dtype=torch.float64)
    labels = torch.randint(0, N_CLASSES, (n,), generator=generator)
    centers = torch.randn((N_CLASSES, DIM), generator=generator, dtype=torch.float64)
    return embeddings, labels, centers


def slow(x: np.ndarray, y: np.ndarray, c: np.ndarray, delta: float) -> float:
    """Qi and Su 2017, equation 4, term by term."""
    total = 0.0
    for i in range(len(x)):
        own = sum((x[i, k] - c[y[i], k]) ** 2 for k in range(x.shape[1]))
        others = 0.0
        for j in range(len(c)):
            if j != y[i]:
                others += sum((x[i, k] - c[j, k]) ** 2 for k in range(x.shape[1]))
        total += own / (others + delta)
    return 0.5 * total


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("delta", [1.0, 1e-6, 3.5])
def test_it_is_the_formula_of_the_paper(seed: int, delta: float) -> None:
    x, y, c = batch(seed)
    expected = slow(x.numpy(), y.numpy(), c.numpy(), delta)
    assert float(contrastive_center_loss(x, y, c, delta)) == pytest.approx(expected, rel=1e-12)
    mean = contrastive_center_loss(x, y, c, delta, reduction="mean")
    assert float(mean) == pytest.approx(expected / len(x), rel=1e-12)
    if delta == 1.0:
        assert float(contrastive_center_loss(x, y, c)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ratio", ["item", "batch"])
def test_gradients(ratio: str) -> None:
    x, y, c = batch(1)
    x.requires_grad_()
    c.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: contrastive_center_loss(a, y, b, ratio=ratio), (x, c)
    )


def test_gradients_are_finite_on_a_centre() -> None:
    x, y, c = batch(2)
    x = c[y].clone().requires_grad_()
    loss = contrastive_center_loss(x, y, c)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_the_published_code_is_smaller_by_far() -> None:
    """One quotient a batch: near 2e-4 for 200 speakers and batches of 64, as was published."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((64, 512), generator=generator) * 2
    y = torch.randint(0, 200, (64,), generator=generator)
    module = ContrastiveCenter(200, 512, seed=0, delta=1e-6, ratio="batch")
    with torch.no_grad():
        published = float(module(x, y))
        paper = float(contrastive_center_loss(x, y, module.centers, 1e-6))
        distances = ((x[:, None] - module.centers[None]) ** 2).sum(dim=2)
    own = sum(float(distances[i, y[i]]) for i in range(64))
    assert published == pytest.approx(
        1 / (2 * 64) * own / (float(distances.sum()) - own) / 0.1, rel=1e-4
    )
    assert 0.55 * published == pytest.approx(2e-4, rel=0.25)
    assert paper == pytest.approx(published * 64**2 / 10, rel=0.05)


def test_what_does_not_change_it() -> None:
    x, y, c = batch(3)
    loss = contrastive_center_loss(x, y, c)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    turned = torch.linalg.qr(batch(9)[0][:DIM, :DIM]).Q
    renamed = torch.tensor([2, 0, 3, 1])
    moved = torch.zeros_like(c)
    moved[renamed] = c
    for other in (
        contrastive_center_loss(x[order], y[order], c),
        contrastive_center_loss(x + 5.0, y, c + 5.0),
        contrastive_center_loss(x @ turned, y, c @ turned),
        contrastive_center_loss(x, renamed[y], moved),
        contrastive_center_loss(3.0 * x, y, 3.0 * c, delta=9.0),
    ):
        torch.testing.assert_close(other, loss)


def test_a_step_goes_towards_the_own_centre_and_from_the_others() -> None:
    module = ContrastiveCenter(N_CLASSES, DIM, seed=0)
    x, y, _ = batch(4)
    x = x.float().requires_grad_()
    optimiser = torch.optim.SGD([x, module.centers], lr=0.5)
    before = module(x, y)
    for _ in range(100):
        optimiser.zero_grad()
        module(x, y).backward()
        optimiser.step()
    assert float(module(x, y).detach()) < 0.5 * float(before.detach())
    same = ContrastiveCenter(N_CLASSES, DIM, seed=0)
    assert torch.equal(same.centers, ContrastiveCenter(N_CLASSES, DIM, seed=0).centers)
    assert not torch.equal(same.centers, ContrastiveCenter(N_CLASSES, DIM, seed=1).centers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.tensor([0, 4])}, "classes 0 to 3, got labels 0 to 4"),
        ({"labels": torch.tensor([0, -1])}, "got labels -1 to 0"),
        ({"labels": torch.tensor([0])}, "got shapes"),
        ({"centers": torch.zeros(4, 2)}, "got shapes"),
        ({"centers": torch.zeros(1, 3)}, "at least two classes, got 1"),
        ({"embeddings": torch.zeros(0, 3), "labels": torch.zeros(0).long()}, "got shapes"),
        ({"delta": 0.0}, "must be above 0, got 0.0"),
        ({"reduction": "max"}, "got 'max'"),
        ({"ratio": "class"}, "'class'"),
    ],
)
def test_wrong_values_are_named(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "embeddings": torch.zeros(2, 3),
        "labels": torch.tensor([0, 1]),
        "centers": torch.ones(4, 3),
    }
    with pytest.raises(ValueError, match=message):
        contrastive_center_loss(**(good | change))  # type: ignore[arg-type]
