"""Steps and epochs of the training of a breath classifier beside a plain loop that does the same.

    python benchmarks/respiratory.py [--batch 128] [--cycles 192] [--raw ICBHI_FOLDER] [--estimate]

CNN6 of width 1 by the recipe `published`: cycles of 8 s at 16 kHz, methods sl (one view of a cycle)
and hybrid (two). Ours is `train_step`, and the loop's own `train_epoch`, over the packed waveforms
of the project. The rival (respiratory_rival.py) trains the same network by the same losses and
optimiser on as many items, and either keeps its waveforms in memory, `tensor`, as the published
code does, or reads and resamples them each epoch, `files`. All run in this process by turns, each
round the other way about, and the best of the rounds is printed; the CPU time is what can be
compared where others use the machine. Without --raw the sounds are synthetic.

--estimate prints instead how long the published table would take on this device.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchaudio
import yaml
from respiratory_rival import Cycle, Files, Kept, Rival, build_rival

from bodysounds.audio.pack import decode_segments
from bodysounds.audio.packed import Packed, write_packed
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.demos import make_demo
from bodysounds.corpora.ingest import ingest
from bodysounds.devices import choose_device, use_bf16
from bodysounds.params import FeaturizeParams, IngestParams, TrainRespiratoryParams
from bodysounds.training.classifier import train_epoch
from bodysounds.training.classifier_setup import ClassifierTraining, set_up
from bodysounds.training.classifier_step import dev_figures, train_mode, train_step
from bodysounds.training.display import TrainingBar
from bodysounds.training.state import State

RATE = 16_000
RECIPES = Path(__file__).parents[1] / "conf" / "base" / "parameters_respiratory_recipes.yml"
TRAIN, TEST, EPOCHS, SEEDS = 4142, 2756, 400, 10
"""Of the published table: cycles that teach and that choose, epochs, runs of each method."""
VIEWS = {"sl": 1, "scl": 2, "hybrid": 2, "mscl": 2}
Work = Callable[[], object]


@dataclass
class Sounds:
    """Cycles that teach, and a few that choose, packed and as they are on disk."""

    packed: Packed
    examples: pd.DataFrame
    cycles: list[Cycle]
    told: str


def gather(raw: str | None, n: int, n_dev: int, folder: Path) -> Sounds:
    """Return n cycles that teach, drawn at random from a folder, or from the demo made for it."""
    if raw is None:
        patients = max(8, -(-(n + n_dev) // 16))
        sizes = {"n_train": patients, "recordings": [2, 2], "cycles": [8, 8]}
        corpus = make_demo("respiratory_scl", folder / "demo", {"respiratory_scl": sizes})
    else:
        corpus = Corpus(Path(raw), "icbhi", "icbhi")
    found = ingest(corpus, IngestParams(min_duration_s=0.1))
    drawn = found.segments.sample(frac=1, random_state=0)
    train = drawn[:n].assign(subset="train")
    known = drawn[n:][drawn[n:]["label"].isin(train["label"])]
    examples = pd.concat([train, known[:n_dev].assign(subset="dev")], ignore_index=True)
    began = time.perf_counter()
    pieces = decode_segments(
        corpus,
        found.manifest,
        examples.sort_values("segment_id"),
        FeaturizeParams(sample_rate=RATE),
    )
    packed = write_packed(folder / "packed", pieces, RATE)
    spent = time.perf_counter() - began
    labels = sorted(set(train["label"]))
    paths = found.manifest.set_index("recording_id")["path"]
    cycles = [
        Cycle(str(Path(corpus.root) / paths[row.recording_id]), row.start_s, row.end_s,
              labels.index(row.label))
        for row in train.itertuples()
    ]  # fmt: skip
    kind = "synthetic" if raw is None else "real"
    rates = found.manifest.set_index("recording_id")["sample_rate"][train["recording_id"]]
    spread = ", ".join(f"{k} of {rate} Hz" for rate, k in rates.value_counts().items())
    told = f"{len(cycles)} {kind} cycles ({spread}); packed once in {spent:.1f} s"
    return Sounds(packed, examples, cycles, told)


def recipe(given: argparse.Namespace, folder: Path, **changes: str) -> TrainRespiratoryParams:
    """Return the recipe `published`, with what the command line and `changes` say."""
    written = yaml.safe_load(RECIPES.read_text())["_respiratory"]["published"]
    own = {
        "published": None, "network": "cnn6", "device": given.device, "clip_s": given.clip_s,
        "batch_size": given.batch, "work_dir": str(folder / "work"),
    }  # fmt: skip
    return TrainRespiratoryParams(**(written | own | changes))


def best_in_turns(works: dict[str, Work], rounds: int, sync: Work) -> dict[str, tuple[float, ...]]:
    """Return the least seconds and CPU seconds that each takes in a few rounds."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for number in range(rounds):
        for name in list(works)[:: -1 if number % 2 else 1]:
            sync()
            cpu, began = time.process_time(), time.perf_counter()
            works[name]()
            sync()
            seconds = time.perf_counter() - began, time.process_time() - cpu
            spent[name].append(seconds)
    return {name: tuple(map(min, zip(*both, strict=True))) for name, both in spent.items()}


