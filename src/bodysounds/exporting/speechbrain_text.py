"""The text files of a SpeechBrain folder: its settings, and its classes where it needs some."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bodysounds.models.encoder import Encoder
from bodysounds.models.hyperparams import FBANK, NETWORK, NORMALISATION

MODULE = "bodysounds_interface"
SETTINGS = """# An encoder that bodysounds exported, for SpeechBrain's EncoderClassifier
{about}
compute_features: !new:{fbank}
{features}

mean_var_norm: !new:{mean}

{model}

# no classes leave with an encoder
classifier: !new:torch.nn.Identity

# encode_batch(normalize=True) takes a mean of zero off
mean_var_norm_emb: !new:{norm}
    norm_type: global
    std_norm: False

audio_normalizer: !new:speechbrain.dataio.preprocess.AudioNormalizer
    sample_rate: {rate}

modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
    classifier: !ref <classifier>

pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        mean_var_norm_emb: !ref <mean_var_norm_emb>
"""


def own_classes(encoder: Encoder) -> bool:
    """Whether SpeechBrain has no class for a part of it: a backend, or a mean over the clip."""
    name, over = encoder.architecture["name"], encoder.front_end["mean_over"]
    return bool(name == "backend" or over != "band")


def settings_text(encoder: Encoder, about: Mapping[str, Any]) -> str:
    """Return hyperparams.yaml; `about`, plain values, is kept under the name `about`."""
    architecture, front_end = encoder.architecture, encoder.front_end
    rate, over = int(front_end["sample_rate"]), front_end["mean_over"]
    features: dict[str, Any] = {"n_mels": front_end["n_mels"]}
    if rate != 16_000:
        features = {"sample_rate": rate, "n_fft": round(0.025 * rate)} | features
    mean = f"{NORMALISATION}\n    norm_type: sentence\n    std_norm: False"
    if own_classes(encoder):
        mean = f"{MODULE}.Mean\n    over: {over}"
    if architecture["name"] == "backend":
        sizes = {
            part: list(encoder.state[f"projections.{part}.matrix"].shape)
            for part in architecture["dims"]
        }
        model = (
            f"{_network('network', architecture['network'])}\n\n"
            f"embedding_model: !new:{MODULE}.Backend\n    network: !ref <network>\n"
            f"    over: {architecture['over']}\n    sizes: {_flow(sizes)}"
        )
    else:
        model = _network("embedding_model", architecture)
    return SETTINGS.format(
        about=yaml.safe_dump({"about": dict(about)}, allow_unicode=True, sort_keys=True),
        fbank=FBANK,
        features=_options(features),
        mean=mean,
        model=model,
        norm=NORMALISATION,
        rate=rate,
    )


def interface_text() -> str:
    """Return bodysounds_interface.py: the module `interface` with what it takes from here."""
    from bodysounds.audio import frontends, statistics

    # read, not imported: it would import SpeechBrain
    text = Path(__file__).with_name("interface.py").read_text(encoding="utf-8")
    head, body = text.split("\n\n\nclass Mean", 1)
    lines = [line for line in head.splitlines() if not line.startswith("from bodysounds")]
    constants = ("PERCENTILES", "LOUD", "QUIET")
    taken = (
        frontends.mean_normalise,
        statistics.long_term_statistics,
        statistics._mean_and_deviation,
    )
    return "\n".join(
        [
            '"""Classes of an encoder that bodysounds exported: means, statistics, a backend."""\n',
            *lines[lines.index("from __future__ import annotations") :],
            *(f"{name} = {getattr(statistics, name)!r}" for name in constants),
            *(f"\n\n{inspect.getsource(part).rstrip()}" for part in taken),
            f"\n\nclass Mean{body}",
        ]
    )


def _network(name: str, architecture: Mapping[str, Any]) -> str:
    """Return the entry of an ECAPA_TDNN."""
    from bodysounds.models.ecapa import LARGEST_ATTENTION, res2net_scale

    channels, depth = int(architecture["channels"]), int(architecture["depth"])
    squeeze = min(LARGEST_ATTENTION, max(8, channels // 2))
    options = {
        "input_size": architecture["n_mels"],
        "channels": [channels] * (depth + 1) + [3 * channels],
        "kernel_sizes": [5, *[3] * depth, 1],
        "dilations": [1, *(min(2 + block, 5) for block in range(depth)), 1],
        "groups": [1] * (depth + 2),
        "attention_channels": squeeze,
        "se_channels": squeeze,
        "res2net_scale": res2net_scale(channels),
        "lin_neurons": architecture["dim"],
    }
    return f"{name}: !new:{NETWORK}\n{_options(options)}"


def _options(options: Mapping[str, Any]) -> str:
    return "\n".join(f"    {name}: {_flow(value)}" for name, value in options.items())


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.split("\n", maxsplit=1)[0]
