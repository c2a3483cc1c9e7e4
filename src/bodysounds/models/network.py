"""The embedding network: a front end and a body, from waveforms to embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from bodysounds.audio.frontends import front_end, mean_normalise
from bodysounds.audio.log_mel import NAME as LOG_MEL
from bodysounds.audio.log_mel import LogMel
from bodysounds.audio.stft_image import NAME as STFT_IMAGE
from bodysounds.audio.stft_image import StftImage
from bodysounds.audio.waveform import NAME as WAVEFORM
from bodysounds.audio.waveform import Waveform
from bodysounds.audio.yamnet_log_mel import NAME as YAMNET_LOG_MEL
from bodysounds.audio.yamnet_log_mel import YamnetLogMel
from bodysounds.models.backend import build_backend
from bodysounds.models.ecapa import build_ecapa
from bodysounds.models.panns import CHANNELS as PANNS
from bodysounds.models.panns import build_panns, panns_dim
from bodysounds.models.resnet import build_resnet18, resnet18_dim
from bodysounds.models.wav2vec2 import build_wav2vec2, wav2vec2_dim
from bodysounds.models.yamnet import build_yamnet, yamnet_dim

BODIES: Mapping[str, Callable[..., nn.Module]] = {
    "ecapa": build_ecapa,
    "backend": build_backend,
    "resnet18": build_resnet18,
    "yamnet": build_yamnet,
    "wav2vec2": build_wav2vec2,
    **{name: partial(build_panns, name) for name in PANNS},
}
HEARS = {
    "resnet18": STFT_IMAGE,
    "yamnet": YAMNET_LOG_MEL,
    "wav2vec2": WAVEFORM,
    **dict.fromkeys(PANNS, LOG_MEL),
}
"""Bodies with a front end of their own; the others read log-mel features."""
OWN: Mapping[str, Callable[..., nn.Module]] = {
    STFT_IMAGE: StftImage,
    YAMNET_LOG_MEL: YamnetLogMel,
    WAVEFORM: Waveform,
    LOG_MEL: LogMel,
}
"""Front ends that normalise, if at all, by themselves."""


class EmbeddingNetwork(nn.Module):
    """Waveforms (batch, samples) float32 -> embeddings (batch, dim), of any length.

    Of a waveform longer than the `clip_s` of the front end stft_image only the start is heard.
    `clip_samples` and `fill` are the clips that a classifier hears; None where its front end does
    not say.
    """

    def __init__(self, architecture: Mapping[str, Any], features: Mapping[str, Any], seed: int):
        super().__init__()
        check_pair(architecture, features)
        self.front_end, self.over = build_front_end(features)
        self.body = build_body(architecture, seed)
        self.sample_rate, self.dim = int(features["sample_rate"]), embedding_dim(architecture)
        clip_s = features.get("clip_s")
        self.clip_samples: int | None = None if clip_s is None else round(clip_s * self.sample_rate)
        self.fill = str(features.get("fill", "repeat"))

    def features(self, waveforms: Tensor) -> Tensor:
        """Return what the body reads; which of these it is, the front end says.

        Normalised features (batch, frames, n_mels), normalised images (batch, 3, size, size),
        log-mel patches (batch, patches, 96, 64), or waveforms (batch, samples).
        """
        features: Tensor = self.front_end(waveforms)
        return features if self.over is None else mean_normalise(features, self.over)

    def embed(self, features: Tensor) -> Tensor:
        """Return embeddings (batch, dim) of what `features` returns."""
        embeddings: Tensor = self.body(features)
        return embeddings.squeeze(1)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.embed(self.features(waveforms))


def build_front_end(features: Mapping[str, Any]) -> tuple[nn.Module, str | None]:
    """Return a front end, and what its mean is taken over (None for those in `OWN`)."""
    options = dict(features)
    if options.get("name") in OWN:
        build = OWN[options.pop("name")]
        if build is not StftImage:
            # clips are cut before these, which hear any length
            options = {key: options[key] for key in options if key not in ("clip_s", "fill")}
        try:
            return build(**options), None
        except TypeError as error:
            raise ValueError(f"the front end {dict(features)} is not complete: {error}") from error
    if "mean_over" not in options:
        raise ValueError(
            f"the front end {options} does not say mean_over (band or clip): train the encoder "
            "again with this version"
        )
    over = str(options.pop("mean_over"))
    return front_end(**options), over


def build_body(architecture: Mapping[str, Any], seed: int) -> nn.Module:
    """Return the network of an architecture with random weights; ValueError for an unknown one."""
    options = dict(architecture)
    name = options.pop("name", None)
    if name not in BODIES:
        raise ValueError(f"architecture must be {' or '.join(BODIES)}, got {name!r}")
    try:
        return BODIES[name](**options, seed=seed)
    except TypeError as error:
        raise ValueError(f"architecture {dict(architecture)} is not complete: {error}") from error


def check_pair(architecture: Mapping[str, Any], features: Mapping[str, Any]) -> None:
    """Raise ValueError where the body cannot read what the front end gives."""
    body, heard = architecture.get("name"), features.get("name")
    wanted = HEARS.get(str(body))
    if body in BODIES and heard != wanted and (wanted or heard in OWN):
        told = wanted or "speechbrain or kaldi"
        raise ValueError(f"architecture {body} needs the front end {told}, got {heard!r}")


def embedding_dim(architecture: Mapping[str, Any]) -> int:
    """Return the size of the embeddings of an architecture that `build_body` accepts."""
    name = architecture["name"]
    if name == "resnet18":
        return resnet18_dim(architecture.get("width", 64), architecture.get("dim"))
    if name == "yamnet":
        return yamnet_dim(architecture.get("width", 1.0))
    if name == "wav2vec2":
        return wav2vec2_dim(architecture.get("config", {}))
    if name in PANNS:
        return panns_dim(name, architecture.get("width", 1.0))
    return int(architecture["dim"])


def detached(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the module's weights on the CPU."""
    return {k: v.detach().to("cpu", copy=True) for k, v in module.state_dict().items()}
