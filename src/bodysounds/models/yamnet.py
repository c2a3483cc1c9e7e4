"""YAMNet's body: a MobileNet v1 (Howard et al. 2017, arXiv 1704.04861) over log-mel patches."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

PATCH = (96, 64)
# channels and stride of the separable blocks behind the stem
STEM_CHANNELS = 32
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
STAGES = ("stem", *(f"block_{number}" for number in range(1, len(BLOCKS) + 1)))
NORM_EPS = 1e-4
# of 27 norms, one on the other, the last would know its own statistics only after hundreds of steps
NORM_MOMENTUM = 0.3
WIDEST = 4.0


class Convolution(nn.Module):
    """A 3 x 3 or 1 x 1 convolution, batch norm where asked for, and ReLU.

    Without batch norm the convolution has a bias. A stride of 2 halves even sizes as TensorFlow
    does: the odd zero comes after the last row and column, none before the first.
    """

    def __init__(
        self, n_in: int, n_out: int, size: int, stride: int, groups: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.late = stride == 2
        self.conv = nn.Conv2d(
            n_in, n_out, size, stride, 0 if self.late else size // 2,
            groups=groups, bias=not batch_norm,
        )  # fmt: skip
        self.norm = nn.BatchNorm2d(n_out, NORM_EPS, NORM_MOMENTUM) if batch_norm else None
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="relu")
        if self.conv.bias is not None:
            nn.init.zeros_(self.conv.bias)

    def forward(self, patches: Tensor) -> Tensor:
        found = self.conv(functional.pad(patches, (0, 1, 0, 1)) if self.late else patches)
        return functional.relu(found if self.norm is None else self.norm(found), inplace=True)


class Separable(nn.Module):
    """A depthwise 3 x 3 convolution, then a pointwise one."""

    def __init__(self, n_in: int, n_out: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        self.depthwise = Convolution(n_in, n_in, 3, stride, n_in, batch_norm)
        self.pointwise = Convolution(n_in, n_out, 1, 1, 1, batch_norm)

    def forward(self, patches: Tensor) -> Tensor:
        found: Tensor = self.pointwise(self.depthwise(patches))
        return found


class Yamnet(nn.Module):
    """Patches (batch, patches, 96, 64) -> embeddings (batch, dim), the mean over the patches."""

    def __init__(self, width: float, batch_norm: bool) -> None:
        super().__init__()
        n_in = channels(STEM_CHANNELS, width)
        self.stem = Convolution(1, n_in, 3, 2, 1, batch_norm)
        for number, (n, stride) in enumerate(BLOCKS, 1):
            n_out = channels(n, width)
            self.add_module(f"block_{number}", Separable(n_in, n_out, stride, batch_norm))
            n_in = n_out
        # a fifth to a half faster on a CPU; torch's stubs do not know this form of `to`
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def stage(self, name: str) -> list[nn.Module]:
        """Return the parts of one of `STAGES`."""
        if name not in STAGES:
            raise ValueError(f"a stage of yamnet is one of {', '.join(STAGES)}, got {name!r}")
        return [self.get_submodule(name)]

    def embed_patches(self, patches: Tensor) -> Tensor:
        """Return the embeddings (batch, patches, dim), what the published classifier hears."""
        if patches.ndim != 4 or patches.shape[2:] != PATCH:
            raise ValueError(
                f"yamnet needs patches of shape (batch, patches, {PATCH[0]}, {PATCH[1]}), got "
                f"{tuple(patches.shape)}: take the front end yamnet_log_mel"
            )
        found = patches.flatten(0, 1).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        for name in STAGES:
            found = self.get_submodule(name)(found)
        return found.mean(dim=(2, 3)).reshape(*patches.shape[:2], -1)

    def forward(self, patches: Tensor) -> Tensor:
        return self.embed_patches(patches).mean(dim=1)


def build_yamnet(width: float = 1.0, batch_norm: bool = True, *, seed: int) -> nn.Module:
    """Return YAMNet's body with random weights and no classifier.

    Parameters
    ----------
    width : float
        Factor of the channels, 1 as published; the embedding has 1024 * width numbers (rounded to
        a multiple of 8), as `yamnet_dim` says.
    batch_norm : bool
        Whether batch norm follows each convolution, which random weights need to learn. Published
        files have it folded into weights and biases, and are fine-tuned without.
    seed : int
        Of the weights; the global generator is left as it was.

    Returns
    -------
    network : (batch, patches, 96, 64) float32 -> (batch, dim), the mean over the patches

    Raises ValueError for a width that is not above 0 and at most 4.
    """
    if not 0 < width <= WIDEST:
        raise ValueError(f"yamnet needs a width above 0 and at most {WIDEST:g}, got {width}")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Yamnet(width, batch_norm)


def yamnet_dim(width: float = 1.0) -> int:
    """Return the size of the embedding."""
    return channels(BLOCKS[-1][0], width)


def channels(published: int, width: float) -> int:
    """Return the channels of a layer that has `published` at width 1: a multiple of 8."""
    return max(8, 8 * round(published * width / 8))
