"""ResNet-18 (He et al. 2015, arXiv 1512.03385), with the names that torchvision gives weights."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

BLOCKS_OF_A_LAYER = 2
STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
HEAD = "fc."
COUNTER = "num_batches_tracked"
PUBLISHED = "give torchvision's resnet18 weights, such as resnet18-f37072fd.pth"


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a short cut."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample: nn.Module | None = None
        if stride > 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, images: Tensor) -> Tensor:
        changed = functional.relu(self.bn1(self.conv1(images)))
        changed = self.bn2(self.conv2(changed))
        kept = images if self.downsample is None else self.downsample(images)
        return functional.relu(changed + kept)


class ResNet18(nn.Module):
    """Images (batch, 3, rows, columns) -> embeddings (batch, dim); without a classifier."""

    def __init__(self, width: int, dim: int | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        n_in = width
        for number in range(4):
            n_out = width << number
            blocks = [BasicBlock(n_in, n_out, 1 if number == 0 else 2)]
            blocks += [BasicBlock(n_out, n_out, 1) for _ in range(BLOCKS_OF_A_LAYER - 1)]
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
            n_in = n_out
        self.project = None if dim in (None, n_in) else nn.Linear(n_in, dim or n_in)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stage(self, name: str) -> list[nn.Module]:
        """Return the parts of one of `STAGES`."""
        if name not in STAGES:
            raise ValueError(f"a stage of resnet18 is one of {', '.join(STAGES)}, got {name!r}")
        return [self.conv1, self.bn1] if name == "stem" else [self.get_submodule(name)]

    def forward(self, images: Tensor) -> Tensor:
        # a tenth faster on a CPU
        images = images.contiguous(memory_format=torch.channels_last)
        found = functional.relu(self.bn1(self.conv1(images)))
        found = functional.max_pool2d(found, 3, stride=2, padding=1)
        for name in STAGES[1:]:
            found = self.get_submodule(name)(found)
        pooled = found.mean(dim=(2, 3))
        return pooled if self.project is None else self.project(pooled)


def build_resnet18(width: int = 64, dim: int | None = None, *, seed: int) -> nn.Module:
    """Return a ResNet-18 with random weights and no classifier.

    Parameters
    ----------
    width : int
        Channels of the first layer, 64 as published; the last has 8 times as many.
    dim : int, optional
        Size of the embedding. The mean over the last layer, 8 * width numbers, is the embedding
        where `dim` is None or just that; another size adds a linear layer, `project`.
    seed : int
        Of the weights; the global generator is left as it was.

    Returns
    -------
    network : (batch, 3, rows, columns) float32 -> (batch, dim)

    Raises ValueError for a width or dim below 1 or 2.
    """
    if width < 1 or (dim is not None and dim < 2):
        raise ValueError(
            f"resnet18 needs a width of at least 1 and a dim of at least 2, got {width} and {dim}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return ResNet18(width, dim)


def resnet18_dim(width: int, dim: int | None = None) -> int:
    """Return the size of the embedding."""
    return 8 * width if dim is None else dim


def read_torchvision(path: str | Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the weights of torchvision's resnet18 file without its classifier, and what was left.

    Nothing but tensors is read from the file. Counters of batches, which older files lack, are set
    to 0. Raises ValueError that names the file where it is no such file.
    """
    try:
        content = torch.load(Path(path).expanduser(), map_location="cpu", weights_only=True)
    except (
        OSError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError,
    ) as error:  # fmt: skip
        reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is no file of weights ({reason}): {PUBLISHED}") from error
    named = isinstance(content, Mapping) and all(isinstance(w, Tensor) for w in content.values())
    if not named or "conv1.weight" not in content:
        raise ValueError(f"{path} holds no weights of a ResNet by name: {PUBLISHED}")
    left = tuple(name for name in content if name.startswith(HEAD))
    state = {str(name): weight for name, weight in content.items() if name not in left}
    for name in [name for name in state if name.endswith("running_mean")]:
        state.setdefault(name.replace("running_mean", COUNTER), torch.tensor(0))
    return state, left
