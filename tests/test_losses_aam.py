"""AAM-softmax against a slow loop, against SpeechBrain's, and its options one by one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from conftest import forget_lazy_modules
from torch import Tensor
from torch.nn import functional

from bodysounds.losses.aam import AamSoftmax, aam_softmax, scheduled_margin
from bodysounds.losses.options import AamOptions

LABELS = torch.tensor([0, 0, 1, 1, 2, 3])
GROUPS = torch.tensor([0, 0, 1, 1, 1, 2])
CLASS_GROUPS = torch.tensor([0, 1, 1, 2])


def embeddings(dtype: torch.dtype = torch.float64, dim: int = 5) -> Tensor:
    made = torch.randn(len(LABELS), dim, generator=torch.Generator().manual_seed(0))
    return made.to(dtype).requires_grad_()


def some_cosines(dtype: torch.dtype = torch.float64) -> Tensor:
    drawn = torch.rand(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cosines = 2 * drawn - 1
    cosines[0, 0] = -0.99  # the margin would carry this angle beyond pi
    return cosines.to(dtype)


def some_mask() -> Tensor:
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[torch.arange(6), (LABELS + 1) % 4] = False
    mask[torch.arange(6), LABELS] = False  # the own class counts all the same
    return mask


def slow_aam(
    cosines: Tensor, labels: Tensor, margin: float, scale: float, mask: Tensor, smoothing: float
) -> float:
    total = 0.0
    for row, label, allowed in zip(cosines.tolist(), labels.tolist(), mask.tolist(), strict=True):
        angle = math.acos(row[label])
        if angle + margin < math.pi:
            own = math.cos(angle + margin)
        else:
            own = row[label] - margin * math.sin(margin)
        rivals = [c for k, c in enumerate(row) if k != label and allowed[k]]
        weights = [math.exp(scale * value) for value in (own, *rivals)]
        shares = [1 - smoothing + smoothing / len(weights)]
        shares += [smoothing / len(weights)] * len(rivals)
        for share, weight in zip(shares, weights, strict=True):
            total -= share * math.log(weight / sum(weights))
    return total / len(labels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("margin", "scale"), [(0.0, 1.0), (0.2, 30.0), (0.5, 10.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("masked", [False, True])
def test_aam_equals_the_slow_loop(
    dtype: torch.dtype, margin: float, scale: float, smoothing: float, masked: bool
) -> None:
    cosines = some_cosines(dtype)
    mask = some_mask() if masked else torch.ones(6, 4, dtype=torch.bool)
    expected = slow_aam(cosines, LABELS, margin, scale, mask, smoothing)
    got = aam_softmax(cosines, LABELS, margin, scale, mask if masked else None, smoothing)
    assert got.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("margin", "scale"), [(0.0, 1.0), (0.2, 30.0), (0.5, 10.0)])
def test_aam_equals_speechbrain(margin: float, scale: float) -> None:
    import bodysounds._speechbrain  # noqa: F401

    try:
        from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper

        theirs = LogSoftmaxWrapper(AdditiveAngularMargin(margin, scale))
        cosines = some_cosines(torch.float32)
        expected = theirs(cosines[:, None], LABELS[:, None])
    finally:
        forget_lazy_modules()
    assert aam_softmax(cosines, LABELS, margin, scale).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_smoothing_equals_torch_where_every_class_counts() -> None:
    cosines = some_cosines()
    expected = functional.cross_entropy(10 * cosines, LABELS, label_smoothing=0.2)
    assert torch.isclose(aam_softmax(cosines, LABELS, 0.0, 10.0, None, 0.2), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_aam_gradients(smoothing: float) -> None:
    cosines = torch.linspace(-0.9, 0.9, 24, dtype=torch.float64).reshape(6, 4).requires_grad_()
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[0, 2] = False
    assert torch.autograd.gradcheck(
        lambda c: aam_softmax(c, LABELS, 0.2, 10.0, mask, smoothing), (cosines,)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("value", [1.0, -1.0, 1.0000001, -1.0000001])
def test_aam_is_finite_at_the_ends(value: float, smoothing: float) -> None:
    cosines = torch.full((6, 4), value, requires_grad=True)
    loss = aam_softmax(cosines, LABELS, 0.2, 30.0, some_mask(), smoothing)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(cosines.grad).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_aam_without_rivals_is_zero(smoothing: float) -> None:
    cosines = torch.zeros(6, 4, requires_grad=True)
    loss = aam_softmax(cosines, LABELS, 0.2, 30.0, torch.zeros(6, 4, dtype=torch.bool), smoothing)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(cosines.grad, torch.zeros(6, 4))


@pytest.mark.parametrize("options", [{}, {"subcenters": 3}, {"label_smoothing": 0.2}])
def test_classes_of_one_group_do_not_push_each_other(options: dict[str, Any]) -> None:
    module = AamSoftmax(CLASS_GROUPS, dim=5, seed=0, options=AamOptions(**options))
    loss, figures = module(embeddings(torch.float32)[2:3], LABELS[2:3], GROUPS[2:3])
    loss.backward()
    moved = (module.weight.grad != 0).any(dim=1).reshape(4, -1)
    assert moved.any(dim=1).tolist() == [True, True, False, True]
    assert figures["accuracy"] in (0.0, 1.0)


def test_accuracy_leaves_out_the_classes_of_the_own_group() -> None:
    module = AamSoftmax(CLASS_GROUPS, dim=4, seed=0)
    module.weight.data = torch.eye(4)
    given = torch.tensor([[0.0, 0.5, 1.0, 0.0], [0.0, 0.5, 0.0, 1.0]])
    # nearest to class 2, which shares the group of class 1; nearest to class 3, which doesn't
    figures = module(given, torch.tensor([1, 1]), torch.tensor([1, 1]))[1]
    assert figures["accuracy"] == 0.5


def test_aam_weights_follow_the_seed_alone() -> None:
    groups = torch.arange(4)
    first, again, other = (AamSoftmax(groups, 5, seed).weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_one_subcenter_is_plain_aam() -> None:
    module = AamSoftmax(CLASS_GROUPS, 5, 0, AamOptions(subcenters=1))
    given = embeddings(torch.float32)
    cosines = functional.normalize(given) @ functional.normalize(module.weight).T
    rivals = GROUPS[:, None] != CLASS_GROUPS[None, :]
    assert torch.equal(
        module(given, LABELS, GROUPS)[0], aam_softmax(cosines, LABELS, 0.2, 30.0, rivals)
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_nearest_subcenter_counts(smoothing: float) -> None:
    options = AamOptions(subcenters=3, margin=0.3, scale=8.0, label_smoothing=smoothing)
    module = AamSoftmax(CLASS_GROUPS, 5, 0, options).double()
    given = embeddings().detach()
    cosines = torch.empty(6, 4, dtype=torch.float64)
    for row in range(6):
        for label in range(4):
            centers = module.weight.detach()[3 * label : 3 * label + 3]
            cosines[row, label] = max(
                float(given[row] @ center / given[row].norm() / center.norm()) for center in centers
            )
    mask = GROUPS[:, None] != CLASS_GROUPS[None, :]
    expected = slow_aam(cosines, LABELS, 0.3, 8.0, mask, smoothing)
    assert module(given, LABELS, GROUPS)[0].item() == pytest.approx(expected, rel=1e-9)


def test_subcenter_gradients() -> None:
    options = AamOptions(subcenters=2, label_smoothing=0.1, scale=5.0)
    module = AamSoftmax(CLASS_GROUPS, 5, 0, options).double()
    assert torch.autograd.gradcheck(lambda e: module(e, LABELS, GROUPS)[0], (embeddings(),))


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 0.0), (0.2, 0.0), (0.35, 0.05), (0.5, 0.1), (0.8, 0.2), (1.0, 0.2)],
)
def test_the_margin_rises_linearly_between_two_shares(share: float, expected: float) -> None:
    assert scheduled_margin(0.2, [0.2, 0.8], share) == pytest.approx(expected)
    assert scheduled_margin(0.2, None, share) == 0.2


def test_a_scheduled_margin_is_the_one_that_the_loss_takes() -> None:
    module = AamSoftmax(CLASS_GROUPS, 5, 0, AamOptions(margin=0.4, margin_schedule=[0.0, 0.5]))
    given = embeddings(torch.float32)
    assert module(given, LABELS, GROUPS)[1]["margin"] == 0  # before any step
    for share, margin in ((0.0, 0.0), (0.25, 0.2), (1.0, 0.4)):
        module.set_progress(share)
        loss, figures = module(given, LABELS, GROUPS)
        constant = AamSoftmax(CLASS_GROUPS, 5, 0, AamOptions(margin=margin))
        expected, plain = constant(given, LABELS, GROUPS)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
        assert figures["margin"].item() == pytest.approx(margin)
        assert "margin" not in plain


def test_aam_ignores_length_and_order() -> None:
    module = AamSoftmax(CLASS_GROUPS, 5, 0, AamOptions(subcenters=2)).double()
    given, order = embeddings(), torch.tensor([3, 0, 5, 1, 4, 2])
    expected = module(given, LABELS, GROUPS)[0]
    lengths = torch.linspace(0.1, 9.0, 6, dtype=torch.float64)[:, None]
    assert torch.isclose(module(given * lengths, LABELS, GROUPS)[0], expected)
    assert torch.isclose(module(given[order], LABELS[order], GROUPS[order])[0], expected)


@pytest.mark.parametrize("label", [-1, 4])
def test_aam_names_labels_that_are_no_class(label: int) -> None:
    labels = torch.tensor([0, 0, 1, 1, 2, label])
    module = AamSoftmax(CLASS_GROUPS, 5, 0)
    with pytest.raises(ValueError, match=r"knows the classes 0 to 3, got labels .*triplet"):
        module(embeddings(torch.float32), labels, GROUPS)
