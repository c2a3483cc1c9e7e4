"""How a network listens when nothing is learnt: the quickest form with the same embeddings."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bodysounds.models.backend import Backend
from bodysounds.models.ecapa import Ecapa
from bodysounds.models.ecapa_inference import inference_form
from bodysounds.models.network import EmbeddingNetwork


def listener(module: EmbeddingNetwork, bf16: bool) -> Callable[[Tensor], Tensor]:
    """Return a function that embeds waveforms with the network as it is now.

    The caller has the network in eval mode, and calls the function under `torch.inference_mode`.
    The front end stays in float32.

    Parameters
    ----------
    bf16 : bool
        Compute the products of the body in bfloat16.

    Returns
    -------
    listen : (batch, samples) float32 -> (batch, dim) float32, not normalised
    """

    body = module.body
    if isinstance(body, Ecapa):
        embed = inference_form(body, bf16)
        return lambda waveforms: of_numbers(module.features(waveforms), embed)
    if isinstance(body, Backend) and isinstance(body.network, Ecapa):
        quick = inference_form(body.network, bf16)
        return lambda waveforms: of_numbers(
            module.features(waveforms), lambda features: body(features, quick)
        )

    def listen(waveforms: Tensor) -> Tensor:
        features = module.features(waveforms)
        with torch.autocast(waveforms.device.type, torch.bfloat16, enabled=bf16):
            return module.embed(features).float()

    return listen


def of_numbers(features: Tensor, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Return embed(features); NaN for items whose features are not finite.

    A fused ReLU would make numbers of them.
    """
    finite = features.isfinite().flatten(1).all(1, keepdim=True)
    return embed(features).where(finite, torch.nan)
