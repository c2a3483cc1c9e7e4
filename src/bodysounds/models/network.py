"""The embedding network: a front end and a body, from waveforms to embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from bodysounds.audio.frontends import front_end, mean_normalise
from bodysounds.models.ecapa import build_ecapa


class EmbeddingNetwork(nn.Module):
    """Waveforms (batch, samples) float32 -> embeddings (batch, dim), of any length."""

    def __init__(self, architecture: Mapping[str, Any], features: Mapping[str, Any], seed: int):
        super().__init__()
        options = dict(features)
        if "mean_over" not in options:
            raise ValueError(
                f"the front end {options} does not say mean_over (band or clip): train the encoder "
                "again with this version"
            )
        self.over = str(options.pop("mean_over"))
        self.front_end = front_end(**options)
        self.body = build_body(architecture, seed)
        self.sample_rate, self.dim = int(features["sample_rate"]), int(architecture["dim"])

    def features(self, waveforms: Tensor) -> Tensor:
        """Return mean-normalised features (batch, frames, n_mels)."""
        return mean_normalise(self.front_end(waveforms), self.over)

    def embed(self, features: Tensor) -> Tensor:
        """Return embeddings (batch, dim) of mean-normalised features."""
        embeddings: Tensor = self.body(features)
        return embeddings.squeeze(1)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.embed(self.features(waveforms))


def build_body(architecture: Mapping[str, Any], seed: int) -> nn.Module:
    """Return the network of an architecture with random weights; ValueError for an unknown one."""
    options = dict(architecture)
    name = options.pop("name", None)
    if name != "ecapa":
        raise ValueError(f"architecture must be ecapa, got {name!r}")
    try:
        return build_ecapa(**options, seed=seed)
    except TypeError as error:
        raise ValueError(f"architecture {dict(architecture)} is not complete: {error}") from error


def detached(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's weights on the CPU."""
    return {k: v.detach().to("cpu", copy=True) for k, v in module.state_dict().items()}
