"""Steps a second of AAM and of triplet training beside two loops of SpeechBrain's network.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/training.py [--channels 1024 256] [--batch 32]
        [--crop-s 3] [--raw FOLDER] [--device cuda] [--quick] [--estimate]

Ours is `train_epoch`, the loop of the project, over packed waveforms: as it trains where nothing
else is said (bf16 where the chip has it), and in float32 beside it. The rivals (training_rival.py)
are a plain loop that reads its wav files in the step, and SpeechBrain's Brain, both in float32. All
have equal batches, crops, network and optimiser and no augmentation, and before anything is timed
the same weights and crops must give the same loss on both sides. All run in this process by turns,
each round the other way about, and the least of the rounds is printed; the CPU time is what can be
compared where others use the machine.

`idle` is the share of our time in which the step waits for samples. The physical limit is bare
matrix products of the network's own shapes, forward and backward, the better of a linear layer and
a convolution, in the same precision. Without --raw the sounds are synthetic; who speaks in --raw
does not matter here, and two recordings make a subject.

--estimate prints instead how long 300 passes over CryCeleb's 586 babies would take on this device.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import torch
from embedding import ENDINGS, RATE, product_rate, sync, voice
from embedding_rival import BLOCKS, DIM, N_MELS, build_rival, flops_of, shapes_of
from respiratory import best_in_turns, machine
from training_rival import Brain, Item, Judge, Plain

from bodysounds.audio.packed import to_int16, write_packed
from bodysounds.audio.read import read_audio
from bodysounds.devices import choose_device, use_bf16
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import build_sides
from bodysounds.training.display import TrainingBar
from bodysounds.training.loop import train_epoch
from bodysounds.training.run import Training
from bodysounds.training.setup import Given, set_up
from bodysounds.training.state import State
from bodysounds.training.step import crop_draws, judge, load, train_mode, waveforms_of

HOP = 160
PASSES, BABIES, CROP_S = 300, 586, (3.0, 5.0)
"""Of the estimate: each baby is heard once a pass."""
LOSSES = {
    "aam": {"name": "aam", "margin": 0.2, "scale": 30.0},
    "triplet": {"name": "triplet", "margin": 0.3},
}
EQUAL = 2e-3
"""Share by which the losses of both sides may differ, in float32."""
DEV = 4
"""Recordings of the two subjects that a training needs besides."""


@dataclass(frozen=True)
class Sounds:
    """Recordings, packed and as they are on disk."""

    given: Given
    items: list[Item]
    told: str


def gather(given: argparse.Namespace, folder: Path) -> Sounds:
    """Return recordings that teach, two a subject, and four more that choose."""
    n, rng = given.batch * given.steps, np.random.default_rng(0)
    wanted = round(max(given.crop_s, CROP_S[1] if given.estimate else 0) * RATE)
    waves = real(given.raw, n + DEV, wanted) if given.raw else []
    for _ in range(len(waves), n + DEV):
        waves.append(voice(rng, wanted / RATE + rng.uniform(0.5, 2.0)))
    folder.joinpath("wav").mkdir()
    items, pieces = [], []
    for k, wave in enumerate(waves):
        path = folder / "wav" / f"{k:05d}.wav"
        soundfile.write(path, to_int16(wave), RATE)
        pieces.append((f"r{k:05d}", to_int16(wave)))
        items.append(Item(path, len(wave), k // 2))
    packed = write_packed(folder / "packed", pieces, RATE)
    table = pd.DataFrame({"recording_id": [name for name, _ in pieces], "order": 0})
    table["side_id"], table["domain"], table["recorded_at"] = table["recording_id"], "", np.nan
    table["sex"] = None
    table["subject_id"] = [f"s{item.label:05d}" for item in items]
    table["group_id"] = table["subject_id"]
    table["session_id"] = np.where(np.arange(len(items)) % 2, "D", "B")
    table["subset"] = np.where(np.arange(len(items)) < n, "train", "dev")
    segments = table[["recording_id"]].assign(segment_id=table["recording_id"], start_s=0.0)
    sides = build_sides(packed, segments, table[["side_id", "recording_id", "order"]], table, table)
    dev = table["side_id"][n:].tolist()
    trials = pd.DataFrame({
        "trial_id": ["same", "other"], "enrol_id": [dev[0], dev[0]], "test_id": [dev[1], dev[2]],
        "target": pd.array([1, 0], "Int64"), "subset": "dev",
    })  # fmt: skip
    params = TrainEmbeddingParams(
        n_mels=N_MELS, depth=BLOCKS, dim=DIM, subjects_per_batch=given.batch // 2,
        crops_per_subject=2, crop_s=[given.crop_s] * 2, epochs=1000, optimiser="adam",
        weight_decay=0.0, schedule=[{"name": "constant"}], device=given.device,
        checkpoint_every=1_000_000, work_dir=str(folder / "work"),
    )  # fmt: skip
    kind = "real" if given.raw else "synthetic"
    told = f"{n} {kind} recordings, {sum(map(len, waves[:n])) / RATE:,.0f} s"
    return Sounds(Given(packed, sides, trials, params, None), items[:n], told)


def real(folder: str, n: int, at_least: int) -> list[np.ndarray]:
    """Return n recordings of a folder that are long enough, repeated where there are fewer."""
    found: list[np.ndarray] = []
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in ENDINGS):
        wave = read_audio(path, RATE)
        if len(wave) >= at_least:
            found.append(wave[: 60 * RATE])
        if len(found) == n:
            return found
    if not found:
        raise SystemExit(f"{folder} holds no recording of {at_least / RATE:g} s")
    return [found[k % len(found)] for k in range(n)]


def ours(sounds: Sounds, loss: str, channels: int, precision: str) -> Training:
    """Return our training with one loss."""
    params = replace(
        sounds.given.params, losses=[LOSSES[loss]], channels=channels, precision=precision
    )
    return set_up(replace(sounds.given, params=params))[0]


def rival_judge(run: Training, loss: str, channels: int) -> Judge:
    """Return SpeechBrain's layers with the weights of a training of ours."""
    network = build_rival(run.module, channels).mods.embedding_model
    centres = run.losses.losses["aam"].weight.detach() if loss == "aam" else None
    options = LOSSES[loss]
    judging = Judge(loss, network, centres, options["margin"], options.get("scale", 1.0))
    # the one that it comes from is in eval mode, without gradients
    return judging.to(run.device).train().requires_grad_(True)


