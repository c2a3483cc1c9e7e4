"""Run by test_distributed in three processes at once: what each finds goes into a file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import killed
import torch
from torch import Tensor, nn

from bodysounds.losses.build import WeightedLosses, build_losses
from bodysounds.losses.options import TripletOptions
from bodysounds.losses.triplet import TripletLoss
from bodysounds.models.ecapa import build_ecapa
from bodysounds.training import loop, together
from bodysounds.training.checkpoints import Store
from bodysounds.training.ranks import Ranks, sum_gradients
from bodysounds.training.state import State
from bodysounds.training.synced_norm import sync_norms

SIZE = 3
N_ITEMS = (7, 6, 2)
"""Of a batch: uneven parts, even ones, and fewer than processes."""
NORM_SHAPES = ((7, 4), (6, 4, 5), (3, 4, 2, 3))
DTYPES = (torch.float64, torch.float32, torch.bfloat16)


def network(n_items: int) -> tuple[nn.Module, WeightedLosses, Tensor, Tensor]:
    """Return a small ECAPA-TDNN and both losses in float64, features and labels of a batch."""
    body = build_ecapa(n_mels=6, channels=16, depth=1, dim=5, seed=0).double()
    specs = [{"name": "aam"}, {"name": "triplet", "weight": 0.5}]
    losses = build_losses(specs, torch.arange(4), dim=5, seed=0).double()
    features = torch.randn((n_items, 20, 6), generator=torch.Generator().manual_seed(n_items))
    labels = torch.arange(n_items) // 2 if n_items > 2 else torch.tensor([0, 1])
    return body, losses, features.double(), labels


def found(body: nn.Module, losses: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Return the loss, all gradients and all statistics by name."""
    values = {"loss": loss.detach()}
    for part in (body, losses):
        values |= {f"gradient of {k}": w.grad for k, w in part.named_parameters()}
        values |= {k: value for k, value in part.named_buffers() if "num" not in k}
    return values


def of_network(ranks: Ranks, n_items: int) -> dict[str, Tensor]:
    body, losses, features, labels = network(n_items)
    sync_norms(body, ranks)
    ranks.begin(n_items)
    embeddings = ranks.gather(body(features[ranks.part(n_items)]).squeeze(1))
    loss, _ = losses(embeddings, labels, labels)
    loss.backward()
    sum_gradients(ranks, body.parameters(), losses.parameters())
    return found(body, losses, loss)


def by_autograd(ranks: Ranks, n_items: int) -> dict[str, Tensor]:
    """The gradients where autograd itself goes through the gathering; norms as in use."""
    from torch.distributed.nn.functional import all_gather

    body, losses, features, labels = network(n_items)
    body.eval()
    embeddings = torch.cat(all_gather(body(features[ranks.part(n_items)]).squeeze(1)))
    loss, _ = losses(embeddings, labels, labels)
    loss.backward()
    for weight in body.parameters():
        # each of the processes has sent back the gradient of the same loss
        torch.distributed.all_reduce(weight.grad)
        weight.grad /= SIZE
    return found(body, losses, loss)


def in_use(ranks: Ranks, n_items: int) -> dict[str, Tensor]:
    """Ours of the same."""
    body, losses, features, labels = network(n_items)
    sync_norms(body.eval(), ranks)
    ranks.begin(n_items)
    embeddings = ranks.gather(body(features[ranks.part(n_items)]).squeeze(1))
    loss, _ = losses(embeddings, labels, labels)
    loss.backward()
    sum_gradients(ranks, body.parameters(), losses.parameters())
    return found(body, losses, loss)


def norm_input(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return an input far from 0, where squares would cancel, and the gradient of an output."""
    generator = torch.Generator().manual_seed(len(shape))
    drawn = torch.randn((2, *shape), generator=generator, dtype=torch.float64)
    return (drawn[0] + 300.0 * (dtype != torch.bfloat16)).to(dtype), drawn[1].to(dtype)


def norm(shape: tuple[int, ...], dtype: torch.dtype, **options: Any) -> nn.Module:
    kinds = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}
    module = kinds[len(shape)](shape[1], **options)
    with torch.no_grad():
        for number, weight in enumerate(module.parameters()):
            weight.copy_(torch.linspace(0.5, 2.0, shape[1]) - number)
    return module.double() if dtype == torch.float64 else module


def of_norm(ranks: Ranks, shape: tuple[int, ...], dtype: torch.dtype, **options: Any) -> Any:
    """Return output, gradients and statistics of a norm after two batches of which one is dealt."""
    module = norm(shape, dtype, **options)
    sync_norms(module, ranks)
    whole, gradient = norm_input(shape, dtype)
    own = ranks.part(len(whole))
    ranks.begin(len(whole))
    heard = whole[own].clone().requires_grad_()
    output = module(heard)
    output.backward(gradient[own])
    values = {"output": output.detach(), "gradient": heard.grad, **module.state_dict()}
    for name, weight in module.named_parameters():
        torch.distributed.all_reduce(weight.grad)
        values[f"gradient of {name}"] = weight.grad
    module.eval()
    values["in use"] = module(whole[own]).detach()
    return values


def of_triplet(ranks: Ranks) -> Tensor:
    """Return the triplet loss of points on a line of which each process has two."""
    points = torch.tensor([[0.0], [1.0], [5.0], [5.5], [1.5], [9.0]])
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    ranks.begin(len(points))
    loss, _ = TripletLoss(TripletOptions(distance="euclidean", margin=1.0))(
        ranks.gather(points[ranks.part(len(points))]), labels, labels
    )
    return loss


def saved(ranks: Ranks, folder: Path) -> int:
    """Save a training in a folder of this process's own; return the step that it knows of."""
    state = State(step=5)
    parts = {"module": nn.Linear(1, 1), "losses": nn.Linear(1, 1)}
    optimiser = torch.optim.SGD(parts["losses"].parameters())
    run = SimpleNamespace(
        ranks=ranks, store=Store(folder / f"store{ranks.rank}"), losses=parts["losses"],
        module=SimpleNamespace(body=parts["module"]), optimiser=optimiser,
    )  # fmt: skip
    loop.save(run, state)  # type: ignore[arg-type]
    return state.saved


def dies_at_step_16(ranks: Ranks, given: Any) -> None:
    """Take part in a training, and die as the second process in its second epoch."""
    if ranks.rank == 1:
        loop.train_step = killed.on_call(16, loop.train_step, killed.die)
    together.take_part(ranks, given)


def fail(*_: Any) -> None:
    raise MemoryError("no room\nleft")


def fails_at_step_3(ranks: Ranks, given: Any) -> None:
    """Take part in a training, and fail as the second process."""
    if ranks.rank == 1:
        loop.train_step = killed.on_call(3, loop.train_step, fail)
    together.take_part(ranks, given)


def work(ranks: Ranks, folder: Path) -> None:
    results: dict[str, Any] = {"triplet": of_triplet(ranks), "saved": saved(ranks, folder)}
    for n_items in N_ITEMS:
        results[f"network {n_items}"] = of_network(ranks, n_items)
    results["by autograd"] = by_autograd(ranks, 6)
    results["in use"] = in_use(ranks, 6)
    for shape in NORM_SHAPES:
        for dtype in DTYPES:
            results[f"norm {shape} {dtype}"] = of_norm(ranks, shape, dtype)
    results["norm plain"] = of_norm(
        ranks, NORM_SHAPES[1], torch.float64, affine=False, momentum=None
    )
    results["shared"] = ranks.share({"said by": ranks.rank})
    torch.save(results, folder / f"{ranks.rank}.pt")
