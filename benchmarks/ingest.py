"""Ingest and featurize of a folder of short files, beside the loops that people write.

    python benchmarks/ingest.py [--files 26000] [--seconds 1] [--format wav|flac] [--rate 16000]
    python benchmarks/ingest.py --files 100000 --seconds 3.6 --rate 8000 --memory

Synthetic sound, 16 bits, mono. Ours is `ingest` (every file is read, hashed, decoded and judged),
then `decode_segments` and `write_packed` (resampled, packed in one file, hashed), then `describe`.
Beside it, on the same files: a plain loop (soundfile, soxr, hashlib, one file after the other, all
waveforms joined in memory), librosa as it is usually written (`load`, then `mfcc`, `rms`,
`spectral_rolloff`, `yin`), and the physical limits: the files read, and decoded, by threads on all
cores, with nothing kept. Cold means that the files are dropped from the page cache before each
measurement (posix_fadvise); a disk's own cache, or a host's, is not. All by turns, the least of the
rounds; peak memory is RssAnon (/proc) above what the process held before.

librosa reads and describes --librosa files only, and its time is scaled to all.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from bodysounds.audio.descriptors import describe
from bodysounds.audio.pack import decode_segments
from bodysounds.audio.packed import Packed, open_packed
from bodysounds.audio.parallel import batches
from bodysounds.audio.reuse import pack
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.cry_scream import LABELS, MANIFEST
from bodysounds.corpora.ingest import Ingested, ingest
from bodysounds.params import FeaturizeParams, IngestParams
from bodysounds.types import Array

RATE = 16_000
PER_FOLDER = 1000
Work = Callable[[], object]


@dataclass
class Spent:
    """Of one work: seconds, CPU seconds, and the most memory above what was held before (MB)."""

    wall: float
    cpu: float
    anon_mb: float


def make_folder(folder: Path, n: int, seconds: float, fmt: str, rate: int) -> list[Path]:
    """Write n files, each another sound, and their data_manifest.csv; return their paths."""
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * rate)) / rate
    tones = [sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 8))
             for hz in rng.uniform(80, 600, 40)]  # fmt: skip
    noise = rng.normal(0, 0.003, 2 * len(t))
    rows = ["file_path,label,source_id"]
    for i in range(n):
        envelope = 0.1 * np.abs(np.sin(rng.uniform(2, 9) * t + rng.uniform(0, 3)))
        at = rng.integers(len(t))
        wave = envelope * tones[i % len(tones)] + noise[at : at + len(t)]
        name = f"{i // PER_FOLDER:04d}/{i:06d}.{fmt}"
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        soundfile.write(folder / name, wave, rate, subtype="PCM_16")
        rows.append(f"{name},{LABELS[i % len(LABELS)]},s{i // 30}")
    (folder / MANIFEST).write_text("\n".join(rows) + "\n")
    return [folder / row.split(",", 1)[0] for row in rows[1:]]


def make_cold(files: Sequence[Path]) -> None:
    """Drop the files from the page cache."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def rss_anon_mb() -> float:
    """Return the anonymous resident memory of this process (MB), nan where /proc has none."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def spend(work: Work, files: Sequence[Path]) -> tuple[object, Spent]:
    """Return what a work returns, from cold, and what it takes."""
    gc.collect()
    make_cold(files)
    before, peak, done = rss_anon_mb(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], rss_anon_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    cpu, began = time.process_time(), time.perf_counter()
    try:
        result = work()
    finally:
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        done.set()
        watcher.join()
    return result, Spent(wall, cpu, max(peak[0], rss_anon_mb()) - before)


def in_threads(work: Callable[[str], object], files: Sequence[Path], threads: int) -> None:
    """Do the least there is to do with every file, some at a time, in threads."""
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda some: [work(one) for one in some], batches(map(str, files), 64)):
            pass


def read_bytes(path: str) -> None:
    with open(path, "rb") as file:
        file.read()


def plain_ingest(files: Sequence[Path]) -> list[tuple[float, int, str]]:
    """The loop: hash a file, read it, note its length and peak."""
    rows = []
    for path in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        samples, rate = soundfile.read(path, dtype="float32")
        if np.isfinite(samples).all() and np.abs(samples).max() > 1e-4:
            rows.append((len(samples) / rate, rate, digest))
    return rows


def plain_pack(files: Sequence[Path]) -> Array:
    """The loop: read a file, resample it, append it, and join all at the end."""
    waves = []
    for path in files:
        samples, rate = soundfile.read(path, dtype="float32")
        waves.append(samples if rate == RATE else soxr.resample(samples, rate, RATE))
    return np.concatenate(waves)


def librosa_load(files: Sequence[Path]) -> Array:
    """The usual lines."""
    import librosa

    return np.concatenate([librosa.load(path, sr=RATE)[0] for path in files])


def librosa_describe(files: Sequence[Path]) -> Array:
    """The usual lines: cepstra, level, bandwidth and pitch of 25 ms frames every 10 ms."""
    import librosa

    rows = []
    for path in files:
        wave, _ = librosa.load(path, sr=RATE)
        frames = {"n_fft": 512, "hop_length": 160}
        cepstra = librosa.feature.mfcc(y=wave, sr=RATE, n_mfcc=20, n_mels=40, **frames)
        level = librosa.feature.rms(y=wave, frame_length=400, hop_length=160)
        bandwidth = librosa.feature.spectral_rolloff(y=wave, sr=RATE, roll_percent=0.95, **frames)
        pitch = librosa.yin(wave, fmin=75, fmax=1200, sr=RATE, frame_length=640, hop_length=320)
        means = [facts.mean() for facts in (level, bandwidth, pitch)]
        rows.append([*cepstra.mean(axis=1), *cepstra.std(axis=1), *means])
    return np.array(rows)


class Ours:
    """The project's stages, each on what the one before it made."""

    def __init__(self, corpus: Corpus, folder: Path, threads: int) -> None:
        self.corpus, self.folder, self.threads = corpus, folder, threads
        self.tables: Ingested | None = None
        self.params = FeaturizeParams(sample_rate=RATE, workers=threads)

    def ingest(self) -> Ingested:
        self.tables = ingest(self.corpus, IngestParams(workers=self.threads))
        return self.tables

    def pack(self) -> Packed:
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.pack_again()

    def pack_again(self) -> Packed:
        """What a second run does: everything is there."""
        tables = self.tables or self.ingest()
        pieces = decode_segments(self.corpus, tables.manifest, tables.segments, self.params)
        return pack(self.folder, pieces)

    def describe(self) -> object:
        return describe(open_packed(self.folder), self.params)


