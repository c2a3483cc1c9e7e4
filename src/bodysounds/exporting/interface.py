"""What a SpeechBrain folder needs beyond SpeechBrain's classes: other means, and a backend.

`speechbrain_text.interface_text` makes this a file of its own, which imports nothing from here.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from speechbrain.inference.classifiers import EncoderClassifier as EncoderClassifier
from speechbrain.inference.speaker import SpeakerRecognition as SpeakerRecognition
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.frontends import mean_normalise
from bodysounds.audio.statistics import long_term_statistics


class Mean(nn.Module):
    """Features less their mean; wav_lens says what share of each item is not padding."""

    def __init__(self, over: str) -> None:
        super().__init__()
        self.over = over

    def forward(self, features: Tensor, wav_lens: Tensor) -> Tensor:
        found = features.clone()
        for item, own in zip(found, unpadded(features, wav_lens), strict=True):
            item[: own.shape[1]] = mean_normalise(own, self.over)[0]
        return found


class Projection(nn.Module):
    """(batch, n) -> (batch, dim) of unit length."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("matrix", torch.zeros(n, dim))

    def forward(self, vectors: Tensor) -> Tensor:
        return functional.normalize((vectors - self.mean) @ self.matrix)


class Backend(nn.Module):
    """Log-mel features (batch, frames, n_mels) and wav_lens -> (batch, 1, dim) of unit length."""

    shares: Tensor

    def __init__(self, network: nn.Module, over: str, sizes: Mapping[str, list[int]]) -> None:
        super().__init__()
        self.network, self.over = network, over
        self.projections = nn.ModuleDict({part: Projection(*size) for part, size in sizes.items()})
        self.register_buffer("shares", torch.zeros(len(sizes)))

    def forward(self, features: Tensor, wav_lens: Tensor) -> Tensor:
        # all in one where nothing is padding
        whole = bool((wav_lens >= 1).all())
        items = [features] if whole else unpadded(features, wav_lens)
        return torch.cat([self.embedded(own) for own in items])

    def embedded(self, features: Tensor) -> Tensor:
        found = []
        for share, (part, projection) in zip(self.shares, self.projections.items(), strict=True):
            if part == "network":
                vectors = self.network(mean_normalise(features, self.over)).flatten(1)
                found.append(share.sqrt() * projection(functional.normalize(vectors)))
            else:
                found.append(share.sqrt() * projection(long_term_statistics(features)))
        return torch.cat(found, 1).unsqueeze(1)


def unpadded(features: Tensor, wav_lens: Tensor) -> list[Tensor]:
    """Return the features of each item, (1, its frames, n_mels)."""
    frames = (wav_lens * features.shape[1]).ceil().long().clamp(1, features.shape[1])
    return [own[None, :n] for own, n in zip(features, frames.tolist(), strict=True)]
