"""A corpus in the memory of the device: crops are gathered there, and no sample is sent."""

from __future__ import annotations

import logging

import numpy as np
import torch
from torch import Tensor

from bodysounds.audio.packed import Packed
from bodysounds.training.crops import Windows
from bodysounds.types import Ints

log = logging.getLogger(__name__)

SHARE = 0.25
"""Of the device's free memory that samples may take; the rest is the network's."""
AT_A_TIME = 1 << 26
"""Samples copied at once."""


def resident_samples(packed: Packed, device: torch.device) -> Tensor | None:
    """Return all samples on a CUDA device, int16 (n,), or None where they don't fit or it is none.

    They fit in a quarter of its free memory.
    """
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    needed = packed.samples.nbytes
    if needed > SHARE * free:
        log.info(
            "%.1f GB of samples stay in the host's memory: %s has %.1f GB free, of which samples "
            "may take %d%%", needed / 1e9, device, free / 1e9, 100 * SHARE,
        )  # fmt: skip
        return None
    return put(packed, device)


def put(packed: Packed, device: torch.device) -> Tensor:
    """Return a copy of all samples on a device, int16 (n,)."""
    samples = torch.empty(packed.samples.shape, dtype=torch.int16, device=device)
    for first in range(0, len(samples), AT_A_TIME):
        # a memory map cannot be written to, and torch warns of that: a copy can
        piece = np.array(packed.samples[first : first + AT_A_TIME])
        samples[first : first + AT_A_TIME].copy_(torch.from_numpy(piece))
    return samples


def pieces(windows: Windows) -> Ints:
    """Return what `gather` needs, int64 (3, n_pieces).

    first_sample and n_samples of each piece, and its place among the samples of all crops.
    """
    spans = np.concatenate(windows.spans)
    owners = np.repeat(np.arange(len(windows)), [len(own) for own in windows.spans])
    ends = np.cumsum(spans[:, 1])
    begins = ends - spans[:, 1]
    # of the first piece of each crop, from where on its row is filled
    first = np.searchsorted(owners, np.arange(len(windows)))
    places = owners * windows.longest + begins - begins[first][owners]
    return np.stack([spans[:, 0], spans[:, 1], places])


def gather(samples: Tensor, table: Tensor, n_crops: int, longest: int, n_samples: int) -> Tensor:
    """Return crops of the samples, int16 (n_crops, longest) on their device, as `read_windows`.

    Parameters
    ----------
    samples : (n,) int16
    table : (3, n_pieces) int64
        Of `pieces`, on the device of the samples.
    n_samples : int
        The samples of all pieces; known beforehand, so that the host waits for nothing.
    """
    first, count, place = table
    begin = count.cumsum(0) - count
    owner = torch.repeat_interleave(
        torch.arange(len(first), device=samples.device), count, output_size=n_samples
    )
    inside = torch.arange(n_samples, device=samples.device) - begin[owner]
    crops = samples.new_zeros(n_crops * longest)
    crops[place[owner] + inside] = samples[first[owner] + inside]
    return crops.view(n_crops, longest)
