"""A model as one ONNX file, the front end inside: waveform in, embedding or probabilities out."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bodysounds.exporting.logs import muted
from bodysounds.exporting.parity import Float32s, difference, sounds
from bodysounds.models.classifier import BODY, HEAD, Classifier
from bodysounds.models.encoder import Encoder, state_sha256

FORMAT = "bodysounds.onnx/1"
OPSET = 18
PARITY = 1e-4
INPUT, EMBEDDING, PROBABILITIES = "waveform", "embedding", "probabilities"
NEEDED = ("onnx", "onnxscript", "onnxruntime")
INSTALL = 'pip install "bodysounds[export]"'
ENCODERS = "ecapa, with a backend or without, and resnet18"


def export_onnx(
    model: Encoder | Classifier, path: str | Path, about: Mapping[str, Any] | None = None
) -> float:
    """Write a model as one ONNX file (opset 18, float32), all or nothing, and check it.

    Its input `waveform` is float32 (batch, samples) in [-1, 1) at the model's rate, of any batch
    and length. A waveform that is not finite becomes NaN.

    Of an encoder the output `embedding` is float32 (batch, dim), of unit length, so that cosines
    are products. The embeddings are those of `scoring.embed.embed_waveforms`: what is shorter than
    a quarter of a second is repeated up to it, and of what is longer than the clip of a stft_image
    only that is heard.

    Of a classifier the output `probabilities` is float32 (batch, classes), the classes in the order
    of its labels: those of `models.classifier.predict`. The first clip of a waveform is heard, and
    a shorter one is filled as in training.

    Parameters
    ----------
    model : Encoder or Classifier
        An encoder of the architecture ecapa, with a backend or without, or resnet18; any
        classifier.
    path : path of the file, replaced where it exists
    about : mapping, optional
        More for the file's metadata, JSON values by name, such as threshold and calibration.
        What is there anyway: format, sample_rate (Hz), architecture, front_end, and sha256, of the
        weights; dim of an encoder; labels, clip_s, fill and activation of a classifier.

    Returns
    -------
    parity : float
        Largest difference between numbers of unit embeddings, or between probabilities, by
        onnxruntime and by torch in float32, over many lengths, batches and levels; at most 1e-4.

    Raises ValueError for another architecture, for a missing extra, and, leaving no file, where the
    exported model answers otherwise than this package does.
    """
    check_exported(model)
    for name in NEEDED:
        needed(name)
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(as_bytes(model, about or {}))
            file.flush()
            os.fsync(file.fileno())
        parity = onnx_parity(model, partial)
        if not parity <= PARITY:
            raise ValueError(
                f"{path} was not written: onnxruntime's answers differ by up to {parity:.2g} from "
                f"torch's, and {PARITY:g} is allowed: report the model's architecture "
                f"{encoder_of(model).architecture} and the versions of torch and onnxruntime"
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return parity


def encoder_of(model: Encoder | Classifier) -> Encoder:
    """Return the encoder that a model is, or has."""
    return model.encoder if isinstance(model, Classifier) else model


def check_exported(model: Encoder | Classifier) -> None:
    """Raise ValueError for a model that cannot leave as ONNX."""
    if isinstance(model, Classifier):
        return
    name = model.architecture.get("name")
    if name == "backend":
        name = model.architecture["network"].get("name")
    if name not in ("ecapa", "resnet18"):
        raise ValueError(
            f"an encoder of the architecture {name!r} cannot be exported: {ENCODERS} can, and "
            "classifiers"
        )


def needed(name: str) -> Any:
    """Return a package of the extra `export`; ValueError with the way out where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(f"{name} is missing, which ONNX needs: {INSTALL}") from error


def as_bytes(model: Encoder | Classifier, about: Mapping[str, Any]) -> bytes:
    """Return the ONNX model of an encoder or a classifier; equal ones give equal bytes."""
    import torch

    from bodysounds.exporting.graph import EmbeddingGraph, ProbabilityGraph

    graph: torch.nn.Module
    if isinstance(model, Classifier):
        graph, output = ProbabilityGraph(model), PROBABILITIES
    else:
        graph, output = EmbeddingGraph(model), EMBEDDING
    batch, samples = torch.export.Dim("batch", min=1), torch.export.Dim("samples", min=1)
    example = torch.zeros(2, int(encoder_of(model).front_end["sample_rate"]))
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            graph.eval(), (example,), dynamo=True, opset_version=OPSET, verbose=False,
            dynamic_shapes={"waveforms": {0: batch, 1: samples}},
            input_names=[INPUT], output_names=[output],
        )  # fmt: skip
    assert program is not None
    written = program.model_proto
    made = written.graph
    for part in (made, *made.node, *made.input, *made.output, *made.value_info):
        # what torch remembers: nodes tell where this package lies on the exporter's disk
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del written.metadata_props[:]
    for name, value in {**known(model), **about}.items():
        text = (
            value if isinstance(value, str) else json.dumps(value, sort_keys=True, allow_nan=False)
        )
        written.metadata_props.add(key=name, value=text)
    content: bytes = written.SerializeToString(deterministic=True)
    return content


def known(model: Encoder | Classifier) -> dict[str, Any]:
    """Return what the metadata says of any model."""
    from bodysounds.models.network import embedding_dim

    encoder = encoder_of(model)
    found = {
        "format": FORMAT,
        "sample_rate": int(encoder.front_end["sample_rate"]),
        "architecture": encoder.architecture,
        "front_end": encoder.front_end,
    }
    if not isinstance(model, Classifier):
        return found | {
            "dim": embedding_dim(encoder.architecture), "sha256": state_sha256(encoder.state),
        }  # fmt: skip
    state = {BODY + name: weight for name, weight in encoder.state.items()}
    state |= {HEAD + name: weight for name, weight in model.head.items()}
    return found | {
        "labels": model.labels,
        "clip_s": encoder.front_end["clip_s"],
        "fill": encoder.front_end.get("fill", "repeat"),
        "activation": "softmax",
        "sha256": state_sha256(state),
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what torch's exporter says of itself, whatever is exported."""
    with warnings.catch_warnings(), muted(logging.WARNING):
        # torch 2.11 copies its own trees in a way that it has deprecated
        warnings.filterwarnings("ignore", r".*LeafSpec.*is deprecated", FutureWarning)
        yield


def onnx_parity(
    model: Encoder | Classifier, path: str | Path, batches: list[Float32s] | None = None
) -> float:
    """Return the largest difference between onnxruntime's and torch's answers, over `batches`.

    By default those of `parity.sounds`.
    """
    session = needed("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if batches is None:
        hears = encoder_of(model).front_end
        # a waveform that does not change is brought to variance 1: of one sample, rounding is left
        least = 0.05 if hears["name"] == "waveform" else 0.0
        batches = sounds(int(hears["sample_rate"]), least)
    return difference(model, lambda batch: session.run(None, {INPUT: batch})[0], batches)
