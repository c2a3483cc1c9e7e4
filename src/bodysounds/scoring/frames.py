"""Frames of equal length over a waveform, as a classifier hears it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]

FILLS = ("zeros", "repeat")
FULL_SCALE = 32767 / 32768


def frames(
    waveform: Float32s, sample_rate: int, clip_s: float, hop_s: float, short: str = "zeros"
) -> tuple[Float64s, Float32s]:
    """Return the starts (s) of the frames, float64 (n,), and the frames, float32 (n, clip_samples).

    Parameters
    ----------
    waveform : float32 array of shape (n_samples,), finite
    sample_rate : int
        Hz.
    clip_s, hop_s : float
        Seconds of a frame, and from one to the next; hop_s <= clip_s, so that all is heard.
    short : "zeros" or "repeat"
        What fills up a waveform that is shorter than a frame.

    The last frame ends with the waveform: its hop is shorter where the rest of it is. Raises
    ValueError for an empty waveform, one of two dimensions, NaN or infinity.
    """
    wave = check_waveform(waveform)
    size, hop = round(clip_s * sample_rate), round(hop_s * sample_rate)
    if not 0 < hop <= size:
        raise ValueError(f"hop_s must be above 0 and at most clip_s = {clip_s:g}, got {hop_s!r}")
    if len(wave) <= size:
        return np.zeros(1), filled(wave, size, short)[None]
    last = len(wave) - size
    starts = np.arange(0, last + 1, hop)
    if starts[-1] < last:
        starts = np.append(starts, last)
    clips: Float32s = np.lib.stride_tricks.sliding_window_view(wave, size)[starts]
    return starts / sample_rate, clips


def filled(waveform: Float32s, n_samples: int, short: str) -> Float32s:
    """Return a waveform of at most n_samples at that length: zeros behind it, or itself again."""
    if short not in FILLS:
        raise ValueError(f"short must be {' or '.join(FILLS)}, got {short!r}")
    if short == "repeat":
        return np.resize(waveform, n_samples).astype(np.float32)
    return np.pad(waveform, (0, n_samples - len(waveform))).astype(np.float32)


def unusable(waveform: Float32s, sample_rate: int, limits: Mapping[str, float]) -> str | None:
    """Return why a waveform is not worth an answer (too short, silent, clipped), or None.

    Parameters
    ----------
    waveform : float32 array of shape (n_samples,)
        Full scale 1; at the rate and with the channels it came with, if that can be had.
    sample_rate : int
        Hz.
    limits : mapping
        min_s, silence_dbfs (of the peak) and clipped_share, as in the `usable` of a rule.
    """
    seconds = len(waveform) / sample_rate
    if seconds < limits["min_s"]:
        return too_short(seconds, limits["min_s"])
    peak = float(np.abs(waveform).max())
    if peak < 10 ** (limits["silence_dbfs"] / 20):
        told = f"{20 * np.log10(peak):.1f} dBFS" if peak else "digital zero"
        return f"silent: its peak is {told}, and it takes {limits['silence_dbfs']:g} dBFS"
    share = float(np.mean(np.abs(waveform) >= FULL_SCALE))
    if share > limits["clipped_share"]:
        return (
            f"clipped: {share:.0%} of its samples are at full scale, and at most "
            f"{limits['clipped_share']:.0%} may be"
        )
    return None


def unusable_channels(
    samples: Float32s, sample_rate: int, limits: Mapping[str, float]
) -> str | None:
    """Return why a recording, float32 (n, channels), is not worth an answer, or None.

    As `unusable` says of each channel, since their mean may be softer than full scale: one that is
    clipped is enough, and silent is a recording all of whose channels are.
    """
    reasons = [unusable(channel, sample_rate, limits) for channel in samples.T]
    loud = [reason for reason in reasons if not reason or not reason.startswith("silent")]
    return next(filter(None, loud), None) if loud else reasons[0]


def too_short(seconds: float, min_s: float) -> str:
    """Return the reason that a recording of so many seconds gets no answer."""
    return f"too short: {seconds:.3g} s, and it takes {min_s:g} s"


def check_waveform(waveform: npt.ArrayLike) -> Float32s:
    """Return a waveform as float32 (n,); ValueError where it is empty, not flat or not finite."""
    wave = np.asarray(waveform, dtype=np.float32)
    if wave.ndim != 1 or not len(wave):
        raise ValueError(f"a waveform has the shape (n,) with n > 0, got {wave.shape}")
    if not np.isfinite(wave).all():
        at = int(np.argmin(np.isfinite(wave)))
        raise ValueError(f"sample {at} of the waveform is {wave[at]}: samples are finite numbers")
    return wave
