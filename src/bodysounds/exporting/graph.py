"""An encoder from waveforms to unit embeddings, in operations that ONNX has."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.frontends import mean_normalise
from bodysounds.exporting.features import FEATURES, around
from bodysounds.exporting.spread import statistics
from bodysounds.models.backend import Backend
from bodysounds.models.encoder import Encoder, network
from bodysounds.scoring.embed_batches import shortest


class EmbeddingGraph(nn.Module):
    """Waveforms (batch, samples) float32 -> embeddings (batch, dim) float32 of unit length.

    What `embed_waveforms` gives in float32: waveforms shorter than a quarter of a second are
    repeated up to it. A waveform that is not finite becomes NaN.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        module = network(encoder)
        self.features = FEATURES[type(module.front_end)](module.front_end)
        self.body, self.over, self.shortest = module.body, module.over, shortest(module)

    def forward(self, waveforms: Tensor) -> Tensor:
        # max() would take the answer for all lengths
        n_samples: int = torch.sym_max(waveforms.shape[1], self.shortest)  # type: ignore[no-untyped-call]
        features = self.features(around(waveforms, n_samples))
        if self.over is not None:
            features = mean_normalise(features, self.over)
        finite = waveforms.isfinite().all(dim=1, keepdim=True)
        return functional.normalize(self.embedded(features)).where(finite, torch.nan)

    def embedded(self, features: Tensor) -> Tensor:
        """Return the body's embeddings (batch, dim), of any length."""
        if isinstance(self.body, Backend):
            return self.body.joined(self.body.parts(features, statistics=statistics))
        found: Tensor = self.body(features)
        return found.flatten(1)
