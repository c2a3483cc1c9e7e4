"""Weighted sums of losses, and what a recipe may ask for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from bodysounds.losses.build import build_losses
from bodysounds.losses.options import AamOptions, SupconOptions, TripletOptions, check_losses

LABELS = torch.tensor([0, 0, 1, 1, 2, 3])
GROUPS = torch.tensor([0, 0, 1, 1, 1, 2])
CLASS_GROUPS = torch.tensor([0, 1, 1, 2])
THREE = [
    {"name": "aam", "weight": 0.5, "scale": 10.0, "margin_schedule": [0.25, 0.75]},
    {"name": "triplet", "weight": 2, "mining": "semi_hard", "distance": "euclidean", "margin": 1},
    {"name": "supcon", "weight": 3.0},
]


def embeddings() -> Tensor:
    made = torch.randn(len(LABELS), 5, generator=torch.Generator().manual_seed(0))
    return made.requires_grad_()


def test_the_sum_is_weighted_and_its_parts_are_told() -> None:
    losses = build_losses(THREE, CLASS_GROUPS, dim=5, seed=0)
    given = embeddings()
    total, parts = losses(given, LABELS, GROUPS)
    assert set(parts) == {
        "loss_aam",
        "loss_triplet",
        "loss_supcon",
        "train_accuracy",
        "train_margin",
        "train_active",
    }
    alone, sums = {}, torch.zeros_like(given)
    for spec, weight in zip(THREE, (0.5, 2, 3.0), strict=True):
        single = build_losses([{**spec, "weight": 1}], CLASS_GROUPS, dim=5, seed=0)
        alone[f"loss_{spec['name']}"], _ = single(given, LABELS, GROUPS)
        (slope,) = torch.autograd.grad(alone[f"loss_{spec['name']}"], given)
        sums += weight * slope
    assert {name: parts[name].item() for name in alone} == {
        name: value.item() for name, value in alone.items()
    }
    expected = 0.5 * alone["loss_aam"] + 2 * alone["loss_triplet"] + 3 * alone["loss_supcon"]
    assert total.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(torch.autograd.grad(total, given)[0], sums)
    assert not any(value.requires_grad for value in parts.values())


def test_progress_moves_the_scheduled_margin() -> None:
    losses = build_losses(THREE, CLASS_GROUPS, dim=5, seed=0)
    margins = []
    for share in (0, 0.25, 0.5, 1):
        losses.set_progress(share)
        margins.append(losses(embeddings(), LABELS, GROUPS)[1]["train_margin"].item())
    assert margins == pytest.approx([0, 0, 0.1, 0.2])
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got"):
            losses.set_progress(share)


def test_progress_changes_nothing_where_nothing_is_scheduled() -> None:
    losses = build_losses(
        [{"name": "aam"}, {"name": "triplet"}, {"name": "supcon"}], CLASS_GROUPS, 5, 0
    )
    before, parts = losses(embeddings(), LABELS, GROUPS)
    losses.set_progress(0.9)
    assert torch.equal(losses(embeddings(), LABELS, GROUPS)[0], before)
    assert "train_margin" not in parts


def test_judging_a_batch_changes_nothing() -> None:
    losses = build_losses(THREE, CLASS_GROUPS, dim=5, seed=0)
    before = {name: value.clone() for name, value in losses.state_dict().items()}
    with torch.no_grad():
        first, second = (losses(embeddings(), LABELS, GROUPS)[0] for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert all(weight.grad is None for weight in losses.parameters())
    after = losses.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_check_gives_weights_and_options() -> None:
    assert check_losses(THREE) == {
        "aam": (0.5, AamOptions(scale=10.0, margin_schedule=[0.25, 0.75])),
        "triplet": (2.0, TripletOptions("semi_hard", 1, distance="euclidean")),
        "supcon": (3.0, SupconOptions(0.07)),
    }
    assert check_losses([{"name": "triplet"}])["triplet"] == (1.0, TripletOptions())
    assert TripletOptions().hinge == 0.3
    assert TripletOptions(soft=True).hinge is None


def test_checking_imports_no_torch() -> None:
    script = (
        "import sys\n"
        "from bodysounds.losses.options import check_losses\n"
        "check_losses([{'name': 'aam'}])\n"
        "print(sorted({'torch', 'numpy', 'kedro'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([], "losses is empty: name at least one of aam, triplet, supcon"),
        ("aam", "must be a list of .*, got 'aam'"),
        ({"name": "aam"}, "must be a list of"),
        (["aam"], "must each be .*, got 'aam'"),
        ([{"weight": 1}], "one of aam, triplet, supcon, got None"),
        ([{"name": "center"}], "one of aam, triplet, supcon, got 'center'"),
        ([{"name": ["aam"]}], r"got \['aam'\]"),
        ([{"name": "aam", "marign": 1}], "aam has no option 'marign': it has weight, margin"),
        ([{"name": "supcon", "margin": 1}], "it has weight, temperature"),
        ([{"name": "triplet"}, {"name": "triplet"}], "triplet is named twice"),
        ([{"name": "triplet", "weight": 0}], "weight must be above 0, got 0"),
        ([{"name": "triplet", "weight": "1"}], "weight must be a number, got '1'"),
        ([{"name": "triplet", "weight": float("inf")}], "weight must be a number, got inf"),
        ([{"name": "aam", "margin": "big"}], "margin must be a number, got 'big'"),
        ([{"name": "aam", "margin": True}], "margin must be a number, got True"),
        ([{"name": "aam", "margin": 2.0}], r"margin must lie in \[0, pi/2\)"),
        ([{"name": "aam", "scale": 0}], "scale must be above 0"),
        ([{"name": "aam", "subcenters": 0}], "subcenters must be at least 1, got 0"),
        ([{"name": "aam", "subcenters": 2.0}], "subcenters must be a whole number, got 2.0"),
        ([{"name": "aam", "label_smoothing": 1}], r"label_smoothing must lie in \[0, 1\), got 1"),
        ([{"name": "aam", "margin_schedule": 0.5}], r"margin_schedule must be \[start, end\]"),
        ([{"name": "aam", "margin_schedule": [0.5]}], r"got \[0.5\]"),
        ([{"name": "aam", "margin_schedule": [0.5, 0.5]}], "start < end"),
        ([{"name": "aam", "margin_schedule": [0, 20]}], r"shares of the training .* got \[0, 20\]"),
        ([{"name": "aam", "margin_schedule": [0, "1"]}], "must be a number, got '1'"),
        ([{"name": "triplet", "margin": 0}], r"margin must lie in \(0, 2\]"),
        ([{"name": "triplet", "margin": 2.5}], r"margin must lie in \(0, 2\]"),
        (
            [{"name": "triplet", "margin": 0, "distance": "euclidean"}],
            "margin must be above 0 euclidean",
        ),
        ([{"name": "triplet", "margin": 0.3, "soft": True}], "soft: true takes no margin, got 0.3"),
        ([{"name": "triplet", "soft": "yes"}], "soft must be true or false, got 'yes'"),
        ([{"name": "triplet", "mining": "easy"}], "hard, semi_hard, all, got 'easy'"),
        ([{"name": "triplet", "distance": "l1"}], "squared_euclidean, got 'l1'"),
        ([{"name": "supcon", "temperature": 0}], "temperature must be above 0, got 0"),
    ],
)
def test_options_are_checked_by_name(specs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_losses(specs)
    with pytest.raises(ValueError, match=message):
        build_losses(specs, torch.arange(4), dim=5, seed=0)


def test_a_euclidean_margin_may_exceed_two() -> None:
    spec = {"name": "triplet", "margin": 5.0, "distance": "euclidean"}
    assert check_losses([spec])["triplet"][1] == TripletOptions(margin=5.0, distance="euclidean")
