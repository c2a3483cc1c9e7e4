"""Two loops that train SpeechBrain's ECAPA-TDNN, as training.py times them beside the project's.

`Plain` is the loop of published training code: each step reads its wav files one by one, cuts a
random crop of each, pads them to one length, computes the features and asks for the loss as a
number. `Brain` is SpeechBrain's own, put together as its recipe for VoxCeleb does: a
DynamicItemDataset that reads a random part of each file, its data loader and PaddedBatch, gradients
clipped, the loss checked. Both hold SpeechBrain's Fbank, mean normalisation, network and
AAM-softmax in float32; the triplet loss, which it has not, is batch-hard in its usual form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from embedding_rival import N_MELS
from torch import Tensor, nn
from torch.nn import functional

from bodysounds._speechbrain import Fbank

# behind the line that tells SpeechBrain to leave the switches of torch alone
import speechbrain as sb  # isort: skip
from speechbrain.dataio.dataio import read_audio  # isort: skip
from speechbrain.dataio.dataloader import make_dataloader  # isort: skip
from speechbrain.dataio.dataset import DynamicItemDataset  # isort: skip
from speechbrain.lobes.models.ECAPA_TDNN import Classifier  # isort: skip
from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper  # isort: skip
from speechbrain.processing.features import InputNormalization  # isort: skip


@dataclass(frozen=True)
class Item:
    """A file, its samples and its subject."""

    path: Path
    n_samples: int
    label: int


class Judge(nn.Module):
    """Waveforms and labels to the loss `aam` or `triplet`."""

    def __init__(
        self, loss: str, network: nn.Module, centres: Tensor | None, margin: float, scale: float
    ) -> None:
        super().__init__()
        self.features = Fbank(n_mels=N_MELS)
        self.normalise = InputNormalization(norm_type="sentence", std_norm=False)
        self.network, self.margin = network, margin
        self.classifier: nn.Module | None = None
        if loss == "aam":
            assert centres is not None
            n_classes, dim = centres.shape
            self.classifier = Classifier(dim, lin_neurons=dim, out_neurons=n_classes)
            with torch.no_grad():
                self.classifier.weight.copy_(centres)
            self.cost = LogSoftmaxWrapper(AdditiveAngularMargin(margin=margin, scale=scale))

    def embed(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.normalise(self.features(waveforms), lengths)
        found: Tensor = self.network(features)
        return found

    def forward(self, waveforms: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        return self.loss(self.embed(waveforms, lengths), labels)

    def loss(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if self.classifier is not None:
            found: Tensor = self.cost(self.classifier(embeddings), labels[:, None])
            return found
        unit = functional.normalize(embeddings.squeeze(1))
        distances = 1.0 - unit @ unit.T
        same = labels[:, None] == labels[None, :]
        # the furthest of one's own subject, the nearest of another
        to_positive = distances.masked_fill(~same, -1.0).amax(dim=1)
        to_negative = distances.masked_fill(same, 3.0).amin(dim=1)
        return functional.relu(to_positive - to_negative + self.margin).mean()


class Plain:
    """Files are read, cut and padded in the step."""

    def __init__(self, judge: Judge, items: Sequence[Item], options: dict[str, Any]) -> None:
        self.judge, self.items, self.options = judge, items, options
        self.rng = np.random.default_rng(0)
        self.optimiser = torch.optim.Adam(judge.parameters(), options["learning_rate"])

    def epoch(self) -> None:
        """Take a step for each batch of files."""
        size, device = self.options["batch"], self.options["device"]
        self.judge.train()
        for first in range(0, len(self.items), size):
            own = self.items[first : first + size]
            crops = [self.crop(item) for item in own]
            waveforms = nn.utils.rnn.pad_sequence(crops, batch_first=True).to(device)
            lengths = torch.tensor([len(crop) / waveforms.shape[1] for crop in crops])
            labels = torch.tensor([item.label for item in own], device=device)
            loss = self.judge(waveforms, lengths.to(device), labels)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            if not np.isfinite(loss.item()):
                raise SystemExit("the plain loop has no finite loss")

    def crop(self, item: Item) -> Tensor:
        """Return a random part of a file, which is read whole."""
        samples, _ = soundfile.read(item.path, dtype="float32")
        start = self.rng.integers(max(1, len(samples) - self.options["n_samples"] + 1))
        return torch.from_numpy(samples[start : start + self.options["n_samples"]])


class Recipe(sb.Brain):  # type: ignore[misc]
    """As the recipe VoxCeleb/SpeakerRec of SpeechBrain, without augmentation."""

    def on_fit_start(self) -> None:
        """Make the optimiser once, and not for every epoch that is timed."""
        if not hasattr(self, "optimizer"):
            super().on_fit_start()

    def compute_forward(self, batch: Any, stage: Any) -> Tensor:
        waveforms, lengths = batch.to(self.device).sig
        found: Tensor = self.modules.judge.embed(waveforms, lengths)
        return found

    def compute_objectives(self, predictions: Tensor, batch: Any, stage: Any) -> Tensor:
        found: Tensor = self.modules.judge.loss(predictions, batch.label)
        return found


class Brain:
    """SpeechBrain's loop over its own data loader."""

    def __init__(self, judge: Judge, items: Sequence[Item], options: dict[str, Any]) -> None:
        rng, n = np.random.default_rng(0), options["n_samples"]

        @sb.utils.data_pipeline.takes("path", "duration")  # type: ignore[misc]
        @sb.utils.data_pipeline.provides("sig")  # type: ignore[misc]
        def part(path: str, duration: int) -> Tensor:
            start = int(rng.integers(max(1, duration - n + 1)))
            found: Tensor = read_audio({"file": path, "start": start, "stop": start + n})
            return found

        rows = {
            f"{k:06d}": {"path": str(item.path), "duration": item.n_samples, "label": item.label}
            for k, item in enumerate(items)
        }
        data = DynamicItemDataset(rows, dynamic_items=[part], output_keys=["id", "sig", "label"])
        workers = options["workers"]
        self.loader = make_dataloader(
            data, batch_size=options["batch"], num_workers=workers, persistent_workers=workers > 0
        )
        run_opts = {"device": str(options["device"]), "noprogressbar": True}
        self.brain = Recipe(
            {"judge": judge},
            lambda weights: torch.optim.Adam(weights, options["learning_rate"]),
            run_opts=run_opts,
        )

    def epoch(self) -> None:
        """Take a step for each batch of files."""
        self.brain.fit(range(1), self.loader)
