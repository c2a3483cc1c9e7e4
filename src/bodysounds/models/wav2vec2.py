"""wav2vec 2.0 (Baevski et al. 2020, arXiv 2006.11477), with the names Hugging Face gives weights.

The network is that of `transformers`; what training draws comes from torch's generator alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

DIM = 256
"""Size of the embedding where the config does not say classifier_proj_size."""
KEYS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
    "hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout", "layerdrop",
    "initializer_range", "layer_norm_eps", "feat_extract_norm", "feat_extract_activation",
    "conv_dim", "conv_stride", "conv_kernel", "conv_bias", "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups", "do_stable_layer_norm", "apply_spec_augment",
    "mask_time_prob", "mask_time_length", "mask_time_min_masks", "mask_feature_prob",
    "mask_feature_length", "mask_feature_min_masks", "use_weighted_layer_sum",
    "classifier_proj_size", "adapter_attn_dim",
)  # fmt: skip
"""What of a `Wav2Vec2Config` shapes this network."""
SHARES = ("dropout", "_prob", "layerdrop")
SIZES = (
    "_size", "_layers", "_heads", "_length", "_dim", "_stride", "_kernel", "_embeddings", "_groups",
)  # fmt: skip


class Wav2Vec2(nn.Module):
    """Waveforms (batch, samples) -> embeddings (batch, classifier_proj_size).

    The mean over time of the projector's outputs: what the last layer of
    `Wav2Vec2ForSequenceClassification` reads.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification

        self.config = dict(config)
        # the masks of transformers follow numpy's global generator, and fail on short clips
        own = Wav2Vec2Config(**self.config | {"apply_spec_augment": False})
        published: Any = Wav2Vec2ForSequenceClassification(own)
        self.wav2vec2: nn.Module = published.wav2vec2
        self.projector: nn.Module = published.projector
        if config["use_weighted_layer_sum"]:
            self.layer_weights = published.layer_weights
        # else its input would ask for a gradient, and one be computed through frozen layers
        published.freeze_feature_encoder()
        for weight in published.wav2vec2.feature_extractor.parameters():
            weight.requires_grad_(True)
        published.wav2vec2.feature_projection.register_forward_hook(self._mask)

    def forward(self, waveforms: Tensor, heard: Tensor | None = None) -> Tensor:
        """Return embeddings.

        `heard` (batch, samples) is 1 where a waveform is and 0 where it was padded at the end; see
        `models.wav2vec2_lengths`. Raises ValueError for waveforms too short for one frame.
        """
        n_samples = waveforms.shape[-1] if heard is None else int(heard.sum(dim=1).min())
        check_length(self.config, n_samples)
        weighted = bool(self.config["use_weighted_layer_sum"])
        found = self.wav2vec2(waveforms, attention_mask=heard, output_hidden_states=weighted)
        hidden: Tensor = found.last_hidden_state
        if weighted:
            shares = self.layer_weights.softmax(dim=0)
            hidden = torch.einsum("lbth,l->bth", torch.stack(found.hidden_states), shares)
        projected: Tensor = self.projector(hidden)
        if heard is None:
            mean: Tensor = projected.mean(dim=1)
            return mean
        frames = torch.arange(projected.shape[1], device=projected.device)
        inside = frames < n_frames(self.config, heard.sum(dim=1))[:, None]
        pooled: Tensor = (projected * inside[..., None]).sum(dim=1) / inside.sum(dim=1)[:, None]
        return pooled

    def _mask(self, module: nn.Module, inputs: Any, outputs: tuple[Tensor, Tensor]) -> Any:
        """Mask what the encoder hears, while training (SpecAugment, as the paper does)."""
        hidden, extracted = outputs
        config = self.config
        if not (self.training and config["apply_spec_augment"]):
            return outputs
        batch, length, size = hidden.shape
        if config["mask_time_prob"] > 0:
            spans = span_mask(batch, length, *(config[f"mask_time_{key}"] for key in SPAN))
            embed: Any = self.wav2vec2.masked_spec_embed
            masked = embed.to(hidden.dtype)
            hidden = torch.where(spans.to(hidden.device)[..., None], masked, hidden)
        if config["mask_feature_prob"] > 0:
            spans = span_mask(batch, size, *(config[f"mask_feature_{key}"] for key in SPAN))
            hidden = hidden.masked_fill(spans.to(hidden.device)[:, None], 0.0)
        return hidden, extracted


