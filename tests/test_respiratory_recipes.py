"""The recipes of `train_respiratory` spell out every parameter; published ones are as published."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from bodysounds.audio.augment import build_augment
from bodysounds.audio.log_mel import mel_bands
from bodysounds.params import TrainRespiratoryParams
from bodysounds.training.schedule import check_schedule, learning_rate

FILLED = {
    "method": ("${runtime_params:method, hybrid}", "hybrid"),
    "network": ("${runtime_params:network, cnn6}", "cnn6"),
    "published": ("${runtime_params:panns, null}", None),
    "work_dir": (
        "${runtime_params:work, ${runtime_params:data, ${globals:data}}}/.work",
        "work",
    ),
}
"""What the command line may fill in, and what it is without."""


@pytest.fixture(scope="module")
def recipes(project_dir: Path) -> dict[str, dict[str, Any]]:
    path = project_dir / "conf" / "base" / "parameters_respiratory_recipes.yml"
    written = yaml.safe_load(path.read_text())["_respiratory"]
    for recipe in written.values():
        assert {name: recipe[name] for name in FILLED} == {n: f[0] for n, f in FILLED.items()}
    without = {name: value for name, (_, value) in FILLED.items()}
    return {name: recipe | without for name, recipe in written.items()}


def test_a_recipe_spells_out_every_parameter(recipes: dict[str, dict[str, Any]]) -> None:
    fields = {field.name for field in dataclasses.fields(TrainRespiratoryParams)}
    assert set(recipes) == {"ours", "published"}
    for recipe in recipes.values():
        assert set(recipe) == fields
        TrainRespiratoryParams(**recipe)


def test_the_published_recipe_is_what_was_published(recipes: dict[str, dict[str, Any]]) -> None:
    """Section 5 of the description of the published system."""
    p = TrainRespiratoryParams(**recipes["published"])
    assert (p.network, p.width, p.published) == ("cnn6", 1.0, None)
    assert (p.learning_rate, p.learning_rate_published) == (1e-3, 1e-4)
    assert (p.n_fft, p.hop, p.n_mels, p.f_min, p.f_max) == (1024, 512, 64, 50, 2000)
    assert (p.clip_s, p.fill) == (8, "circular")
    assert p.augment == [
        {
            "name": "spec_augment", "p": 1.0,
            "n_freq_masks": 2, "freq_width": 20, "n_time_masks": 2, "time_width": 40,
        }
    ]  # fmt: skip
    assert (p.n_epochs, p.batch_size, p.optimiser, p.weight_decay) == (400, 128, "adam", 1e-4)
    assert p.schedule == [{"name": "cosine", "t_max": 40, "min_lr": 1e-6}]
    assert (p.class_weights, p.weigh, p.balanced) == (True, "classes", False)
    assert (p.temperature, p.projection, p.hybrid_alpha) == (0.06, 128, 0.5)
    assert (p.head_epochs, p.head_learning_rate, p.head_optimiser) == (50, 0.1, "adam")
    assert (p.metadata, p.metadata_weight) == (["sex", "age_group"], 0.25)
    assert (p.choose, p.choose_contrastive) == ("dev_score", "last")
    assert (p.two_views, p.random_crop, p.freeze, p.clip_norm) == (True, False, [], None)


def test_the_published_class_weights_are_ours() -> None:
    """Inverse shares that sum to 1: a weighted mean does not see their scale."""
    counts = torch.tensor([2063.0, 1215.0, 501.0, 363.0])
    published = 1 / (counts / counts.sum())
    published = published / published.sum()
    ours = counts.sum() / (4 * counts)
    torch.testing.assert_close(published / published[0], ours / ours[0])


@pytest.mark.parametrize(("name", "rate"), [("ours", 4000), ("published", 16_000)])
def test_a_recipe_has_bands_at_its_rate(
    recipes: dict[str, dict[str, Any]], name: str, rate: int
) -> None:
    own = recipes[name]
    bands = mel_bands(rate, own["n_fft"], own["n_mels"], own["f_min"], own["f_max"])
    assert bands.shape == (own["n_fft"] // 2 + 1, 64)


def test_cosine_is_that_of_torch_over_all_epochs() -> None:
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=40, eta_min=1e-6)
    spec = {"name": "cosine", "t_max": 40, "min_lr": 1e-6}
    rates = []
    for epoch in range(400):
        rates.append(learning_rate(spec, 33 * epoch, 33 * 400, 1e-3, [1.0] * epoch))
        assert rates[-1] == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        theirs.step()
    assert rates[0] == rates[80] == 1e-3
    assert rates[40] == pytest.approx(1e-6)
    assert rates[399] > 0.99e-3  # where the published contrastive stage ends
    for wrong in ({"t_max": 0, "min_lr": 0.0}, {"t_max": 40, "min_lr": 0.1}, {"t_max": 40}):
        with pytest.raises(ValueError, match="schedule cosine"):
            check_schedule([{"name": "cosine", **wrong}], 1e-3)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.8413, 1.0])
def test_spec_augment_is_as_frequent_as_stated(
    recipes: dict[str, dict[str, Any]], p: float
) -> None:
    """Its p is compared with a uniform number, not a normal one."""
    n_items = 4000
    augment = build_augment([recipes["published"]["augment"][0] | {"p": p}])
    changed = 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        before = torch.ones(n_items // 10, 251, 64)
        changed += int((augment.features(before, generator) == 0).flatten(1).any(dim=1).sum())
    deviation = math.sqrt(p * (1 - p) / n_items)
    assert abs(changed / n_items - p) <= 4 * deviation


def test_published_masks_have_the_published_widths(recipes: dict[str, dict[str, Any]]) -> None:
    augment = build_augment(recipes["published"]["augment"])
    after = augment.features(torch.ones(500, 251, 64), torch.Generator().manual_seed(1)) == 0
    bands, frames = after.all(dim=1), after.all(dim=2)
    assert int(bands.sum(dim=1).max()) <= 40
    assert int(frames.sum(dim=1).max()) <= 80
    for masked, mean in ((bands, 20.0), (frames, 40.0)):  # of two, less what they share
        assert 0.8 * mean < float(masked.sum(dim=1).float().mean()) <= 1.05 * mean
    runs = (masked.int().diff(dim=1) == 1).sum(dim=1) + masked[:, 0]
    assert int(runs.max()) == 2
    assert (after == (bands[:, None, :] | frames[:, :, None])).all()
