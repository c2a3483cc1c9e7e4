"""An encoder as one ONNX file: waveform in, unit embedding out, with the front end inside."""

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
from bodysounds.models.encoder import Encoder, state_sha256

FORMAT = "bodysounds.onnx/1"
OPSET = 18
PARITY = 1e-4
INPUT, OUTPUT = "waveform", "embedding"
NEEDED = ("onnx", "onnxscript", "onnxruntime")
INSTALL = 'pip install "bodysounds[export]"'
EXPORTED = "ecapa, with a backend or without, and resnet18"


def export_onnx(
    encoder: Encoder, path: str | Path, about: Mapping[str, Any] | None = None
) -> float:
    """Write an encoder as one ONNX file (opset 18, float32), all or nothing, and check it.

    Its input `waveform` is float32 (batch, samples) in [-1, 1) at the encoder's rate, of any batch
    and length; its output `embedding` float32 (batch, dim), of unit length, so that cosines are
    products. The embeddings are those of `scoring.embed.embed_waveforms`: what is shorter than a
    quarter of a second is repeated up to it, and of what is longer than the clip of a stft_image
    only that is heard. A waveform that is not finite becomes NaN.

    A stft_image with a logarithm stretches frequencies in which a recording is all but silent, such
    as those above an old codec's limit, to variance 1: of those the rounding of float32 is left,
    here as in torch. On such real recordings embeddings differed by up to 0.015, and torch's own
    from those of a transform in float64 by as much.

    Parameters
    ----------
    encoder : Encoder
        Of the architecture ecapa, with a backend or without, or resnet18.
    path : path of the file, replaced where it exists
    about : mapping, optional
        More for the file's metadata, JSON values by name, such as threshold and calibration.
        What is there anyway: format, sample_rate (Hz), dim, architecture, front_end, and sha256, of
        the weights.

    Returns
    -------
    parity : float
        Largest difference between numbers of unit embeddings by onnxruntime and by torch in
        float32, over many lengths, batches and levels; at most 1e-4.

    Raises ValueError for another architecture, for a missing extra, and, leaving no file, where the
    exported model embeds otherwise than the encoder.
    """
    check_exported(encoder)
    for name in NEEDED:
        needed(name)
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(as_bytes(encoder, about or {}))
            file.flush()
            os.fsync(file.fileno())
        parity = onnx_parity(encoder, partial)
        if not parity <= PARITY:
            raise ValueError(
                f"{path} was not written: onnxruntime's embeddings differ by up to {parity:.2g} "
                f"from torch's, and {PARITY:g} is allowed: report the encoder's architecture "
                f"{encoder.architecture} and the versions of torch and onnxruntime"
            )
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return parity


def check_exported(encoder: Encoder) -> None:
    """Raise ValueError for an encoder that cannot leave as ONNX."""
    architecture = encoder.architecture
    name = architecture.get("name")
    if name == "backend":
        name = architecture["network"].get("name")
    if name not in ("ecapa", "resnet18"):
        raise ValueError(
            f"an encoder of the architecture {name!r} cannot be exported: {EXPORTED} can"
        )


def needed(name: str) -> Any:
    """Return a package of the extra `export`; ValueError with the way out where it is missing."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(f"{name} is missing, which ONNX needs: {INSTALL}") from error


def as_bytes(encoder: Encoder, about: Mapping[str, Any]) -> bytes:
    """Return the ONNX model of an encoder; equal encoders give equal bytes."""
    import torch

    from bodysounds.exporting.graph import EmbeddingGraph
    from bodysounds.models.network import embedding_dim

    module = EmbeddingGraph(encoder).eval()
    rate = int(encoder.front_end["sample_rate"])
    batch, samples = torch.export.Dim("batch", min=1), torch.export.Dim("samples", min=1)
    example = torch.zeros(2, rate)
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            module, (example,), dynamo=True, opset_version=OPSET, verbose=False,
            dynamic_shapes={"waveforms": {0: batch, 1: samples}},
            input_names=[INPUT], output_names=[OUTPUT],
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        # what torch remembers: nodes tell where this package lies on the exporter's disk
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    known = {
        "format": FORMAT,
        "sample_rate": rate,
        "dim": embedding_dim(encoder.architecture),
        "architecture": encoder.architecture,
        "front_end": encoder.front_end,
        "sha256": state_sha256(encoder.state),
    }
    del model.metadata_props[:]
    for name, value in {**known, **about}.items():
        text = (
            value if isinstance(value, str) else json.dumps(value, sort_keys=True, allow_nan=False)
        )
        model.metadata_props.add(key=name, value=text)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


@contextmanager
def quiet() -> Iterator[None]:
    """Keep back what torch's exporter says of itself, whatever is exported."""
    with warnings.catch_warnings(), muted(logging.WARNING):
        # torch 2.11 copies its own trees in a way that it has deprecated
        warnings.filterwarnings("ignore", r".*LeafSpec.*is deprecated", FutureWarning)
        yield


def onnx_parity(encoder: Encoder, path: str | Path, batches: list[Float32s] | None = None) -> float:
    """Return the largest difference between onnxruntime's and torch's embeddings, over `batches`.

    By default those of `parity.sounds`.
    """
    session = needed("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if batches is None:
        # rows of an image that do not change are stretched: of one sample, rounding is left
        least = 0.05 if encoder.front_end["name"] == "stft_image" else 0.0
        batches = sounds(int(encoder.front_end["sample_rate"]), least)
    return difference(encoder, lambda batch: session.run([OUTPUT], {INPUT: batch})[0], batches)