def measure(given: argparse.Namespace, files: list[Path], folder: Path) -> dict[str, Spent]:
    """Return what each work takes, the least of the rounds, by turns."""
    ours = Ours(
        Corpus(folder / "raw", "manifest", "made", synthetic=True), folder / "packed", given.threads
    )
    some = files[: given.librosa]
    works: dict[str, tuple[Work, Sequence[Path]]] = {
        "read": (lambda: in_threads(read_bytes, files, given.threads), files),
        "decode": (lambda: in_threads(soundfile.read, files, given.threads), files),
        "ingest": (ours.ingest, files),
        "plain_ingest": (lambda: plain_ingest(files), files),
        "pack": (ours.pack, files),
        "plain_pack": (lambda: plain_pack(files), files),
        "librosa_load": (lambda: librosa_load(some), some),
        "describe": (ours.describe, [ours.folder / "samples.i16"]),
        "librosa_describe": (lambda: librosa_describe(some), some),
        "again": (ours.pack_again, [ours.folder / "samples.i16"]),
    }
    librosa_describe(files[:1])  # it compiles parts of itself on first use
    found: dict[str, list[Spent]] = {name: [] for name in works}
    for _ in range(given.rounds):
        for name, (work, cold) in works.items():
            found[name].append(spend(work, cold)[1])
    best = {
        name: Spent(*(min(getattr(one, field) for one in spent) for field in ("wall", "cpu")),
                    max(one.anon_mb for one in spent))
        for name, spent in found.items()
    }  # fmt: skip
    for name in ("librosa_load", "librosa_describe"):
        best[name].wall *= len(files) / len(some)
        best[name].cpu *= len(files) / len(some)
    return best


