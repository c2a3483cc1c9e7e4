"""`bodysounds export`: a model as an ONNX file, an encoder as a folder that SpeechBrain loads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bodysounds.commands.models import model_path
from bodysounds.commands.shared import say, say_json, shown

ABOUT = """\
Take a model elsewhere, where bodysounds need not be.

  onnx          one file: waveform in, unit embedding or probabilities out, the front end inside, of
                any batch and length; pip install "bodysounds[export]"
  speechbrain   a folder for SpeechBrain's EncoderClassifier

MODEL is a verifier's bundle, whose threshold and calibration go along, an encoder.safetensors, or a
folder of their versions, as a run saves them below data/06_models. ONNX takes a
classifier.safetensors too, and each member in the bundle of an ensemble. What was written is tried
beside the model, and kept only where both answer alike.

Exit codes: 0 done; 2 an error, nothing is written.
"""
EXAMPLE = """\
such as:
  bodysounds export onnx data/06_models/demo/cry_verification/bundle cries.onnx
  bodysounds export onnx data/06_models/demo/respiratory_scl/classifier.safetensors breath.onnx
  bodysounds export speechbrain data/06_models/demo/cry_verification/bundle cries-speechbrain
"""
UNKNOWN = (
    "The file does not say whose recordings it learnt from, their licence, or whether they were "
    "synthetic: the model card of its run was not found."
)
MODEL = "a bundle, an encoder, or, for ONNX, a classifier"
MOST_NAMED = 8
USE_ONNX = """\
import onnxruntime
session = onnxruntime.InferenceSession({path!r})
embeddings = session.run(["embedding"], {{"waveform": waveforms}})[0]"""
USE_CLASSIFIER = """\
import json, onnxruntime
session = onnxruntime.InferenceSession({path!r})
labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
probabilities = session.run(["probabilities"], {{"waveform": waveforms}})[0]"""
USE_SPEECHBRAIN = """\
from speechbrain.inference.speaker import SpeakerRecognition
model = SpeakerRecognition.from_hparams(source={path!r}, savedir={path!r})
embeddings = model.encode_batch(waveforms)"""
USE_INTERFACE = """\
from speechbrain.inference.interfaces import foreign_class
model = foreign_class({path!r}, "hyperparams.yaml", "bodysounds_interface.py", "SpeakerRecognition")
embeddings = model.encode_batch(waveforms)"""


def run(arguments: Sequence[str]) -> int:
    """Export a model and return 0; ValueError or OSError where it fails, with one sentence."""
    asked = _parser().parse_args(arguments)
    model, out = asked.model.expanduser(), asked.out.expanduser()
    if not model.exists():
        raise ValueError(
            f"there is no model {shown(model)}: give a bundle, an encoder or a classifier"
        )
    if asked.kind == "onnx" and out.suffix.lower() != ".onnx":
        raise ValueError(f"{shown(out)} must end in .onnx")
    forced = " or add --force" if asked.kind == "onnx" else ""
    if out.is_dir() or (out.exists() and not getattr(asked, "force", False)):
        raise ValueError(f"{shown(out)} exists: choose another name{forced}")

    from bodysounds.exporting.facts import model_and_facts
    from bodysounds.exporting.onnx import encoder_of

    names = ("bundle", "encoder.safetensors", "classifier.safetensors", "classifier")
    exported, facts = model_and_facts(model_path(model, names, "export"))
    export = _onnx if asked.kind == "onnx" else _speechbrain
    found, what, use = export(exported, out, facts)
    rate = int(encoder_of(exported).front_end["sample_rate"])
    if asked.json:
        say_json({"path": str(out), "sample_rate": rate, **_gives(exported), **found, **facts})
        return 0
    say(f"{shown(out)}: {what}, {found['bytes'] / 1e6:,.1f} MB")
    say(
        f"Waveforms float32 (batch, samples) in [-1, 1) at {rate:,} Hz become "
        f"{_given(_gives(exported))}; the largest difference to bodysounds' own is "
        f"{found['parity']:.1g}."
    )
    if "threshold" in facts:
        say(f"Threshold of the bundle: {facts['threshold']:.4g} ({facts['score']} scores).")
    for limit in facts.get("limits", ()):
        say(limit)
    if "labels" in _gives(exported) and "corpus" not in facts:
        say(UNKNOWN)
    say(f"\n{use.format(path=str(out))}")
    return 0


def _gives(model: Any) -> dict[str, Any]:
    """Return the size of embeddings, or the classes."""
    from bodysounds.models.classifier import Classifier
    from bodysounds.models.network import embedding_dim

    if isinstance(model, Classifier):
        return {"labels": model.labels}
    return {"dim": embedding_dim(model.architecture)}


def _given(gives: dict[str, Any]) -> str:
    labels: list[str] | None = gives.get("labels")
    if labels is None:
        return f"embeddings of {gives['dim']} numbers"
    named = f" ({', '.join(labels)})" if len(labels) <= MOST_NAMED else ""
    return f"probabilities of {len(labels):,} classes{named}"


def _onnx(model: Any, out: Path, facts: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    from bodysounds.exporting.onnx import OPSET, export_onnx

    parity = export_onnx(model, out, facts)
    found = {"parity": parity, "bytes": out.stat().st_size, "opset": OPSET}
    use = USE_CLASSIFIER if "labels" in _gives(model) else USE_ONNX
    return found, f"ONNX, opset {OPSET}, float32", use


def _speechbrain(encoder: Any, out: Path, facts: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    from bodysounds.models.classifier import Classifier

    if isinstance(encoder, Classifier):
        raise ValueError("a classifier cannot be exported to SpeechBrain: export it as ONNX")
    from bodysounds.exporting.speechbrain import export_speechbrain
    from bodysounds.exporting.speechbrain_text import own_classes

    parity = export_speechbrain(encoder, out, facts)
    found = {"parity": parity, "bytes": sum(file.stat().st_size for file in out.iterdir())}
    use = USE_INTERFACE if own_classes(encoder) else USE_SPEECHBRAIN
    return found, "a folder for SpeechBrain, float32", use


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
        kind.add_argument("model", type=Path, metavar="MODEL", help=MODEL)
        kind.formatter_class = argparse.RawDescriptionHelpFormatter
        kind.add_argument("--json", action="store_true", help="print JSON, and nothing else")
    onnx.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write")
    onnx.add_argument("--force", action="store_true", help="replace the file where it exists")
    speechbrain.add_argument("out", type=Path, metavar="FOLDER", help="a new folder")
    return parser