def check_equal(run: Training, judging: Judge) -> None:
    """SystemExit unless both sides find the same loss for the same crops."""
    train_mode(run)
    batch = run.plan(0)[0]
    with torch.no_grad():
        waveforms = waveforms_of(run, load(run, batch, crop_draws(run, 0, 0)))
        features = run.module.features(waveforms)
        found, _ = judge(run, features, batch, run.sources.train)
        labels = torch.from_numpy(batch.labels).to(run.device)
        other = judging(waveforms, torch.ones(len(labels), device=run.device), labels)
    if not torch.isclose(found, other, rtol=EQUAL, atol=EQUAL):
        raise SystemExit(f"the loss is {found.item():.6f} here and {other.item():.6f} there")


def limits_s(given: argparse.Namespace, run: Training, channels: int) -> dict[str, float]:
    """Return the seconds of a step's products alone, forward and twice backward, by precision."""
    shapes: dict[tuple[int, int, int], int] = {}
    forward = shapes_of(build_rival(run.module, channels), 1 + round(given.crop_s * RATE) // HOP)
    for (rows, inner, columns), times in forward.items():
        n = given.batch * rows
        for shape in ((n, inner, columns), (n, columns, inner), (inner, n, columns)):
            shapes[shape] = shapes.get(shape, 0) + times
    operations = sum(2.0 * math.prod(shape) * times for shape, times in shapes.items())
    at_least_s = 0.0 if given.quick else 0.05
    return {
        name: operations / product_rate(shapes, dtype, str(run.device), at_least_s)
        for name, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32))
    }


def compare(
    given: argparse.Namespace, sounds: Sounds, loss: str, channels: int, bare_s: dict[str, float]
) -> dict[str, float]:
    """Print a row for each precision and rival; return what `limits_s` does."""
    device, n_samples = choose_device(given.device), round(given.crop_s * RATE)
    precisions = ["bf16", "float32"] if use_bf16("auto", device) else ["float32"]
    runs = {name: ours(sounds, loss, channels, name) for name in precisions}
    plain = runs["float32"]
    check_equal(plain, rival_judge(plain, loss, channels))
    options = {
        "batch": given.batch, "n_samples": n_samples, "device": device, "workers": given.workers,
        "learning_rate": plain.params.learning_rate,
    }  # fmt: skip
    idle: dict[str, float] = dict.fromkeys(precisions, 1.0)
    bar = TrainingBar(1, 1)  # never shown

    def epoch(name: str) -> None:
        state = State()
        train_epoch(runs[name], state, bar)
        idle[name] = min(idle[name], state.waited / state.seconds)

    works = {name: lambda name=name: epoch(name) for name in precisions}
    for name, kind in (("plain", Plain), ("Brain", Brain)):
        works[name] = kind(rival_judge(plain, loss, channels), sounds.items, options).epoch
    for work in works.values():
        work()
    spent = best_in_turns(works, given.rounds, sync)
    bare_s = bare_s or limits_s(given, plain, channels)
    for precision in precisions:
        bare = bare_s[precision]
        own, own_cpu = (seconds / given.steps for seconds in spent[precision])
        for rival in ("plain", "Brain"):
            other, other_cpu = (seconds / given.steps for seconds in spent[rival])
            cells = [
                loss, f"ECAPA-{channels}", precision, rival, f"{1 / own:.3f}", f"{1 / other:.3f}",
                f"{other / own:.2f}", f"{other_cpu / own_cpu:.2f}", f"{given.batch / own:.1f}",
                f"{idle[precision]:.2%}", f"{1e3 * bare:,.1f}", f"{bare / own:.1%}",
            ]  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)
    return bare_s