ROWS = (
    ("ingest", "ingest", "plain_ingest", "decode"),
    ("featurize: waveforms", "pack", "plain_pack", "decode"),
    ("featurize: waveforms", "pack", "librosa_load", "decode"),
    ("featurize: descriptors", "describe", "librosa_describe", "decode"),
    ("waveforms, a second time", "again", "plain_pack", "read"),
)
TOLD = {
    "plain_ingest": "plain loop", "plain_pack": "plain loop", "librosa_load": "librosa.load",
    "librosa_describe": "librosa.load, mfcc, rms, rolloff, yin",
}  # fmt: skip


def compare(given: argparse.Namespace, files: list[Path], folder: Path) -> None:
    """Print a row for each stage and rival."""
    spent = measure(given, files, folder)
    print("| what | rival | ours s | rival s | rival / ours | of CPU time | ours files/s | "
          "limit s | share of limit | ours MB | rival MB |")  # fmt: skip
    print("|" + "---|" * 11)
    for what, ours, rival, limit in ROWS:
        own, other, least = spent[ours], spent[rival], spent[limit]
        cells = [
            f"{own.wall:.3f}", f"{other.wall:.3f}", f"{other.wall / own.wall:.1f}",
            f"{other.cpu / own.cpu:.1f}", f"{len(files) / own.wall:,.0f}",
            f"{least.wall:.3f} ({limit})", f"{least.wall / own.wall:.0%}",
            f"{own.anon_mb:.0f}", f"{other.anon_mb:.0f}",
        ]  # fmt: skip
        print(f"| {what} | {TOLD[rival]} | {' | '.join(cells)} |")
    limits = ", ".join(f"{name} {spent[name].wall:.2f} s" for name in ("read", "decode"))
    print(f"\nall {len(files):,} files by {given.threads} threads, nothing kept: {limits}")


def memory(given: argparse.Namespace, files: list[Path], folder: Path) -> None:
    """Print the peak memory of the stages, tables included, one after the other."""
    ours = Ours(
        Corpus(folder / "raw", "manifest", "made", synthetic=True), folder / "packed", given.threads
    )
    hours = len(files) * given.seconds / 3600
    audio_mb = hours * 3600 * RATE * 2 / 2**20
    kept: list[object] = []

    def stages() -> None:
        kept.extend((ours.ingest(), ours.pack(), ours.describe()))

    start = rss_anon_mb()
    _, spent = spend(stages, files)
    print("| files | hours | waveforms MB | seconds | at start MB | peak RssAnon MB |")
    print("|" + "---|" * 6)
    print(f"| {len(files):,} | {hours:.1f} | {audio_mb:,.0f} | {spent.wall:.1f} | {start:.0f} | "
          f"{start + spent.anon_mb:.0f} |")  # fmt: skip


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=26_000, help="%(default)s")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a file (%(default)s)")
    parser.add_argument("--format", choices=["wav", "flac"], default="wav", help="%(default)s")
    parser.add_argument("--rate", type=int, default=RATE, help="of the files, Hz (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="all cores")
    parser.add_argument("--rounds", type=int, default=3, help="%(default)s")
    parser.add_argument("--librosa", type=int, default=1000, help="files it gets (%(default)s)")
    parser.add_argument("--memory", action="store_true", help="peak memory only, without rivals")
    parser.add_argument("--folder", help="where the files are made (the system's temporary folder)")
    parser.add_argument("--quick", action="store_true", help="a few files, one round")
    given = parser.parse_args(arguments)
    if given.quick:
        given.files, given.rounds, given.librosa = min(given.files, 150), 1, 5
    return given


def main() -> None:
    """Print a table as Markdown."""
    given = parse()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        files = make_folder(
            folder / "raw", given.files, given.seconds, given.format, given.rate
        )  # fmt: skip
        os.sync()  # what is not on the disk yet cannot be dropped from memory
        print(
            f"{given.files:,} synthetic files of {given.seconds:g} s, {given.format}, 16 bits, "
            f"{given.rate} Hz, to {RATE} Hz; {given.threads} threads of {os.cpu_count()} cores "
            f"({platform.machine()}), Python {platform.python_version()}, soundfile "
            f"{soundfile.__version__}, {soundfile.__libsndfile_version__}; files dropped from the "
            "page cache before each measurement\n"
        )
        (memory if given.memory else compare)(given, files, folder)


if __name__ == "__main__":
    main()
