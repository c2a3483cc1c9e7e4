"""Files to unit vectors beside SpeechBrain's `encode_batch`, one file after another.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/embedding.py [--channels 1024 256] [--threads 2]
        [--files 200] [--raw FOLDER] [--device cuda] [--quick]

Recordings of 1 to 40 s (generated, 16 kHz wav; --raw takes real ones) become unit vectors by
`embed_files` and by the rival (embedding_rival.py): SpeechBrain's reading, Fbank, normalisation and
ECAPA-TDNN, float32, as its published evaluation does. The weights are random and the same on both
sides, and before anything is timed both must give the same vectors. All run in this process by
turns, each round the other way about, and the least of the rounds is printed; the CPU time is what
can be compared where others use the machine.

The physical limit is the rate of bare matrix products of the network's own shapes in the same
precision, the best of a linear layer, a convolution and, on a CPU, oneDNN's product. `share` is
ours of it from file to vector, `in products` that of the layers that are products, by torch's
profiler. Operations are those of the published network; ours leaves some of them out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from embedding_rival import BLOCKS, DIM, N_MELS, build_rival, encode_files, flops_of, shapes_of
from respiratory import Work, best_in_turns, machine
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from bodysounds.audio.parallel import ordered_map
from bodysounds.audio.read import read_audio
from bodysounds.devices import choose_device, use_bf16
from bodysounds.models.ecapa_ops import has_onednn, onednn
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.scoring.embed import embed_waveforms
from bodysounds.scoring.embed_files import embed_files

RATE, HOP = 16_000, 160
LONGEST_S = 3600.0
ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".3gp", ".caf")
EQUAL = {"float32": 0.99999, "bf16": 0.999}
"""Cosines to the rival's vectors, below which nothing is timed."""
PRODUCTS = ("mm", "bmm", "convolution", "linear_pointwise", "mkldnn_linear")
Vectors = npt.NDArray[np.float32]


@dataclass
class Sounds:
    """Files with the seconds of each."""

    paths: list[Path]
    seconds: list[float]
    told: str


def gather(given: argparse.Namespace, folder: Path) -> Sounds:
    """Return the files of a folder, or some that are generated there."""
    rng = np.random.default_rng(0)
    if given.raw:
        found = sorted(p for p in Path(given.raw).rglob("*") if p.suffix.lower() in ENDINGS)
        if not found:
            raise SystemExit(f"{given.raw} holds no audio ({', '.join(ENDINGS)})")
        paths = [found[k] for k in rng.permutation(len(found))[: given.files]]
    else:
        paths = [folder / f"{k:03d}.wav" for k in range(given.files)]
        for path in paths:
            soundfile.write(path, voice(rng, rng.uniform(1.0, given.longest)), RATE)
    seconds = [len(read_audio(path, RATE)) / RATE for path in paths]
    kind = "real" if given.raw else "synthetic"
    told = f"{len(paths)} {kind} recordings of {min(seconds):.1f} to {max(seconds):.1f} s"
    return Sounds(paths, seconds, f"{told}, {sum(seconds):,.0f} s in all")


def voice(rng: np.random.Generator, seconds: float) -> Vectors:
    """Return a hum of harmonics in noise, of a pitch that wanders."""
    times = np.arange(round(seconds * RATE)) / RATE
    pitch = rng.uniform(80, 500) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.2, 3) * times))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    hum = sum(rng.uniform(0, 1) / k * np.sin(k * phase) for k in range(1, 12))
    noise = rng.uniform(0.003, 0.1) * rng.standard_normal(len(times))
    wave = np.asarray(0.1 * hum + noise, dtype=np.float32)
    return wave


def build(channels: int, device: torch.device) -> EmbeddingNetwork:
    """Return an ECAPA-TDNN of the published shape with random weights."""
    architecture = {
        "name": "ecapa", "n_mels": N_MELS, "channels": channels, "depth": BLOCKS, "dim": DIM,
    }  # fmt: skip
    features = {"name": "speechbrain", "sample_rate": RATE, "n_mels": N_MELS, "mean_over": "band"}
    return EmbeddingNetwork(architecture, features, seed=0).eval().to(device)


def least_cosine(ours: Vectors, theirs: Vectors) -> float:
    return float((ours.astype(np.float64) * theirs).sum(axis=1).min())


def product_rate(
    shapes: dict[tuple[int, int, int], int],
    dtype: torch.dtype,
    device: str,
    at_least_s: float = 0.05,
) -> float:
    """Return operations a second of bare products of these shapes, the best of its kinds."""
    seconds, operations = 0.0, 0.0
    with torch.inference_mode():
        for (rows, inner, columns), times in shapes.items():
            left = torch.randn(rows, inner, dtype=dtype, device=device)
            weight = torch.randn(columns, inner, dtype=dtype, device=device)
            turned, kernel = left.t()[None].contiguous(), weight[:, :, None].contiguous()
            kinds = [
                lambda left=left, weight=weight: functional.linear(left, weight),
                lambda turned=turned, kernel=kernel: functional.conv1d(turned, kernel),
            ]
            if has_onednn(left):
                kinds.append(lambda left=left, weight=weight: onednn(left, weight, None))
            seconds += times * min(repeated(kind, at_least_s) for kind in kinds)
            operations += times * 2.0 * rows * inner * columns
    return operations / seconds


