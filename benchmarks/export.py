"""An exported encoder in onnxruntime beside its torch network, on the same waveforms.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/export.py [--channels 1024 256] [--threads 2]
        [--seconds 3 10 30] [--batches 1 8] [--rounds 5] [--encoder FILE] [--quick]

Weights are random (--encoder takes a trained one), waveforms are noise at 16 kHz, and all is
float32, from waveform to unit embedding. `torch` is the network's own forward, `ours` the form in
which this package listens (batch norms folded), `onnxruntime` the file that `bodysounds export`
writes. They run in this process by turns, each round the other way about, and the least of the
rounds is printed. `ratio` is seconds of ours by those of onnxruntime: above 1 the file is faster;
`CPU ratio` is the same of CPU time, which can be compared where others use the machine.
`difference` is the largest between numbers of unit embeddings, of onnxruntime's and torch's.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from respiratory import best_in_turns
from torch.nn import functional

from bodysounds.exporting.onnx import INPUT, export_onnx
from bodysounds.models.encoder import Encoder, load_encoder, network
from bodysounds.models.fast import listener
from bodysounds.models.network import build_body, detached

RATE = 16_000
COLUMNS = (
    "network", "MB", "s", "batch", "torch ms", "ours ms", "onnxruntime ms", "ratio",
    "CPU ratio", "times real time", "difference",
)  # fmt: skip


def ecapa(channels: int) -> Encoder:
    """Return an ECAPA-TDNN of the published shape with random weights."""
    architecture = {"name": "ecapa", "n_mels": 80, "channels": channels, "depth": 3, "dim": 192}
    features = {"name": "speechbrain", "sample_rate": RATE, "n_mels": 80, "mean_over": "band"}
    return Encoder(detached(build_body(architecture, 0)), architecture, features)


def session_of(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # a thread that waits in a loop would take the other's core
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(name: str, encoder: Encoder, path: Path, given: argparse.Namespace) -> None:
    """Print a row for each length and batch."""
    module = network(encoder)
    ours, session = listener(module, bf16=False), session_of(path, given.threads)
    megabytes = path.stat().st_size / 1e6
    for seconds in given.seconds:
        for batch in given.batches:
            draw = torch.Generator().manual_seed(0)
            waveforms = 0.1 * torch.randn(batch, round(seconds * RATE), generator=draw)
            feed = {INPUT: waveforms.numpy()}
            works = {
                "torch": lambda waveforms=waveforms: functional.normalize(module(waveforms)),
                "ours": lambda waveforms=waveforms: functional.normalize(ours(waveforms)),
                "onnxruntime": lambda feed=feed: session.run(None, feed),
            }
            with torch.inference_mode():
                expected = works["torch"]().numpy()
                difference = float(np.abs(works["onnxruntime"]()[0] - expected).max())
                works["ours"]()
                least = best_in_turns(works, given.rounds, lambda: None)
            spent = {name: 1000 * found[0] for name, found in least.items()}
            cells = [
                name, f"{megabytes:.1f}", f"{seconds:g}", f"{batch}", f"{spent['torch']:.2f}",
                f"{spent['ours']:.2f}", f"{spent['onnxruntime']:.2f}",
                f"{spent['ours'] / spent['onnxruntime']:.2f}",
                f"{least['ours'][1] / least['onnxruntime'][1]:.2f}",
                f"{1000 * seconds * batch / spent['onnxruntime']:,.0f}", f"{difference:.1e}",
            ]  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--channels", type=int, nargs="+", default=[1024, 256])
    parser.add_argument("--seconds", type=float, nargs="+", default=[3.0, 10.0, 30.0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--encoder", help="a trained encoder or bundle, at 16 kHz")
    parser.add_argument("--quick", action="store_true", help="a small network, one short waveform")
    given = parser.parse_args()
    if given.quick:
        given.channels, given.seconds, given.batches, given.rounds = [16], [1.0], [1, 2], 2
    torch.set_num_threads(given.threads)
    encoders = {f"ECAPA-{channels}": ecapa(channels) for channels in given.channels}
    if given.encoder:
        encoders = {Path(given.encoder).stem: load_encoder(given.encoder)}
    print(
        f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, {platform.machine()} "
        f"{torch.backends.cpu.get_cpu_capability()}, {given.threads} threads, float32\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, encoder) in enumerate(encoders.items()):
            began, files[name] = time.perf_counter(), Path(folder, f"{number}.onnx")
            parity = export_onnx(encoder, files[name])
            spent = time.perf_counter() - began
            print(f"{name}: exported and checked in {spent:.1f} s, parity {parity:.1e}\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for name, encoder in encoders.items():
            measure(name, encoder, files[name], given)


if __name__ == "__main__":
    main()
