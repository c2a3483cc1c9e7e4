"""Waveforms that lie packed already are not decoded again: by equal content, checked."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol, runtime_checkable

from bodysounds.audio.keys import whole_key
from bodysounds.audio.packed import META, REDO, Int16s, Packed, open_packed, read_keys, write_packed
from bodysounds.audio.remains import name_others, remove_remains

logger = logging.getLogger(__name__)


@runtime_checkable
class KeyedPieces(Protocol):
    """Pieces that know, before anything is decoded, what decides the samples of each."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def segment_ids(self) -> Sequence[str]: ...

    @property
    def segment_keys(self) -> Sequence[bytes]: ...

    def only(self, rows: Sequence[int]) -> Iterable[tuple[str, Int16s]]:
        """Return the pieces of these rows, in their order."""


def pack(folder: Path, pieces: KeyedPieces) -> Packed:
    """Return the pieces packed in a folder; what lies in it already is not decoded again.

    Where the folder holds the same segments by equal recordings (sha256), cuts, parameters and
    code, it is left as it is; otherwise segments that it holds are copied and the others decoded.
    All its samples are compared with their checksum first: a damaged folder is made anew, with a
    warning. The log says how many segments are reused.
    """
    remove_remains(folder)
    ids, keys = pieces.segment_ids, pieces.segment_keys
    old = _intact(folder)
    if old is None:
        return write_packed(folder, pieces.only(range(len(ids))), pieces.sample_rate, keys)
    kept, old_keys = old
    same_rate = kept.sample_rate == pieces.sample_rate  # nothing vouches for what packed.json says
    if same_rate and whole_key(kept.index["segment_id"], old_keys) == whole_key(ids, keys):
        name_others(folder)
        logger.info(
            "waveforms are reused: %d segments, by equal recordings, cuts and parameters", len(ids)
        )
        return kept
    first, count = (kept.index[name].tolist() for name in ("first_sample", "n_samples"))
    spans = dict(zip(old_keys, zip(first, count, strict=True), strict=True))
    found = [spans.get(key) for key in keys]
    missing = [row for row, span in enumerate(found) if span is None]
    logger.info(
        "waveforms of %d of %d segments are reused, those of %d are decoded",
        len(ids) - len(missing), len(ids), len(missing),
    )  # fmt: skip

    def mixed() -> Iterator[tuple[str, Int16s]]:
        with closing(_each(pieces.only(missing) if missing else [])) as decoded:
            for segment_id, span in zip(ids, found, strict=True):
                if span is None:
                    yield next(decoded)
                else:
                    yield segment_id, kept.samples[span[0] : sum(span)]
            next(decoded, None)  # lets its bar end

    return write_packed(folder, mixed(), pieces.sample_rate, keys)


def _each(pieces: Iterable[tuple[str, Int16s]]) -> Generator[tuple[str, Int16s], None, None]:
    yield from pieces


def _intact(folder: Path) -> tuple[Packed, list[bytes]] | None:
    """Return what a folder holds, and its keys; None where it holds nothing that can be reused."""
    if not (folder / META).is_file():
        return None
    try:
        packed = open_packed(folder, verify=True)
        keys = read_keys(folder)
        if keys is not None and len(keys) != len(packed):
            raise ValueError(f"{folder} has {len(packed)} segments and {len(keys)} keys")
    except (ValueError, OSError) as error:
        told = str(error).removesuffix(f": {REDO}")
        logger.warning("waveforms are decoded again: %s", told)
        return None
    return None if keys is None else (packed, keys)
