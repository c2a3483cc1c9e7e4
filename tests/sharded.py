"""Shards for test_shards: what they hold, attempts that leave files, and processes that die.

Runs by itself too: it does shards until it dies by SIGKILL, as it is told.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import made
import numpy as np
import pandas as pd
import soundfile

from bodysounds.audio import shards as audio_shards
from bodysounds.audio.pack import DecodedSegments
from bodysounds.audio.packed import Packed
from bodysounds.corpora.base import Corpus
from bodysounds.models.encoder import Encoder, untrained
from bodysounds.params import FeaturizeParams
from bodysounds.scoring import shards as scoring_shards
from bodysounds.scoring.embed import embed_means
from bodysounds.shards import map_shards
from bodysounds.sides import SideTable

DIE_AT = "BODYSOUNDS_TEST_DIE_AT"
HANG = "BODYSOUNDS_TEST_HANG"
RATE = 8_000
ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
BOUND = 1e-6
"""Between float32 embeddings of other batches."""
FRONT_END = {"name": "speechbrain", "sample_rate": made.RATE, "n_mels": 24, "mean_over": "band"}
pack_shard, embed_shard = audio_shards.pack_shard, scoring_shards.embed_shard


def log_folder(folder: Path) -> Path:
    """Return the folder that `begin` finds, made."""
    (folder / "log").mkdir()
    return folder / "log"


def names(*numbers: int) -> list[str]:
    return [f"shard_{number:04d}" for number in numbers]


def attempts(log: Path) -> list[str]:
    """Return the shard of each attempt that was begun, in no order."""
    return sorted(path.name.split("-")[0] for path in log.glob("shard_*"))


def begin(folder: Path) -> list[str]:
    """Leave a file that tells of the attempt, and return all that were begun.

    It lies in the folder `log` beside the work. This process dies or hangs where it is told to.
    """
    log = next(parent / "log" for parent in folder.parents if (parent / "log").is_dir())
    shard = folder.name.split(".")[1]
    (log / f"{shard}-{uuid4().hex}").touch()
    begun = attempts(log)
    if len(begun) == int(os.environ.get(DIE_AT, "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get(HANG):
        (log / f"hung-{os.environ[HANG]}").write_text(f"{shard} {os.getpid()}")
        time.sleep(120)
    return begun


def watched_pack(shard: DecodedSegments, folder: Path) -> None:
    begin(folder)
    pack_shard(shard, folder)


def watched_embed(shard: scoring_shards.EmbeddingShard, folder: Path) -> None:
    begin(folder)
    embed_shard(shard, folder)


def write_text(shard: str, folder: Path) -> None:
    """Write what a shard is: `wrong` and `hopeless` are errors, `unlucky` one that passes."""
    begun = begin(folder)
    if shard == "wrong":
        raise ValueError("the shard is wrong")
    if shard == "hopeless" or (shard == "unlucky" and len(begun) < 3):
        raise OSError("the disk is away")
    (folder / "text").write_text(shard)


def watch() -> None:
    """Let the attempts of this process be seen."""
    audio_shards.pack_shard, scoring_shards.embed_shard = watched_pack, watched_embed


def recordings(folder: Path) -> tuple[Corpus, pd.DataFrame, pd.DataFrame]:
    """Return a corpus of 9 recordings of another rate, its manifest and its segments."""
    rng = np.random.default_rng(5)
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    rows, cuts = [], []
    for number, seconds in enumerate(rng.uniform(0.3, 1.5, 9)):
        name = f"r{number}"
        path = folder / "raw" / f"{name}.wav"
        soundfile.write(path, rng.normal(0, 0.1, int(11_025 * seconds)), 11_025)
        rows.append((name, path.name, seconds, hashlib.sha256(path.read_bytes()).hexdigest()))
        cuts += [(f"{name}-{k}", name, 0.1 * k, 0.1 * k + 0.15) for k in range(1 + number % 3)]
    manifest = pd.DataFrame(rows, columns=["recording_id", "path", "duration_s", "sha256"])
    segments = pd.DataFrame(cuts, columns=["segment_id", "recording_id", "start_s", "end_s"])
    return Corpus(folder / "raw", "table", "made"), manifest, segments


def pieces(folder: Path, **options: Any) -> Any:
    """Return the pieces of the made corpus as the node does, for a number of shards."""
    from bodysounds.pipelines.featurize.nodes import pack_waveforms

    told = {"sample_rate": RATE, "work_dir": str(folder / "work")} | options
    params = FeaturizeParams(**told)
    return pack_waveforms(*recordings(folder), params)


def pack(folder: Path, target: Path, **options: Any) -> None:
    """Featurize as a node and its dataset do."""
    from bodysounds.datasets.waveforms import PackedWaveforms

    PackedWaveforms(filepath=str(target)).save(pieces(folder, **options))


def corpus(folder: Path) -> tuple[Packed, SideTable, pd.DataFrame]:
    return made.corpus(folder, {"train": 3, "dev": 3, "test": 4}, seconds=0.9)


def encoder(seed: int = 0) -> Encoder:
    return untrained(Encoder({}, ARCHITECTURE, FRONT_END), seed=seed)


def heard(sides: SideTable) -> list[list[Any]]:
    """Return what of each side is heard, of one as two pieces, for the longest to differ."""
    return [[spans] if row % 4 else [spans, spans[:1]] for row, spans in enumerate(sides.spans)]


def embed(packed: Packed, sides: SideTable, work: Path, n: int = 4, **options: Any) -> np.ndarray:
    """Embed in shards."""
    sharded = scoring_shards.ShardedMeans(n, work)
    options = {"seed": 0, "max_side_s": 1.5} | options
    own = encoder(options["seed"])
    return sharded(own, packed, heard(sides), options["max_side_s"], "cpu", precision="float32")


def packed_whole(folder: Path) -> dict[str, str]:
    """Return the checksums of what is packed without shards."""
    pack(folder, folder / "packed")
    assert not (folder / "work").exists()
    return made.hashes(folder / "packed")


def means_whole(packed: Packed, sides: SideTable) -> np.ndarray:
    """Return the embeddings of one process."""
    return embed_means(encoder(), packed, heard(sides), 1.5, "cpu", precision="float32")


def pack_on_dask(folder: str, target: str, shards: int) -> None:
    """Featurize, as a node in a task of Dask."""
    watch()
    pack(Path(folder), Path(target), shards=shards)


def embed_on_dask(folder: str, n: int) -> np.ndarray:
    """Embed, as a node in a task of Dask."""
    watch()
    packed, sides, _ = corpus(Path(folder) / str(os.getpid()))
    return embed(packed, sides, Path(folder) / "work", n)


def text_on_dask(folder: str, shards: list[str]) -> list[str]:
    """Write texts, as a node in a task of Dask."""
    return [(path / "text").read_text() for path in map_shards(write_text, shards, Path(folder))]


def main(kind: str, folder: Path) -> None:
    watch()
    if kind == "featurize":
        pack(folder, folder / "packed", shards=4)
    else:
        import torch

        torch.set_num_threads(1)
        packed, sides, _ = corpus(folder / "corpus")
        embed(packed, sides, folder / "work")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
