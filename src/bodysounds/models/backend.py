"""A linear backend behind a network: discriminant directions of train, as a part of the encoder.

LDA on embeddings is the backend of x-vectors (Snyder et al. 2018); here its input may also be the
long-term statistics of the log-mel features, which know the voice's timbre and the microphone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.frontends import mean_normalise
from bodysounds.audio.statistics import PER_BAND, long_term_statistics
from bodysounds.types import Floats

NETWORK, STATISTICS = PARTS = ("network", "statistics")


class Projection(nn.Module):
    """(batch, n) -> (batch, dim) of unit length: a mean goes, a matrix is applied."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, n: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("matrix", torch.randn(n, dim, generator=generator) / n**0.5)

    def forward(self, vectors: Tensor) -> Tensor:
        kind = vectors.device.type
        if torch.is_autocast_enabled(kind):  # an exporter cannot write down a change of precision
            # small, and the last step: bfloat16 would save nothing and round what is compared
            with torch.autocast(kind, enabled=False):
                return self.projected(vectors)
        return self.projected(vectors)

    def projected(self, vectors: Tensor) -> Tensor:
        """Return the unit vectors, in float32."""
        return functional.normalize((vectors.float() - self.mean) @ self.matrix)


class Backend(nn.Module):
    """Log-mel features (batch, frames, n_mels), no mean subtracted -> (batch, dim) of unit length.

    Each part becomes a unit vector, and their cosines are averaged with weights that sum to one.
    """

    shares: Tensor

    def __init__(self, network: nn.Module, over: str, sizes: Mapping[str, tuple[int, int]]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.network, self.over = network, over
        self.projections = nn.ModuleDict(
            {part: Projection(n, dim, generator) for part, (n, dim) in sizes.items()}
        )
        self.register_buffer("shares", torch.full((len(sizes),), 1 / len(sizes)))

    def forward(self, features: Tensor, embed: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        return self.joined(self.parts(features, embed))

    def joined(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Return the vectors of unit length of what `parts` found."""
        return torch.cat(
            [
                share.sqrt() * projection(parts[part])
                for share, (part, projection) in zip(
                    self.shares, self.projections.items(), strict=True
                )
            ],
            dim=1,
        )

    def set_projection(self, part: str, mean: Floats, matrix: Floats, share: float) -> None:
        """Set what a part loses, what it is multiplied by, and the weight of its cosine."""
        projection = self.get_submodule(f"projections.{part}")
        projection.get_buffer("mean").copy_(torch.from_numpy(mean))
        projection.get_buffer("matrix").copy_(torch.from_numpy(np.ascontiguousarray(matrix)))
        self.shares[list(self.projections).index(part)] = share

    def parts(
        self,
        features: Tensor,
        embed: Callable[[Tensor], Tensor] | None = None,
        statistics: Callable[[Tensor], Tensor] = long_term_statistics,
    ) -> dict[str, Tensor]:
        """Return what is projected: unit embeddings (batch, n), statistics (batch, n).

        `embed` stands in for the network where given: a quicker form of it; `statistics` for
        `long_term_statistics`: one that can be exported.
        """
        found: dict[str, Tensor] = {}
        if NETWORK in self.projections:
            embeddings = (embed or self.network)(mean_normalise(features, self.over)).flatten(1)
            found[NETWORK] = functional.normalize(embeddings.float())
        if STATISTICS in self.projections:
            found[STATISTICS] = statistics(features)
        return found


def build_backend(
    network: Mapping[str, Any], over: str, dims: Mapping[str, int], dim: int, seed: int
) -> Backend:
    """Return a network with a backend, its weights random.

    Parameters
    ----------
    network : mapping
        Architecture of the network, one that reads log-mel features.
    over : str
        What the mean that the network's features lose is taken over (`band` or `clip`).
    dims : mapping
        Directions of each part, `network` and `statistics`, in this order.
    dim : int
        Their sum.
    """
    from bodysounds.models.network import build_body, embedding_dim

    if not dims or set(dims) - set(PARTS) or sum(dims.values()) != dim:
        raise ValueError(
            f"a backend of {dim} directions needs parts among {', '.join(PARTS)} whose directions "
            f"sum to it, got {dict(dims)}"
        )
    sizes = {NETWORK: embedding_dim(network), STATISTICS: PER_BAND * int(network["n_mels"])}
    ordered = {part: (sizes[part], dims[part]) for part in PARTS if part in dims}
    return Backend(build_body(network, seed), over, ordered)