def step_of(run: ClassifierTraining, n: int) -> Work:
    """Return a step of ours on n cycles."""
    batch = np.resize(np.arange(len(run.train.labels)), n)
    train_mode(run)
    return lambda: train_step(run, batch, State())


def epoch_of(run: ClassifierTraining) -> Work:
    """Return an epoch of ours, as the loop of the project takes it, without what dev says."""
    bar = TrainingBar(1, 1)  # never shown
    return lambda: train_epoch(run, State(), bar)


def rival_of(run: ClassifierTraining) -> Rival:
    """Return the rival of a training; SystemExit unless its network is the same one."""
    rival = build_rival(run.params, RATE, len(run.labels), run.class_weights, run.device)
    body, network = run.module.body, rival.network
    weights = zip(network.state_dict(), body.state_dict().values(), strict=True)
    network.load_state_dict(dict(weights))
    features = torch.randn(2, 64, run.params.n_mels, device=run.device)
    with torch.no_grad():
        found = [body.eval()(features), network.eval()(features.transpose(1, 2)[:, None])]
    network.train()
    if not torch.allclose(*found, rtol=1e-2, atol=1e-2):
        raise SystemExit("with the same weights the rival's network hears something else")
    return rival


def compare(given: argparse.Namespace, sounds: Sounds, folder: Path, sync: Work) -> None:
    """Print a row for each thing, method, precision and rival."""
    device = choose_device(given.device)
    precisions = ["bf16", "float32"] if use_bf16("auto", device) else ["float32"]
    n_samples = round(given.clip_s * RATE)
    files = Files(sounds.cycles, RATE, n_samples)
    began = time.perf_counter()
    kept = Kept(files, device)
    print(f"rival `tensor`: waveforms read once in {time.perf_counter() - began:.1f} s\n")
    print("| what | method | ours | rival | ours ms | rival ms | rival / ours | of CPU time | "
          "ours items/s | rival items/s |")  # fmt: skip
    print("|" + "---|" * 10)
    for method in given.methods:
        runs = {
            name: set_up(
                sounds.packed,
                sounds.examples,
                recipe(given, folder, method=method, precision=name),
                None,
            )
            for name in precisions
        }
        rival = rival_of(runs["float32"])
        places = np.resize(np.arange(len(kept)), given.batch)
        batch = kept.waveforms[places], kept.labels[places]
        works: dict[str, Work] = {name: step_of(run, given.batch) for name, run in runs.items()}
        works["tensor"] = lambda rival=rival, batch=batch: rival.step(*batch)
        rows(f"a step of {given.batch}", method, works, given.batch, given.rounds, sync)
        works = {name: epoch_of(run) for name, run in runs.items()}
        works |= {
            "tensor": lambda rival=rival: rival.epoch(kept),
            "files": lambda rival=rival: rival.epoch(files),
        }
        rows(f"an epoch of {len(files)}", method, works, len(files), given.rounds, sync)


def rows(what: str, method: str, works: dict[str, Work], n: int, rounds: int, sync: Work) -> None:
    """Time some works of n items and print each of ours beside each rival."""
    spent = best_in_turns(works, rounds, sync)
    rivals = [name for name in works if name in ("tensor", "files")]
    for ours in (name for name in works if name not in rivals):
        for rival in rivals:
            (own, own_cpu), (other, other_cpu) = spent[ours], spent[rival]
            cells = [
                f"{1e3 * own:,.1f}", f"{1e3 * other:,.1f}", f"{other / own:.2f}",
                f"{other_cpu / own_cpu:.2f}", f"{n / own:,.1f}", f"{n / other:,.1f}",
            ]  # fmt: skip
            print(f"| {what} | {method} | {ours} | {rival} | {' | '.join(cells)} |", flush=True)


