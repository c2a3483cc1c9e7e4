"""Checkpoints of a training in flight: whole or not there, and bound to what made them."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, state_sha256
from bodysounds.shards import content_sha256
from bodysounds.sides import SideTable
from bodysounds.types import Table

log = logging.getLogger(__name__)

# what a training runs through
CODE = (
    "training",
    "models",
    "losses",
    "audio",
    "scoring",
    "metrics",
    "sides.py",
    "_speechbrain.py",
)
CHECKPOINT = "checkpoint.pt"
DIGEST_BYTES = 32
ROWS = 1 << 16
"""Of a table, hashed at once."""


@dataclass(frozen=True)
class Store:
    """The folder of one training, `<work_dir>/<key>`."""

    folder: Path

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Replace a file by tensors, numbers, strings, lists and dicts, all or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        payload = buffer.getvalue()
        partial = self.folder / f".{name}.{os.getpid()}.partial"
        with open(partial, "wb") as file:
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.folder / name)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what a file holds, or None where there is none or it is damaged."""
        path = self.folder / name
        if not path.is_file():
            return None
        raw = path.read_bytes()
        digest, payload = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            log.warning("%s is damaged: training starts again", path)
            return None
        content: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True)
        return content

    def keep_only(self, names: Iterable[str]) -> None:
        """Remove every other file of this folder."""
        kept = set(names)
        for path in self.folder.glob("*.pt"):
            if path.name not in kept:
                path.unlink()

    def clear(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def weights_of(epoch: int) -> str:
    """Return the file name of an epoch's weights."""
    return f"epoch_{epoch:06d}.pt"


def training_key(
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    params: dict[str, Any],
    init: Encoder | None,
) -> str:
    """Return the sha256, in hex, of all that decides what a training ends with.

    That is the parameters, the samples and tables, the encoder to start from, and the code.
    """
    spans = b"".join(spans.tobytes() + b"|" for spans in side_table.spans)
    return content_key(packed, (side_table.table, trials), params, init, spans)


def content_key(
    packed: Packed,
    tables: Iterable[Table],
    params: dict[str, Any],
    init: Encoder | None,
    more: bytes = b"",
) -> str:
    """Return the sha256, in hex, of waveforms, tables, parameters, an encoder and the code."""
    told = json.dumps(params, sort_keys=True, default=str)
    about: list[Any] = [told, str(torch.__version__), packed.sample_rate]
    if init is not None:
        about += [init.architecture, init.front_end, state_sha256(init.state)]
    parts: list[bytes | memoryview] = [np.ascontiguousarray(packed.samples).data.cast("B"), more]
    rows = (_table_bytes(table) for table in (packed.index, *tables))
    return content_sha256(about, chain(parts, rows), CODE)


def _table_bytes(table: Table) -> bytes:
    # part by part, since what hashes them needs several times the memory of the rows
    starts = range(0, len(table), ROWS)
    parts = (pd.util.hash_pandas_object(table.iloc[k : k + ROWS], index=False) for k in starts)
    hashed = b"".join(part.to_numpy().tobytes() for part in parts)
    return ",".join(map(str, table.columns)).encode() + hashed
