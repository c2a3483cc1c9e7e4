"""The parts of our ECAPA-TDNN, each against torch's plain way, with gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.models.ecapa_norm import RowsNorm
from bodysounds.models.ecapa_ops import joined, product
from bodysounds.models.ecapa_pooling import centred, spread, weighted_moments

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape: int, seed: int = 1) -> Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def off(ours: Tensor, theirs: Tensor) -> float:
    """The relative error."""
    ours, theirs = ours.detach().double(), theirs.detach().double()
    return float((ours - theirs).norm() / theirs.norm().clamp(1e-9))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_products_and_their_gradients(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, onednn: bool, relu: bool
) -> None:
    # as on a GPU, or a chip without
    if not onednn:
        monkeypatch.setattr("bodysounds.models.ecapa_ops.ONEDNN", ())
    # rows, weights and gradients that do not lie side by side, too
    rows = noise(4, 30, 48).to(dtype)[:, ::2, 16:32]
    weight, bias = noise(40, 24, seed=2).to(dtype)[:, :16], noise(40, seed=3).to(dtype)
    direction = noise(4, 15, 80, seed=4).to(dtype)[..., ::2]
    found: list[Tensor] = []
    wanted: list[Tensor] = []
    for kind, results in ((dtype, found), (torch.float64, wanted)):
        given = [t.detach().to(kind).requires_grad_() for t in (rows, weight, bias)]
        if results is found:
            output = product(given[0], given[1], given[2], relu)
        else:
            output = functional.linear(*given)
            output = torch.relu(output) if relu else output
        results += [output, *torch.autograd.grad(output, given, direction.to(kind))]
    bound = {torch.float64: 1e-12, torch.float32: 1e-6, torch.bfloat16: 1e-2}[dtype]
    assert [one.dtype for one in found] == [dtype] * 4
    assert max(map(off, found, wanted)) < bound
    with torch.no_grad():
        assert off(product(rows, weight, bias, relu), wanted[0]) < bound


@pytest.mark.parametrize(("kernel", "dilation", "frames"), [(5, 1, 3), (3, 2, 3), (3, 5, 17)])
def test_joined_frames_multiply_to_a_dilated_convolution(
    kernel: int, dilation: int, frames: int
) -> None:
    conv = nn.Conv1d(6, 4, kernel, dilation=dilation, padding_mode="reflect", padding="same")
    conv = conv.double()
    matrix = conv.weight.transpose(1, 2).flatten(1)
    rows = noise(2, frames, 6).double().requires_grad_()
    found = functional.linear(joined(rows, kernel, dilation), matrix, conv.bias)
    torch.testing.assert_close(found, conv(rows.transpose(1, 2)).transpose(1, 2))
    assert torch.autograd.gradcheck(lambda x: joined(x, kernel, dilation), rows)


def test_a_norm_of_many_rows_is_exact() -> None:
    rows, direction = noise(19_200, 32), noise(19_200, 32, seed=2)
    rows = rows.relu() + 3
    found: list[Tensor] = []
    wanted: list[Tensor] = []
    for norm, results in ((RowsNorm(32), found), (nn.BatchNorm1d(32).double(), wanted)):
        given = rows.to(norm.weight.dtype).detach().requires_grad_()
        output = norm(given)
        torch.autograd.backward(output, direction.to(output.dtype))
        assert given.grad is not None
        assert norm.weight.grad is not None
        assert norm.bias.grad is not None
        results += [output, given.grad, norm.weight.grad, norm.bias.grad]
        results += [norm.get_buffer("running_mean"), norm.get_buffer("running_var")]
        assert norm.num_batches_tracked == 1
    assert max(map(off, found, wanted)) < 3e-6
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        RowsNorm(32)(rows[:1])


def test_gradients_of_the_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    # several sides at once, and an odd one
    monkeypatch.setattr("bodysounds.models.ecapa_pooling.NEAR", 2 * 5 * 4)
    rows = noise(5, 5, 4).double().requires_grad_()
    logits = noise(5, 5, 4, seed=2).double().requires_grad_()

    def statistics(rows: Tensor, logits: Tensor) -> Tensor:
        deviations, about, first, second = centred(rows)
        weighted = weighted_moments(deviations, logits)
        means = (about + first, about + weighted[0])
        return torch.stack((*means, spread(first, second), spread(*weighted)))

    torch.testing.assert_close(statistics(rows, logits)[0], rows.mean(1))
    torch.testing.assert_close(statistics(rows, logits)[2], rows.std(1, correction=0))
    # the plain mean is a constant and a remainder: numbers would move what autograd holds
    deviations = rows.detach().requires_grad_()
    assert torch.autograd.gradcheck(weighted_moments, (deviations, logits))

    def plain(rows: Tensor, logits: Tensor) -> Tensor:
        weights, mean = torch.softmax(logits, 1), rows.mean(1)
        middle = (weights * rows).sum(1)
        around = (weights * (rows - middle.unsqueeze(1)) ** 2).sum(1).sqrt()
        return torch.stack((mean, middle, rows.std(1, correction=0), around))

    direction = noise(4, 5, 4, seed=3).double()
    for found, wanted in zip(
        torch.autograd.grad((statistics(rows, logits) * direction).sum(), (rows, logits)),
        torch.autograd.grad((plain(rows, logits) * direction).sum(), (rows, logits)),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted)
