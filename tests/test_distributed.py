"""Several processes that share a training do what one does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import three_ranks
import torch
from three_ranks import DTYPES, N_ITEMS, NORM_SHAPES, SIZE

from bodysounds.audio.augment import build_augment
from bodysounds.audio.draws import part_of
from bodysounds.training.launch import run_together
from bodysounds.training.ranks import Ranks
from bodysounds.training.synced_norm import sync_norms

pytestmark = pytest.mark.usefixtures("one_thread")
TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-4, torch.bfloat16: 0.05}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def told(folder: Path) -> list[dict[str, Any]]:
    """What each of three processes finds."""
    run_together(three_ranks.work, SIZE, folder)
    return [torch.load(folder / f"{rank}.pt") for rank in range(SIZE)]


def close(ours: dict[str, Any], theirs: dict[str, Any], tolerance: float = 1e-10) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(
            ours[name],
            value,
            rtol=tolerance,
            atol=tolerance,
            msg=lambda said, n=name: f"{n}: {said}",
        )


@pytest.mark.parametrize("n_items", N_ITEMS)
def test_a_step_is_that_of_one_process(told: list[dict[str, Any]], n_items: int) -> None:
    body, losses, features, labels = three_ranks.network(n_items)
    loss, parts = losses(body(features).squeeze(1), labels, labels)
    loss.backward()
    whole = three_ranks.found(body, losses, loss)
    assert n_items == 2 or float(parts["loss_triplet"]) > 0.0
    for own in told:
        close(own[f"network {n_items}"], whole)
        # to the bit, so that processes do not part
        for name, value in told[0][f"network {n_items}"].items():
            assert torch.equal(own[f"network {n_items}"][name], value), name


def test_gradients_are_those_that_autograd_takes_through_the_gathering(
    told: list[dict[str, Any]],
) -> None:
    for own in told:
        close(own["in use"], own["by autograd"])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", NORM_SHAPES, ids=str)
def test_a_synced_norm_is_a_norm_of_the_whole_batch(
    told: list[dict[str, Any]], shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    check_norm(told, f"norm {shape} {dtype}", shape, dtype)


def test_a_norm_without_weights_that_averages_all_batches(told: list[dict[str, Any]]) -> None:
    options = {"affine": False, "momentum": None}
    check_norm(told, "norm plain", NORM_SHAPES[1], torch.float64, **options)


def check_norm(
    told: list[dict[str, Any]],
    name: str,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    **options: Any,
) -> None:
    module = three_ranks.norm(shape, dtype, **options)
    names = set(module.state_dict())
    whole, gradient = three_ranks.norm_input(shape, dtype)
    heard = whole.clone().requires_grad_()
    output = module(heard)
    output.backward(gradient)
    module_in_use = copy.deepcopy(module).eval()
    tolerance = TOLERANCE[dtype]
    for rank, own in enumerate(told):
        part = Ranks(rank, SIZE).part(len(whole))
        wanted = {
            "output": output.detach()[part],
            "gradient": heard.grad[part],
            "in use": module_in_use(whole)[part].detach(),
            **module.state_dict(),
            **{f"gradient of {k}": weight.grad for k, weight in module.named_parameters()},
        }
        assert names <= own[name].keys()
        close(own[name], wanted, tolerance)


def test_the_hardest_negative_may_be_of_another_process(told: list[dict[str, Any]]) -> None:
    # points 0 1 | 5 5.5 | 1.5 9, two a process: furthest positive and nearest negative of each
    # anchor, where all are seen: 1 - 1.5, 1 - 0.5, 0.5 - 3.5, 0.5 - 3.5, 7.5 - 0.5, 7.5 - 3.5
    excess = [1 - 1.5 + 1, 1 - 0.5 + 1, 0.5 - 3.5 + 1, 0.5 - 3.5 + 1, 7.5 - 0.5 + 1, 7.5 - 3.5 + 1]
    wanted = sum(max(0.0, value) for value in excess) / 6
    for own in told:
        assert float(own["triplet"]) == pytest.approx(wanted)


def test_the_first_process_writes_alone_and_all_know_of_it(
    told: list[dict[str, Any]], folder: Path
) -> None:
    assert [path.name for path in sorted(folder.glob("store*"))] == ["store0"]
    assert [own["saved"] for own in told] == [5] * SIZE


def test_the_first_process_is_believed(told: list[dict[str, Any]]) -> None:
    assert [own["shared"] for own in told] == [{"said by": 0}] * SIZE


@pytest.mark.parametrize(("n_items", "sizes"), [(7, [2, 2, 3]), (6, [2, 2, 2]), (3, [1, 1, 1])])
def test_parts_are_dealt_evenly_and_in_order(n_items: int, sizes: list[int]) -> None:
    parts = [Ranks(rank, SIZE).part(n_items) for rank in range(SIZE)]
    assert [part.stop - part.start for part in parts] == sizes
    assert [k for part in parts for k in range(n_items)[part]] == list(range(n_items))


def test_a_batch_smaller_than_the_processes_is_everybodys() -> None:
    for rank in range(SIZE):
        ranks = Ranks(rank, SIZE)
        ranks.begin(2)
        assert (ranks.part(2), ranks.split) == (slice(0, 2), False)


def test_one_process_leaves_norms_as_they_are() -> None:
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
    sync_norms(module, Ranks())
    assert type(module[0]) is torch.nn.BatchNorm1d


@pytest.mark.parametrize("name", ["tilt", "noise", "gain", "spec_augment"])
def test_a_part_of_a_batch_is_changed_as_in_the_whole(name: str) -> None:
    augment = build_augment([{"name": name, "p": 0.6}])
    of_features = name == "spec_augment"
    change = augment.features if of_features else augment.waveforms
    shape = (7, 50, 24) if of_features else (7, 800)
    batch = torch.rand(shape, generator=torch.Generator().manual_seed(0)) - 0.5

    def draws(part: slice) -> Any:
        return part_of(torch.Generator().manual_seed(5), len(batch), part)

    whole = change(batch, draws(slice(None)))
    assert not torch.equal(whole, batch)
    for rank in range(SIZE):
        part = Ranks(rank, SIZE).part(len(batch))
        torch.testing.assert_close(change(batch[part], draws(part)), whole[part])
