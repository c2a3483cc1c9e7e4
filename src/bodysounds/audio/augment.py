"""Random changes of a batch, on its device, drawn from a generator that is handed in."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bodysounds.audio.draws import Draws, integers, normal, uniform

Step = Callable[[Tensor, Draws], Tensor]
Rows = slice | Tensor


def random_tilt(
    waveforms: Tensor,
    generator: Draws,
    p: float = 0.5,
    depth_db: float = 6.0,
    n_points: int = 6,
) -> Tensor:
    """Pass waveforms through a smooth random magnitude response, as another microphone would.

    Parameters
    ----------
    waveforms : (batch, samples) float32
    p : float in [0, 1]
        Probability of each item to be changed.
    depth_db : float, at least 0
        Standard deviation of the response at each point (decibels).
    n_points : int, at least 2
        Points from 0 Hz to half the sample rate, closer together below, joined by straight lines.

    Returns waveforms of the same shape; on average the gain over the points is 0 dB.
    """
    n_items, n_samples = waveforms.shape
    gains_db = depth_db * normal((n_items, n_points), waveforms.device, generator)
    gains_db = gains_db - gains_db.mean(dim=1, keepdim=True)
    n_bins = n_samples // 2 + 1
    # the square root spaces the points so that the lower half of the band holds most of them
    place = torch.linspace(0, 1, n_bins, device=waveforms.device).sqrt() * (n_points - 1)
    below = place.floor().long().clamp_max(n_points - 2)
    share = place - below

    def tilted(own: Rows) -> Tensor:
        gains = gains_db[own]
        response_db = gains[:, below] * (1 - share) + gains[:, below + 1] * share
        response = torch.pow(10.0, response_db / 20)
        heard: Tensor = torch.fft.irfft(torch.fft.rfft(waveforms[own]) * response, n=n_samples)
        return heard

    return _some(tilted, waveforms, p, generator)


def add_noise(
    waveforms: Tensor,
    generator: Draws,
    p: float = 0.5,
    snr_db: Sequence[float] = (5.0, 30.0),
    colour: Sequence[float] = (0.0, 2.0),
) -> Tensor:
    """Add coloured noise at a random ratio of signal to noise.

    Parameters
    ----------
    waveforms : (batch, samples) float32
    p : float in [0, 1]
        Probability of each item to be changed.
    snr_db : [low, high]
        The ratio of powers over the item is drawn between these (decibels).
    colour : [low, high]
        The noise's power falls as frequency to this power: 0 white, 1 pink, 2 brown.

    Returns waveforms of the same shape. A silent item stays silent.
    """
    n_items, n_samples = waveforms.shape
    n_bins = n_samples // 2 + 1
    parts = normal((2, n_items, n_bins), waveforms.device, generator, axis=1)
    slope = _uniform(n_items, colour, waveforms, generator)
    frequency = torch.arange(n_bins, device=waveforms.device).clamp_min(1)
    ratio = torch.pow(10.0, -_uniform(n_items, snr_db, waveforms, generator) / 20)

    def noisy(own: Rows) -> Tensor:
        fall = torch.exp(-0.5 * slope[own] * torch.log(frequency))
        spectrum = torch.complex(parts[0, own] * fall, parts[1, own] * fall)
        noise = torch.fft.irfft(spectrum, n=n_samples)
        heard = waveforms[own]
        added: Tensor = ratio[own] * _rms(heard) / _rms(noise).clamp_min(1e-12) * noise
        return heard + added

    return _some(noisy, waveforms, p, generator)


def random_gain(
    waveforms: Tensor,
    generator: Draws,
    p: float = 0.5,
    gain_db: Sequence[float] = (-12.0, 12.0),
) -> Tensor:
    """Make waveforms louder or quieter, as another distance from the microphone would.

    Parameters
    ----------
    waveforms : (batch, samples) float32
    p : float in [0, 1]
        Probability of each item to be changed.
    gain_db : [low, high]
        The gain is drawn between these (decibels).

    Returns waveforms of the same shape; what exceeds full scale is not clipped.
    """
    gain = torch.pow(10.0, _uniform(len(waveforms), gain_db, waveforms, generator) / 20)
    return _some(lambda own: gain[own] * waveforms[own], waveforms, p, generator)


def spec_augment(
    features: Tensor,
    generator: Draws,
    p: float = 1.0,
    n_freq_masks: int = 2,
    freq_width: int = 8,
    n_time_masks: int = 2,
    time_width: int = 20,
) -> Tensor:
    """Set random bands and stretches to zero, which is the mean of mean-normalised features.

    Parameters
    ----------
    features : (batch, frames, n_mels) float32
    p : float in [0, 1]
        Probability of each item to be changed.
    n_freq_masks, n_time_masks : int
        Masks of an item in each direction.
    freq_width, time_width : int
        A mask's width is drawn from 0 to this many bands or frames.

    Returns features of the same shape. Park et al. 2019, "SpecAugment".
    """
    _, n_frames, n_mels = features.shape
    bands = _masks(n_freq_masks, freq_width, n_mels, features, generator)
    stretches = _masks(n_time_masks, time_width, n_frames, features, generator)

    def masked(own: Rows) -> Tensor:
        hidden = bands[own, None, :] | stretches[own, :, None]
        return features[own].masked_fill(hidden, 0.0)

    return _some(masked, features, p, generator)


WAVEFORM_STEPS: Mapping[str, Callable[..., Tensor]] = {
    "gain": random_gain,
    "tilt": random_tilt,
    "noise": add_noise,
}
FEATURE_STEPS: Mapping[str, Callable[..., Tensor]] = {"spec_augment": spec_augment}


@dataclass(frozen=True)
class Augment:
    """The augmentations of a recipe, in its order."""

    waveform_steps: tuple[Step, ...] = ()
    feature_steps: tuple[Step, ...] = ()

    def waveforms(self, waveforms: Tensor, generator: Draws) -> Tensor:
        """Return changed waveforms (batch, samples)."""
        for step in self.waveform_steps:
            waveforms = step(waveforms, generator)
        return waveforms

    def features(self, features: Tensor, generator: Draws) -> Tensor:
        """Return changed mean-normalised features (batch, frames, n_mels)."""
        for step in self.feature_steps:
            features = step(features, generator)
        return features


def build_augment(specs: Sequence[Mapping[str, Any]]) -> Augment:
    """Return the augmentations that a list of {name, option: value} asks for.

    Raises ValueError for an unknown name or option, and for an option out of its bounds.
    """
    chosen: dict[str, list[Step]] = {"waveform": [], "feature": []}
    for spec in specs:
        options = dict(spec)
        name = options.pop("name", None)
        kind = "waveform" if name in WAVEFORM_STEPS else "feature"
        function = WAVEFORM_STEPS.get(name) or FEATURE_STEPS.get(name)
        if function is None:
            known = ", ".join([*WAVEFORM_STEPS, *FEATURE_STEPS])
            raise ValueError(f"augment[].name must be one of {known}, got {name!r}")
        _check_options(str(name), function, options)
        chosen[kind].append(_bound(function, options))
    return Augment(tuple(chosen["waveform"]), tuple(chosen["feature"]))


def _bound(function: Callable[..., Tensor], options: Mapping[str, Any]) -> Step:
    return lambda batch, generator: function(batch, generator, **options)


def _check_options(name: str, function: Callable[..., Tensor], options: Mapping[str, Any]) -> None:
    allowed = list(inspect.signature(function).parameters)[2:]
    for key, value in options.items():
        if key not in allowed:
            raise ValueError(f"augment {name} has no option {key!r}: it has {', '.join(allowed)}")
        numbers = list(value) if isinstance(value, list | tuple) else [value]
        if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
            raise ValueError(f"augment {name}: {key} must be a number, got {value!r}")
        is_range = key in ("gain_db", "snr_db", "colour")
        if is_range and (len(numbers) != 2 or not numbers[0] <= numbers[1]):
            raise ValueError(f"augment {name}: {key} must be [low, high], got {value!r}")
        if not is_range and len(numbers) != 1:
            raise ValueError(f"augment {name}: {key} must be one number, got {value!r}")
        if key == "p" and not 0 <= value <= 1:
            raise ValueError(f"augment {name}: p must lie in [0, 1], got {value!r}")
        if key == "depth_db" and value < 0:
            raise ValueError(f"augment {name}: depth_db must be at least 0, got {value!r}")
        if key == "n_points" and value < 2:
            raise ValueError(f"augment {name}: n_points must be at least 2, got {value!r}")
        if key.startswith(("n_", "freq_", "time_")) and (value < 0 or value != math.floor(value)):
            raise ValueError(f"augment {name}: {key} must be a count, got {value!r}")


def _uniform(n: int, bounds: Sequence[float], like: Tensor, generator: Draws) -> Tensor:
    low, high = bounds
    return low + (high - low) * uniform((n, 1), like.device, generator)


def _rms(waveforms: Tensor) -> Tensor:
    return waveforms.square().mean(dim=-1, keepdim=True).sqrt()


def _some(change: Callable[[Rows], Tensor], batch: Tensor, p: float, generator: Draws) -> Tensor:
    """Return the batch, each item changed with probability p.

    `change` returns some rows of the batch, changed. On a CPU it is asked for those that are drawn;
    a GPU changes all, since the host would have to wait for their number.
    """
    drawn = uniform((len(batch),), batch.device, generator) < p
    if batch.device.type != "cpu":
        return torch.where(drawn.view(-1, *[1] * (batch.ndim - 1)), change(slice(None)), batch)
    if drawn.all():
        return change(slice(None))
    own = drawn.nonzero()[:, 0]
    return batch.index_copy(0, own, change(own)) if len(own) else batch


def _masks(n: int, width: int, size: int, like: Tensor, generator: Draws) -> Tensor:
    """Return bool (batch, size), true where one of n random stretches lies."""
    shape = (len(like), n, 1)
    widths = integers(width + 1, shape, like.device, generator).clamp_max(size)
    start = uniform(shape, like.device, generator) * (size - widths + 1)
    start = start.floor().long()
    place = torch.arange(size, device=like.device)
    return ((place >= start) & (place < start + widths)).any(dim=1)
