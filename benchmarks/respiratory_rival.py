"""A plain training loop for breath cycles, as respiratory.py times it beside the project's own.

Each epoch it does what the public code of Moummad and Farrugia 2022 (arXiv 2210.16192) does: an
item at a time from a data loader without workers; MelSpectrogram, decibels and the stretch to
[0, 1] over the batch, SpecAugment with masks of its own for each item, standardised by constants;
one pass of the network a view; float32, and torch's default layout of memory.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchaudio import transforms

from bodysounds.audio.log_mel import PUBLISHED_MEAN, PUBLISHED_STD
from bodysounds.losses.supcon import supcon
from bodysounds.models.panns import CHANNELS
from bodysounds.params import TrainRespiratoryParams


class Cycle(NamedTuple):
    """Where a cycle is on disk, and its class."""

    path: str
    start_s: float
    end_s: float
    label: int


class Files(Dataset):
    """Waveforms float32 (1, samples) with their classes, read from the files whenever asked for.

    The part of the file is read, its channels averaged, resampled, and cut or repeated.
    """

    def __init__(self, cycles: Sequence[Cycle], sample_rate: int, n_samples: int) -> None:
        self.cycles, self.sample_rate, self.n_samples = cycles, sample_rate, n_samples
        # kept, which spares it the making of the filter for each item
        self.resample: dict[int, Callable[[Tensor], Tensor]] = {}

    def __len__(self) -> int:
        return len(self.cycles)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        path, start_s, end_s, label = self.cycles[number]
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            file.seek(int(start_s * rate))
            read = file.read(int(end_s * rate) - file.tell(), dtype="float32", always_2d=True)
        found = torch.from_numpy(read).mean(dim=1)[None]
        if rate != self.sample_rate:
            if rate not in self.resample:
                self.resample[rate] = transforms.Resample(rate, self.sample_rate)
            found = self.resample[rate](found)
        found = found.repeat(1, math.ceil(self.n_samples / found.shape[1]))
        return found[:, : self.n_samples], label


class Kept(Dataset):
    """The same, read once into one tensor on the device, as the public code keeps them."""

    def __init__(self, files: Files, device: torch.device) -> None:
        items = [files[number] for number in range(len(files))]
        self.waveforms = torch.stack([found for found, _ in items]).to(device)
        self.labels = torch.tensor([label for _, label in items], device=device)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return self.waveforms[number], self.labels[number]


class PlainCnn6(nn.Module):
    """CNN6 as it is usually written: features (batch, 1, bands, frames) -> (batch, 512)."""

    def __init__(self) -> None:
        super().__init__()
        blocks, n_in = [], 1
        for n_out in CHANNELS["cnn6"]:
            convolution = nn.Conv2d(n_in, n_out, 5, padding=2, bias=False)
            blocks += [convolution, nn.BatchNorm2d(n_out), nn.ReLU(), nn.AvgPool2d(2)]
            n_in = n_out
        self.blocks, self.dim = nn.Sequential(*blocks), n_in

    def forward(self, features: Tensor) -> Tensor:
        found = self.blocks(features).mean(dim=3)
        return found.amax(dim=2) + found.mean(dim=2)


class Stretch(nn.Module):
    """The whole batch between 0 and 1."""

    def forward(self, features: Tensor) -> Tensor:
        low, high = features.min(), features.max()
        return (features - low) / (high - low)


class Standardise(nn.Module):
    """By the constants that were published."""

    def forward(self, features: Tensor) -> Tensor:
        return (features - PUBLISHED_MEAN) / PUBLISHED_STD


@dataclass
class Rival:
    """What a plain loop trains."""

    params: TrainRespiratoryParams
    transform: nn.Module
    network: PlainCnn6
    classes: nn.Module
    projection: nn.Module
    optimiser: torch.optim.Optimizer
    class_weights: Tensor | None
    device: torch.device

    def step(self, waveforms: Tensor, labels: Tensor) -> float:
        """Take a step on waveforms (batch, 1, samples) and return its loss."""
        params, views = self.params, self.params.views
        waveforms, labels = waveforms.to(self.device), labels.to(self.device)
        with torch.no_grad():
            heard = [self.transform(waveforms) for _ in range(views)]
        self.optimiser.zero_grad()
        embeddings = [self.network(features) for features in heard]
        told = torch.cat([self.classes(found) for found in embeddings])
        every = torch.cat([labels] * views)
        loss = functional.cross_entropy(told, every, self.class_weights)
        if params.contrastive:
            compared = torch.cat([self.projection(found) for found in embeddings])
            alike = supcon(compared, every, every, params.temperature)
            loss = params.hybrid_alpha * alike + (1 - params.hybrid_alpha) * loss
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def epoch(self, dataset: Dataset) -> None:
        """Take a step a batch, each item once, in random order."""
        for waveforms, labels in DataLoader(dataset, self.params.batch_size, shuffle=True):
            self.step(waveforms, labels)


def build_rival(
    params: TrainRespiratoryParams,
    sample_rate: int,
    n_classes: int,
    class_weights: Tensor | None,
    device: torch.device,
) -> Rival:
    """Return the loop for `sl` or `hybrid` with CNN6 at width 1."""
    (masks,) = params.augment
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mel = transforms.MelSpectrogram(
            sample_rate, params.n_fft, hop_length=params.hop, n_mels=params.n_mels,
            f_min=params.f_min, f_max=params.f_max,
        )  # fmt: skip
    bands = [transforms.FrequencyMasking(masks["freq_width"], iid_masks=True)]
    frames = [transforms.TimeMasking(masks["time_width"], iid_masks=True)]
    augment = bands * masks["n_freq_masks"] + frames * masks["n_time_masks"]
    parts = [mel, transforms.AmplitudeToDB(), Stretch(), *augment, Standardise()]
    network = PlainCnn6()
    dim = network.dim
    above = nn.ModuleList(
        [
            nn.Linear(dim, n_classes),
            nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, params.projection)),
        ]
    )
    learning = nn.ModuleList([network, above]).to(device).train()
    optimiser = torch.optim.Adam(
        learning.parameters(), params.learning_rate, weight_decay=params.weight_decay
    )
    transform = nn.Sequential(*parts).to(device)
    return Rival(params, transform, network, *above, optimiser, class_weights, device)
