"""`bodysounds export`: an encoder as an ONNX file, or as a folder that SpeechBrain loads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bodysounds.commands.shared import model_path, say, say_json, shown

ABOUT = """\
Take an encoder elsewhere, where bodysounds need not be.

  onnx          one file: waveform in, unit embedding out, the front end inside, of any batch and
                length; pip install "bodysounds[export]"
  speechbrain   a folder for SpeechBrain's EncoderClassifier

MODEL is a verifier's bundle, whose threshold and calibration go along, an encoder.safetensors, or a
folder of their versions, as a run saves them below data/06_models. What was written is tried beside
the encoder, and kept only where both embed alike.
"""
EXAMPLE = """\
such as:
  bodysounds export onnx data/06_models/demo/cry_verification/bundle cries.onnx
  bodysounds export speechbrain data/06_models/demo/cry_verification/bundle cries-speechbrain
"""
STRETCHED = (
    "It may be larger, about 0.01, for recordings that are silent above some frequency: the front "
    "end stft_image makes much of rounding there, in torch too."
)
USE_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession({path!r})
embeddings = session.run(["embedding"], {{"waveform": waveforms}})[0]"""
USE_SPEECHBRAIN = """\
from speechbrain.inference.speaker import SpeakerRecognition
model = SpeakerRecognition.from_hparams(source={path!r}, savedir={path!r})
embeddings = model.encode_batch(waveforms)"""
USE_INTERFACE = """\
from speechbrain.inference.interfaces import foreign_class
model = foreign_class({path!r}, "hyperparams.yaml", "bodysounds_interface.py", "SpeakerRecognition")
embeddings = model.encode_batch(waveforms)"""


def run(arguments: Sequence[str]) -> int:
    """Export an encoder and return 0; ValueError or OSError where it fails, with one sentence."""
    asked = _parser().parse_args(arguments)
    model, out = asked.model.expanduser(), asked.out.expanduser()
    if not model.exists():
        raise ValueError(f"there is no model {shown(model)}: give a bundle or an encoder")
    if asked.kind == "onnx" and out.suffix.lower() != ".onnx":
        raise ValueError(f"{shown(out)} must end in .onnx")
    forced = " or add --force" if asked.kind == "onnx" else ""
    if out.is_dir() or (out.exists() and not getattr(asked, "force", False)):
        raise ValueError(f"{shown(out)} exists: choose another name{forced}")

    from bodysounds.exporting.facts import encoder_and_facts

    model = model_path(model, ("bundle", "encoder.safetensors"), "export")
    encoder, facts = encoder_and_facts(model)
    export = _onnx if asked.kind == "onnx" else _speechbrain
    found, what, use = export(encoder, out, facts)
    rate, dim = int(encoder.front_end["sample_rate"]), _dim(encoder)
    if asked.json:
        written = {"path": str(out), "sample_rate": rate, "dim": dim, **found, **facts}
        say_json(written)
        return 0
    say(f"{shown(out)}: {what}, {found['bytes'] / 1e6:,.1f} MB")
    say(
        f"Waveforms float32 (batch, samples) in [-1, 1) at {rate:,} Hz become embeddings of {dim} "
        f"numbers; the largest difference to bodysounds' own is {found['parity']:.1g}."
    )
    if encoder.front_end["name"] == "stft_image":
        say(STRETCHED)
    if facts:
        say(f"Threshold of the bundle: {facts['threshold']:.4g} ({facts['score']} scores).")
    for limit in facts.get("limits", ()):
        say(limit)
    say(f"\n{use.format(path=str(out))}")
    return 0


def _onnx(encoder: Any, out: Path, facts: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    from bodysounds.exporting.onnx import OPSET, export_onnx

    parity = export_onnx(encoder, out, facts)
    found = {"parity": parity, "bytes": out.stat().st_size, "opset": OPSET}
    return found, f"ONNX, opset {OPSET}, float32", USE_ONNX


def _speechbrain(encoder: Any, out: Path, facts: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    from bodysounds.exporting.speechbrain import export_speechbrain
    from bodysounds.exporting.speechbrain_text import own_classes

    parity = export_speechbrain(encoder, out, facts)
    found = {"parity": parity, "bytes": sum(file.stat().st_size for file in out.iterdir())}
    use = USE_INTERFACE if own_classes(encoder) else USE_SPEECHBRAIN
    return found, "a folder for SpeechBrain, float32", use


def _dim(encoder: Any) -> int:
    from bodysounds.models.network import embedding_dim

    return embedding_dim(encoder.architecture)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bodysounds export",
        description=ABOUT,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="onnx|speechbrain")
    onnx = kinds.add_parser("onnx", help="one ONNX file", epilog=EXAMPLE)
    speechbrain = kinds.add_parser("speechbrain", help="a SpeechBrain folder", epilog=EXAMPLE)
    for kind in (onnx, speechbrain):
        kind.add_argument("model", type=Path, metavar="MODEL", help="a bundle or an encoder")
        kind.formatter_class = argparse.RawDescriptionHelpFormatter
        kind.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    onnx.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write")
    onnx.add_argument("--force", action="store_true", help="replace the file where it exists")
    speechbrain.add_argument("out", type=Path, metavar="FOLDER", help="a new folder")
    return parser