def repeated(work: Callable[[], object], at_least_s: float = 0.05) -> float:
    """Return the least seconds of a few calls, the first not counted."""
    work()
    best, end = float("inf"), time.perf_counter() + at_least_s
    while True:
        sync()
        began = time.perf_counter()
        work()
        sync()
        now = time.perf_counter()
        best = min(best, now - began)
        if now > end:
            return best


def sync() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_in_products(module: EmbeddingNetwork, wave: Vectors, precision: str) -> float:
    """Return the seconds that the products of one recording take, by the profiler."""
    cuda = next(module.parameters()).is_cuda
    embed_waveforms(module, [wave], precision=precision)
    least = float("inf")
    for _ in range(3):
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
        with profile(activities=activities, acc_events=True) as told:
            embed_waveforms(module, [wave], precision=precision)
        own = [event for event in told.key_averages() if event.key.endswith(PRODUCTS)]
        field = "self_device_time_total" if cuda else "self_cpu_time_total"
        least = min(least, sum(getattr(event, field) for event in own) / 1e6)
    return least


def compare(given: argparse.Namespace, sounds: Sounds, channels: int) -> None:
    """Print a row for each precision."""
    device = choose_device(given.device)
    module = build(channels, device)
    rival = build_rival(module, channels)
    options = {"max_side_s": LONGEST_S, "workers": given.workers}
    precisions = ["bf16", "float32"] if use_bf16("auto", device) else ["float32"]
    some = sounds.paths[:: max(1, len(sounds.paths) // 6)]
    theirs = encode_files(rival, some)
    for precision in precisions:
        cosine = least_cosine(embed_files(module, some, precision=precision, **options), theirs)
        if cosine < EQUAL[precision] and not given.raw:
            raise SystemExit(f"{channels} channels, {precision}: a vector has cosine {cosine:.6f}")
    vectors: dict[str, Vectors] = {}

    def ours(precision: str) -> Callable[[], None]:
        def work() -> None:
            vectors[precision] = embed_files(module, sounds.paths, precision=precision, **options)

        return work

    def other() -> None:
        vectors["rival"] = encode_files(rival, sounds.paths)

    works: dict[str, Work] = {name: ours(name) for name in precisions}
    works["rival"] = other
    works["decoding"] = lambda: [None for _ in ordered_map(read_audio, sounds.paths, given.workers)]
    spent = best_in_turns(works, given.rounds, sync)
    flops, total_s = flops_of(rival), sum(sounds.seconds)
    operations = sum(flops(1 + round(s * RATE) // HOP) for s in sounds.seconds)
    frames = 1 + round(total_s / len(sounds.seconds) * RATE) // HOP
    wave = voice(np.random.default_rng(1), (frames - 1) * HOP / RATE)
    shapes = shapes_of(rival, frames)
    seconds, cpu = spent["rival"]
    for precision in precisions:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        bare = product_rate(shapes, dtype, str(device))
        in_products = flops(frames) / seconds_in_products(module, wave, precision)
        own, own_cpu = spent[precision]
        cells = [
            f"ECAPA-{channels}", precision, f"{own:.3g}", f"{seconds:.3g}", f"{total_s / own:.1f}",
            f"{total_s / seconds:.1f}", f"{seconds / own:.2f}", f"{cpu / own_cpu:.2f}",
            f"{operations / own / 1e9:.1f}", f"{operations / seconds / 1e9:.1f}",
            f"{bare / 1e9:.1f}", f"{operations / own / bare:.1%}", f"{in_products / bare:.1%}",
            f"{spent['decoding'][0] / own:.1%}",
            f"{least_cosine(vectors[precision], vectors['rival']):.6f}",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


HEAD = (
    "network", "ours", "ours s", "rival s", "ours x real time", "rival x real time",
    "rival / ours", "of CPU time", "ours GF/s", "rival GF/s", "bare products GF/s", "share",
    "in products", "decoding alone", "least cosine",
)  # fmt: skip


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (%(default)s)")
    parser.add_argument("--channels", type=int, nargs="+", default=[1024, 256], help="%(default)s")
    parser.add_argument("--files", type=int, default=200, help="%(default)s")
    parser.add_argument("--longest", type=float, default=40.0, help="seconds (%(default)s)")
    parser.add_argument("--raw", help="a folder of recordings; synthetic ones without it")
    parser.add_argument("--rounds", type=int, default=2, help="%(default)s")
    parser.add_argument("--threads", type=int, help="of torch (all)")
    parser.add_argument("--workers", type=int, default=0, help="threads that decode (all cores)")
    parser.add_argument("--quick", action="store_true", help="six short files, a small network")
    given = parser.parse_args(arguments)
    if given.quick:
        given.channels, given.files, given.longest, given.rounds = [16], 6, 2.0, 1
    return given


def main() -> None:
    """Print a table as Markdown."""
    given = parse()
    if given.threads:
        torch.set_num_threads(given.threads)
    print(machine(choose_device(given.device)))
    with tempfile.TemporaryDirectory() as name:
        sounds = gather(given, Path(name))
        print(f"{sounds.told}; random weights; rounds of all files by turns: {given.rounds}\n")
        print(f"| {' | '.join(HEAD)} |")
        print("|" + "---|" * len(HEAD))
        for channels in given.channels:
            compare(given, sounds, channels)


if __name__ == "__main__":
    main()
