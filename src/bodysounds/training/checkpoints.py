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
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, state_sha256
from bodysounds.sides import SideTable
from bodysounds.types import Table

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).resolve().parents[1]
# what a training runs through
CODE = ("training", "models", "losses", "audio", "scoring", "metrics", "sides.py")
NAME = "checkpoint.pt"
DIGEST_BYTES = 32


@dataclass(frozen=True)
class Store:
    """The folder of one training, `<work_dir>/<key>`."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / NAME

    def write(self, content: dict[str, Any]) -> None:
        """Replace the checkpoint by tensors, numbers, strings, lists and dicts, all or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        payload = buffer.getvalue()
        partial = self.folder / f".{NAME}.{os.getpid()}.partial"
        with open(partial, "wb") as file:
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, self.path)

    def read(self) -> dict[str, Any] | None:
        """Return the checkpoint, or None where there is none or it is damaged."""
        if not self.path.is_file():
            return None
        raw = self.path.read_bytes()
        digest, payload = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
        if hashlib.sha256(payload).digest() != digest:
            log.warning("%s is damaged: training starts again", self.path)
            return None
        content: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True)
        return content

    def clear(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


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
    digest = hashlib.sha256()
    digest.update(json.dumps(params, sort_keys=True, default=str).encode())
    digest.update(f"{torch.__version__} {packed.sample_rate}".encode())
    digest.update(np.ascontiguousarray(packed.samples).data)
    for table in (packed.index, side_table.table, trials):
        digest.update(_table_bytes(table))
    for spans in side_table.spans:
        digest.update(spans.tobytes() + b"|")
    if init is not None:
        digest.update(json.dumps([init.architecture, init.front_end], sort_keys=True).encode())
        digest.update(state_sha256(init.state).encode())
    for file in _sources(PACKAGE / name for name in CODE):
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _table_bytes(table: Table) -> bytes:
    hashed = pd.util.hash_pandas_object(table, index=False).to_numpy()
    return ",".join(map(str, table.columns)).encode() + hashed.tobytes()


def _sources(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))
    )