SPAN = ("prob", "length", "min_masks")


def span_mask(batch: int, length: int, share: float, span: int, at_least: int) -> Tensor:
    """Return which places to mask, bool (batch, length), drawn from torch's generator on the CPU.

    As many spans in each row as make up `share` of it, not counting what two have in common,
    `at_least` so many, and never more than fit side by side: none where one alone does not fit.
    """
    wanted = int(share * length / span + torch.rand(()).item())
    count = min(max(wanted, at_least), length // span)
    mask = torch.zeros(batch, length, dtype=torch.bool)
    if count < 1:
        return mask
    starts = torch.rand(batch, length - span + 1).topk(count, dim=1).indices
    places = starts[:, :, None] + torch.arange(span)
    return mask.scatter_(1, places.flatten(1), True)


def build_wav2vec2(config: Mapping[str, Any], *, seed: int) -> Wav2Vec2:
    """Return a wav2vec 2.0 with random weights and no classifier.

    Parameters
    ----------
    config : mapping
        Any of `KEYS`, as `transformers.Wav2Vec2Config` has them; its defaults are those of the base
        model. Masks, dropout and layerdrop are drawn while training, from torch's global generator.
    seed : int
        Of the weights; the global generator is left as it was.

    Returns
    -------
    network : (batch, samples) float32 -> (batch, classifier_proj_size)

    Raises ValueError for an unknown key, and for a config that cannot be built.
    """
    config = complete_config(config)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            return Wav2Vec2(config)
        except (ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError) as error:
            raise ValueError(f"{NOT_BUILT} ({_first_line(error)})") from error


NOT_BUILT = "a wav2vec2 of this config cannot be built"


def complete_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return all of `KEYS`, plain JSON values; ValueError for an unknown key or a wrong value."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import Wav2Vec2Config

    unknown = sorted(set(config) - set(KEYS))
    if unknown:
        raise ValueError(
            f"the wav2vec2 config has the unknown key {unknown[0]!r}: keys are {', '.join(KEYS)}"
        )
    try:
        found = Wav2Vec2Config(**config).to_dict()
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise ValueError(f"{NOT_BUILT} ({_last_line(error)})") from error
    full = {key: _plain(found[key]) for key in KEYS}
    for key, value in full.items():
        if key.endswith(SHARES) and not 0 <= value <= 1:
            raise ValueError(f"{NOT_BUILT}: {key} is {value}, and goes from 0 to 1")
        smallest = min(value, default=0) if isinstance(value, list) else value
        if key.endswith(SIZES) and smallest is not None and smallest < 1:
            raise ValueError(f"{NOT_BUILT}: {key} is {value}, and is at least 1")
    return full


def wav2vec2_dim(config: Mapping[str, Any]) -> int:
    """Return the size of the embedding."""
    return int(config.get("classifier_proj_size", DIM))


def n_frames(config: Mapping[str, Any], n_samples: Any) -> Any:
    """Return the frames of waveforms so many samples long, an int or a tensor of them."""
    for kernel, stride in zip(config["conv_kernel"], config["conv_stride"], strict=True):
        n_samples = (n_samples - kernel) // stride + 1
    return n_samples


def shortest(config: Mapping[str, Any]) -> int:
    """Return the samples of one frame (400 as published): the shortest waveform that has any."""
    samples = 1
    pairs = list(zip(config["conv_kernel"], config["conv_stride"], strict=True))
    for kernel, stride in reversed(pairs):
        samples = (samples - 1) * stride + kernel
    return samples


def check_length(config: Mapping[str, Any], n_samples: int) -> None:
    """Raise ValueError where a waveform is too short for one frame."""
    needed = shortest(config)
    if n_samples < needed:
        raise ValueError(
            f"wav2vec2 needs at least {needed} samples (one frame), got {n_samples}: leave so "
            "short a waveform out, or fill it"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
