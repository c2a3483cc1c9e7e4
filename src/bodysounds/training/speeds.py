"""Subjects at another speed, who count as other subjects.

Speed perturbation (Ko et al. 2015, "Audio augmentation for speech recognition") as a way to more
speakers (Yamamoto et al. 2019, "Speaker augmentation and bandwidth extension for deep speaker
embedding"): pitch and formants move with the speed, so that another one is heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import gcd

import numpy as np
import torch
from torch import Tensor, nn

from bodysounds.training.sampler import Batch
from bodysounds.types import Floats, Ints

STEPS = 100
"""Speeds are whole hundredths, so that a resampling has a short cycle."""


def class_numbers(subjects: Ints, places: Ints | int, n_speeds: int) -> Ints:
    """Return the class of each subject at the speed of that place in the list of speeds."""
    numbers: Ints = subjects * n_speeds + places
    return numbers


def class_groups(groups: Ints, n_speeds: int) -> Ints:
    """Return the group of each class, int64 (n_subjects * n_speeds,), of those of the subjects.

    Two of one group are not set against each other at one speed; at two speeds they are, as a
    subject is against itself.
    """
    return class_numbers(groups[:, None], np.arange(n_speeds), n_speeds).reshape(-1)


def draw_speeds(batch: Batch, speeds: Sequence[float], rng: np.random.Generator) -> Batch:
    """Return the batch with a speed drawn for each of its subjects, and the classes of these.

    The batch's labels are subjects. With one speed nothing is drawn and it is returned as it is.
    """
    if len(speeds) == 1:
        return batch
    subjects, own = np.unique(batch.labels, return_inverse=True)
    places = rng.integers(len(speeds), size=len(subjects))[own]
    labels = class_numbers(batch.labels, places, len(speeds))
    return replace(batch, labels=labels, speeds=np.asarray(speeds, np.float64)[places])


def as_recorded(batch: Batch, speeds: Sequence[float]) -> Batch:
    """Return the batch, whose labels are subjects, with their classes at speed 1."""
    place = list(speeds).index(1.0)
    return replace(batch, labels=class_numbers(batch.labels, place, len(speeds)))


def ratio(speed: float) -> tuple[int, int]:
    """Return the speed as the smallest whole numbers, samples read to samples heard."""
    read = round(speed * STEPS)
    common = gcd(read, STEPS)
    return read // common, STEPS // common


def n_read(n_samples: Ints, speeds: Floats) -> Ints:
    """Return the samples to read for so many to be heard at each speed, int64 (n,)."""
    ratios = np.array([ratio(speed) for speed in speeds.tolist()], dtype=np.int64).reshape(-1, 2)
    counts: Ints = -(-n_samples * ratios[:, 0] // ratios[:, 1])
    return counts


def at_speeds(waveforms: Tensor, speeds: Floats, n_samples: int) -> Tensor:
    """Return waveforms as they sound at their speeds, (n, n_samples).

    Parameters
    ----------
    waveforms : (n, n_read at least) float
        Row k needs the first `n_read(n_samples, speeds)[k]` of its samples; others are left out.
    speeds : float64 (n,)
    """
    heard = waveforms.new_empty((len(waveforms), n_samples))
    for speed in np.unique(speeds):
        own = torch.from_numpy(np.flatnonzero(speeds == speed))
        own = own.to(waveforms.device, non_blocking=True)
        longest = int(n_read(np.array([n_samples]), np.array([speed]))[0])
        heard[own] = at_speed(waveforms[own, :longest], float(speed))[:, :n_samples]
    return heard


def at_speed(waveforms: Tensor, speed: float) -> Tensor:
    """Return waveforms (n, samples) as they sound at a speed: (n, about samples / speed)."""
    read, heard = ratio(speed)
    if read == heard:
        return waveforms
    resampled: Tensor = _resampler(read, heard, waveforms.device)(waveforms)
    return resampled


@lru_cache(maxsize=64)
def _resampler(read: int, heard: int, device: torch.device) -> nn.Module:
    from torchaudio.transforms import Resample

    module: nn.Module = Resample(read, heard)
    return module.to(device)