def estimate(given: argparse.Namespace, sounds: Sounds) -> None:
    """Print the time of the whole training from measured steps of each network."""
    n_crops, mean_s = PASSES * BABIES, sum(CROP_S) / 2
    print(
        f"\nAn estimate, not a measurement: {PASSES} passes over {BABIES} babies, each heard once "
        f"a pass in a crop of {CROP_S[0]:g} to {CROP_S[1]:g} s, are {n_crops:,} crops; AAM, "
        f"batches of {given.batch}. Operations: forward and twice as many backward.\n"
    )
    print("| network | precision | PFLOP | crops/s | TFLOP/s | minutes |")
    print("|" + "---|" * 6)
    bar, device = TrainingBar(1, 1), choose_device(given.device)
    precision = "bf16" if use_bf16("auto", device) else "float32"
    params = replace(sounds.given.params, crop_s=list(CROP_S))
    sounds = replace(sounds, given=replace(sounds.given, params=params))
    for channels in given.channels:
        run = ours(sounds, "aam", channels, precision)
        train_epoch(run, State(), bar)
        spent = best_in_turns({"": lambda run=run: train_epoch(run, State(), bar)}, given.rounds,
                              sync)  # fmt: skip
        frames = 1 + round(mean_s * RATE) // HOP
        petaflops = 3 * flops_of(build_rival(run.module, channels))(frames) * n_crops / 1e15
        # the crops that were heard are a little longer or shorter than the mean
        heard_s = sum(int(batch.lengths.sum()) for batch in run.plan(0)) / RATE
        rate = heard_s / mean_s / spent[""][0]
        seconds = n_crops / rate
        cells = [
            f"ECAPA-{channels}", precision, f"{petaflops:.2f}", f"{rate:,.1f}",
            f"{1e3 * petaflops / seconds:.3f}", f"{seconds / 60:,.1f}",
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


HEAD = (
    "loss", "network", "ours", "rival", "ours steps/s", "rival steps/s", "rival / ours",
    "of CPU time", "ours crops/s", "idle", "bare products ms", "share",
)  # fmt: skip


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (%(default)s)")
    parser.add_argument("--channels", type=int, nargs="+", default=[1024, 256], help="%(default)s")
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    parser.add_argument("--batch", type=int, default=32, help="crops of a step (%(default)s)")
    parser.add_argument("--crop-s", type=float, default=3.0, help="seconds (%(default)s)")
    parser.add_argument("--steps", type=int, default=4, help="of a round (%(default)s)")
    parser.add_argument("--raw", help="a folder of recordings; synthetic ones without it")
    parser.add_argument("--rounds", type=int, default=2, help="%(default)s")
    parser.add_argument("--threads", type=int, help="of torch (all)")
    parser.add_argument("--workers", type=int, default=0, help="processes that read for Brain")
    parser.add_argument("--quick", action="store_true", help="a small network, short crops")
    parser.add_argument("--estimate", action="store_true", help="of a whole training")
    given = parser.parse_args(arguments)
    if given.quick:
        given.channels, given.batch, given.crop_s, given.steps, given.rounds = [16], 4, 0.5, 2, 1
    if given.batch < 4 or given.batch % 2:
        parser.error("--batch must be an even number of at least 4")
    return given


def main() -> None:
    """Print a table as Markdown."""
    given = parse()
    if given.threads:
        torch.set_num_threads(given.threads)
    print(machine(choose_device(given.device)))
    with tempfile.TemporaryDirectory() as name:
        sounds = gather(given, Path(name))
        print(
            f"{sounds.told}; crops of {given.crop_s:g} s, batches of {given.batch}; random "
            f"weights; rounds of {given.steps} steps by turns: {given.rounds}\n"
        )
        if given.estimate:
            estimate(given, sounds)
            return
        print(f"| {' | '.join(HEAD)} |")
        print("|" + "---|" * len(HEAD))
        for channels in given.channels:
            bare_s: dict[str, float] = {}
            for loss in given.losses:
                bare_s = compare(given, sounds, loss, channels, bare_s)


if __name__ == "__main__":
    main()