def estimate(given: argparse.Namespace, sounds: Sounds, folder: Path, sync: Work) -> None:
    """Print the time of the published table from a measured step of each network."""
    steps = -(-TRAIN // given.batch)
    print(
        f"\nAn estimate, not a measurement: {SEEDS} seeds x {EPOCHS} epochs of {steps} steps of "
        f"{given.batch} ({TRAIN:,} cycles), and {TEST:,} cycles heard at the end of each. A step "
        "of scl and mscl is taken to last as long as one of hybrid; their linear stages, which "
        "hear each cycle once, and the reading of the corpus are left out.\n"
    )
    print("| network | ms a step, sl | ms a step, two views | ms to choose by a cycle | "
          + " | ".join(f"hours of {name}" for name in VIEWS) + " | hours in all |")  # fmt: skip
    print("|" + "---|" * (5 + len(VIEWS)))
    total = 0.0
    for network in given.networks:
        works: dict[str, Work] = {}
        for method in ("sl", "hybrid"):
            params = recipe(given, folder, method=method, network=network)
            run = set_up(sounds.packed, sounds.examples, params, None)
            works[method] = step_of(run, given.batch)
        spent = {name: best[0] for name, best in best_in_turns(works, given.rounds, sync).items()}
        heard = best_in_turns({"dev": lambda run=run: dev_figures(run)}, given.rounds, sync)
        each = heard["dev"][0] / len(run.dev.labels)
        hours = [
            SEEDS * EPOCHS * (steps * spent["sl" if views == 1 else "hybrid"] + TEST * each) / 3600
            for views in VIEWS.values()
        ]
        total += sum(hours)
        cells = [f"{1e3 * spent[name]:,.1f}" for name in works] + [f"{1e3 * each:.2f}"]
        cells += [f"{one:,.1f}" for one in [*hours, sum(hours)]]
        print(f"| {network} | {' | '.join(cells)} |", flush=True)
    print(f"\n{total:,.0f} hours in all: {total / 24:,.1f} days on one such device")


def machine(device: torch.device) -> str:
    """Return what ran, in words."""
    own = [f"torch {torch.__version__}", f"torchaudio {torchaudio.__version__}"]
    own += [f"Python {platform.python_version()}", f"{torch.get_num_threads()} threads"]
    if device.type == "cuda":
        own += [torch.cuda.get_device_name(device), f"CUDA {torch.version.cuda}"]
        own += [f"TF32 in convolutions: {torch.backends.cudnn.allow_tf32}"]
    else:
        own += [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    bf16 = "bf16" if use_bf16("auto", device) else "float32"
    return ", ".join([*own, f"`auto` is {bf16} on {device.type}; the rival is float32"])


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (%(default)s)")
    parser.add_argument("--batch", type=int, default=128, help="cycles of a step (%(default)s)")
    parser.add_argument("--cycles", type=int, help="of an epoch (192, on a GPU 1024)")
    parser.add_argument("--clip-s", type=float, default=8.0, help="of a cycle (%(default)s)")
    parser.add_argument("--raw", help="a folder of ICBHI 2017; synthetic sounds without it")
    parser.add_argument("--rounds", type=int, default=2, help="%(default)s")
    parser.add_argument("--threads", type=int, help="of torch (all)")
    parser.add_argument("--methods", nargs="+", default=["sl", "hybrid"], choices=["sl", "hybrid"])
    parser.add_argument("--estimate", action="store_true", help="of the published table")
    networks = ["cnn6", "cnn10", "cnn14"]
    parser.add_argument("--networks", nargs="+", default=networks, choices=networks)
    return parser.parse_args(arguments)


def main() -> None:
    """Print a table as Markdown."""
    given = parse()
    if given.threads:
        torch.set_num_threads(given.threads)
    device = choose_device(given.device)
    cuda = device.type == "cuda"
    sync = torch.cuda.synchronize if cuda else lambda: None
    n = given.cycles or (1024 if cuda else 192)
    print(machine(device))
    with tempfile.TemporaryDirectory() as name:
        sounds = gather(given.raw, n, 64, Path(name))
        print(f"{sounds.told}; {given.clip_s:g} s of each at {RATE} Hz, batches of {given.batch}")
        if given.estimate:
            estimate(given, sounds, Path(name), sync)
        else:
            compare(given, sounds, Path(name), sync)


if __name__ == "__main__":
    main()
