"""From waveforms to unit embeddings, or to probabilities, in operations that ONNX has."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bodysounds.audio.frontends import mean_normalise
from bodysounds.exporting.features import FEATURES
from bodysounds.exporting.fills import around, filled
from bodysounds.exporting.spread import statistics
from bodysounds.models.backend import Backend
from bodysounds.models.classifier import RETRAIN, Classifier
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
        return of_finite(functional.normalize(self.embedded(features)), waveforms)

    def embedded(self, features: Tensor) -> Tensor:
        """Return the body's embeddings (batch, dim), of any length."""
        if isinstance(self.body, Backend):
            return self.body.joined(self.body.parts(features, statistics=statistics))
        found: Tensor = self.body(features)
        return found.flatten(1)


class ProbabilityGraph(nn.Module):
    """Waveforms (batch, samples) float32 -> probabilities (batch, classes) float32.

    What `models.classifier.predict` gives, as probabilities: of each waveform the first clip is
    heard, and a shorter one is filled. A waveform that is not finite becomes NaN.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        module = network(classifier.encoder)
        if module.clip_samples is None:
            raise ValueError(f"the front end does not say the clip_s that it hears: {RETRAIN}")
        self.features = FEATURES[type(module.front_end)](module.front_end)
        self.body, self.over = module.body, module.over
        self.n_samples, self.fill = module.clip_samples, module.fill
        self.head = nn.Linear(module.dim, len(classifier.labels))
        self.head.load_state_dict(classifier.head)

    def forward(self, waveforms: Tensor) -> Tensor:
        features = self.features(filled(waveforms, self.n_samples, self.fill))
        if self.over is not None:
            features = mean_normalise(features, self.over)
        logits = self.head(self.body(features).flatten(1))
        return of_finite(logits.softmax(dim=1), waveforms)


def of_finite(answers: Tensor, waveforms: Tensor) -> Tensor:
    """Return answers (batch, n), NaN where a waveform is not finite."""
    return answers.where(waveforms.isfinite().all(dim=1, keepdim=True), torch.nan)
