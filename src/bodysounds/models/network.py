"""The embedding network: a front end and a body, from waveforms to embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from bodysounds.audio.frontends import front_end, mean_normalise
from bodysounds.audio.stft_image import NAME as STFT_IMAGE
from bodysounds.audio.stft_image import StftImage
from bodysounds.models.backend import build_backend
from bodysounds.models.ecapa import build_ecapa
from bodysounds.models.resnet import build_resnet18, resnet18_dim

BODIES: Mapping[str, Callable[..., nn.Module]] = {
    "ecapa": build_ecapa,
    "backend": build_backend,
    "resnet18": build_resnet18,
}
IMAGE_BODIES = ("resnet18",)
"""Bodies that look at images; the others read log-mel features."""


class EmbeddingNetwork(nn.Module):
    """Waveforms (batch, samples) float32 -> embeddings (batch, dim), of any length.

    Of a waveform longer than the `clip_s` of the front end stft_image only the start is heard.
    """

    def __init__(self, architecture: Mapping[str, Any], features: Mapping[str, Any], seed: int):
        super().__init__()
        check_pair(architecture, features)
        self.front_end, self.over = build_front_end(features)
        self.body = build_body(architecture, seed)
        self.sample_rate, self.dim = int(features["sample_rate"]), embedding_dim(architecture)

    def features(self, waveforms: Tensor) -> Tensor:
        """Return mean-normalised features (batch, frames, n_mels), or normalised images.

        Images are (batch, 3, size, size); which of them it is, the front end says.
        """
        features: Tensor = self.front_end(waveforms)
        return features if self.over is None else mean_normalise(features, self.over)

    def embed(self, features: Tensor) -> Tensor:
        """Return embeddings (batch, dim) of what `features` returns."""
        embeddings: Tensor = self.body(features)
        return embeddings.squeeze(1)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.embed(self.features(waveforms))


def build_front_end(features: Mapping[str, Any]) -> tuple[nn.Module, str | None]:
    """Return a front end, and what its mean is taken over (None for images, normalised already)."""
    options = dict(features)
    if options.get("name") == STFT_IMAGE:
        del options["name"]
        try:
            return StftImage(**options), None
        except TypeError as error:
            raise ValueError(f"the front end {dict(features)} is not complete: {error}") from error
    if "mean_over" not in options:
        raise ValueError(
            f"the front end {options} does not say mean_over (band or clip): train the encoder "
            "again with this version"
        )
    over = str(options.pop("mean_over"))
    return front_end(**options), over


def build_body(architecture: Mapping[str, Any], seed: int) -> nn.Module:
    """Return the network of an architecture with random weights; ValueError for an unknown one."""
    options = dict(architecture)
    name = options.pop("name", None)
    if name not in BODIES:
        raise ValueError(f"architecture must be {' or '.join(BODIES)}, got {name!r}")
    try:
        return BODIES[name](**options, seed=seed)
    except TypeError as error:
        raise ValueError(f"architecture {dict(architecture)} is not complete: {error}") from error


def check_pair(architecture: Mapping[str, Any], features: Mapping[str, Any]) -> None:
    """Raise ValueError where the body cannot read what the front end gives."""
    body, heard = architecture.get("name"), features.get("name")
    if body in BODIES and (body in IMAGE_BODIES) != (heard == STFT_IMAGE):
        wanted = STFT_IMAGE if body in IMAGE_BODIES else "speechbrain or kaldi"
        raise ValueError(f"architecture {body} needs the front end {wanted}, got {heard!r}")


def embedding_dim(architecture: Mapping[str, Any]) -> int:
    """Return the size of the embeddings of an architecture that `build_body` accepts."""
    if architecture["name"] == "resnet18":
        return resnet18_dim(architecture.get("width", 64), architecture.get("dim"))
    return int(architecture["dim"])


def detached(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's weights on the CPU."""
    return {k: v.detach().to("cpu", copy=True) for k, v in module.state_dict().items()}
