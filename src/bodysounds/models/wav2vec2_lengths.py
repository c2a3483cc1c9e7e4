"""Waveforms of several lengths through wav2vec 2.0: padded where that changes nothing.

With feat_extract_norm `layer` each frame is normalised by itself, and a mask keeps the padding out
of everything else. With `group` (the base models) the first convolution is normalised over the
whole waveform, padding included, which no mask undoes: there only equal lengths share a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from bodysounds.models.wav2vec2 import Wav2Vec2, check_length


def padded_batch(waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return waveforms (samples,) as one batch, zeros after the end of each, and where they are.

    Returns float32 and int64, both (batch, samples of the longest); the second is 1 where a
    waveform is heard. Raises ValueError for none.
    """
    if not waveforms:
        raise ValueError("there is no waveform to make a batch of: give at least one")
    heard = [torch.ones(len(waveform), dtype=torch.int64) for waveform in waveforms]
    return pad_sequence(list(waveforms), batch_first=True), pad_sequence(heard, batch_first=True)


def plan_batches(lengths: Sequence[int], batch_size: int, padding: bool) -> list[list[int]]:
    """Return the rows of each batch, of like lengths where `padding` is allowed, else of equal."""
    batches: list[list[int]] = []
    for row in map(int, np.argsort(lengths, kind="stable")):
        last = batches[-1] if batches else []
        fits = padding or (last and lengths[last[0]] == lengths[row])
        if last and fits and len(last) < batch_size:
            last.append(row)
        else:
            batches.append([row])
    return batches


def embed_many(
    front_end: nn.Module, body: Wav2Vec2, waveforms: Sequence[Tensor], batch_size: int = 16
) -> Tensor:
    """Return embeddings float32 (n, dim) of waveforms (samples,), in their order, on the CPU.

    They equal those of each waveform alone, but for rounding. `body` is in eval mode; on its device
    the front end hears each waveform before it is padded. Raises ValueError for one that is too
    short for a frame, for no waveform, and for a network that is training.
    """
    if body.training:
        raise ValueError("the network is training, and would mask what it hears: call its eval()")
    for waveform in waveforms:
        check_length(body.config, len(waveform))
    device = next(body.parameters()).device
    padding = body.config["feat_extract_norm"] == "layer"
    plan = plan_batches([len(waveform) for waveform in waveforms], batch_size, padding)
    parts, rows = [], []
    with torch.inference_mode():
        for own in plan:
            changed = [front_end(waveforms[row].to(device)[None])[0] for row in own]
            batch, heard = padded_batch([waveform.cpu() for waveform in changed])
            mask = None if bool(heard.all()) else heard.to(device)
            parts.append(body(batch.to(device), mask).float().cpu())
            rows += own
    if not rows:
        raise ValueError("there is no waveform to embed: give at least one")
    return torch.cat(parts)[torch.from_numpy(np.argsort(rows))]
