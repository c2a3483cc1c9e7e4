"""Who is enrolled: references by subject, and the file that keeps them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bodysounds.models.stored import read_stored, write_stored
from bodysounds.types import Ints

FORMAT = "bodysounds.gallery/1"
AGAIN = "enrol again, or give a gallery that save_gallery wrote with this model"
UNIT = 1e-3
"""A saved reference's length is 1 within this."""

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True)
class References:
    """The references of a gallery, those of a subject one after the other."""

    subjects: list[str]
    counts: Ints
    """References of each subject, int64 (n_subjects,), at least 1."""
    embeddings: Float32s
    """(n, dim), of unit length."""
    seconds: Float64s
    """What each reference lasts, (n,)."""

    @property
    def starts(self) -> Ints:
        """The first reference of each subject, int64 (n_subjects,)."""
        starts: Ints = np.cumsum(self.counts) - self.counts
        return starts


class Gallery:
    """References by subject, in the order of enrolment."""

    def __init__(self) -> None:
        self._kept: dict[str, list[tuple[Float32s, float]]] = {}
        self._table: References | None = None

    @property
    def ids(self) -> list[str]:
        """The subjects."""
        return list(self._kept)

    @property
    def counts(self) -> dict[str, int]:
        """How many references each subject has."""
        return {subject: len(own) for subject, own in self._kept.items()}

    @property
    def seconds(self) -> dict[str, float]:
        """What the references of each subject last together."""
        return {who: sum(lasts for _, lasts in own) for who, own in self._kept.items()}

    def __len__(self) -> int:
        """Number of subjects."""
        return len(self._kept)

    def __contains__(self, subject: object) -> bool:
        return isinstance(subject, str) and unicodedata.normalize("NFC", subject) in self._kept

    def add(self, subject: str, embedding: Float32s, seconds: float) -> None:
        """Keep one more reference of a subject: float32 (dim,) of unit length, and its seconds.

        An id is any text but an empty one; its accents may be spelt in either of Unicode's ways.
        """
        own = self._kept.setdefault(checked_id(subject), [])
        own.append((np.asarray(embedding, dtype=np.float32), float(seconds)))
        self._table = None

    def remove(self, subject: str) -> None:
        """Forget a subject; ValueError for one who is not enrolled."""
        name = checked_id(subject)
        if name not in self._kept:
            raise ValueError(
                f"{subject!r} is not enrolled, so there is nothing to remove: the gallery has "
                f"{len(self)} ids, which .ids lists"
            )
        del self._kept[name]
        self._table = None

    def references(self) -> References:
        """Return all references as tables; ValueError for an empty gallery."""
        if not self._kept:
            raise ValueError("the gallery is empty: enrol somebody first")
        if self._table is None:
            kept = [one for own in self._kept.values() for one in own]
            self._table = References(
                self.ids,
                np.array([len(own) for own in self._kept.values()], dtype=np.int64),
                np.stack([embedding for embedding, _ in kept]),
                np.array([seconds for _, seconds in kept], dtype=np.float64),
            )
        return self._table


def checked_id(subject: Any) -> str:
    """Return an id in Unicode's composed form; ValueError for what is no text, or an empty one."""
    if not isinstance(subject, str) or not subject.strip():
        raise ValueError(f"an id is a text that is not empty, got {subject!r}")
    return unicodedata.normalize("NFC", subject)


def save_gallery(path: str | Path, gallery: Gallery, made_by: Mapping[str, Any]) -> None:
    """Write a gallery to a .safetensors file, all or nothing; equal ones are equal bytes.

    `made_by` says what the references were made by, in plain JSON values: the `encoder`'s sha256,
    and how sides were heard. Raises ValueError for an empty gallery.
    """
    table = gallery.references()
    about = {
        "format": FORMAT,
        "ids": table.subjects,
        "counts": table.counts.tolist(),
        "made_by": dict(made_by),
    }
    state = {
        "embeddings": torch.tensor(table.embeddings),
        "seconds": torch.tensor(table.seconds),
    }
    write_stored(Path(path).expanduser(), state, about)


def load_gallery(
    path: str | Path, made_by: Mapping[str, Any] | None = None, dim: int | None = None
) -> Gallery:
    """Return the gallery of a file that `save_gallery` wrote; without `made_by` of any model.

    Raises ValueError that names the file where it is missing, cut short or no gallery, holds an id
    twice or numbers that are none, or was made by another encoder than `made_by` (by its sha256),
    or by the same that heard sides otherwise.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{path} is no file: {AGAIN}")
    state, about = read_stored(path, AGAIN)
    if about.get("format") != FORMAT:
        raise ValueError(f"{path} has the format {about.get('format')!r}, not {FORMAT!r}: {AGAIN}")
    if made_by is not None:
        _check_maker(path, about.get("made_by"), made_by)
    try:
        return _gallery(state, about, dim)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path} is no whole gallery ({told}): {AGAIN}") from error


def _check_maker(path: Path, told: Any, made_by: Mapping[str, Any]) -> None:
    theirs = told if isinstance(told, dict) else {}
    if theirs.get("encoder") != made_by["encoder"]:
        raise ValueError(
            f"{path} was made by another encoder (sha256 {str(theirs.get('encoder'))[:12]}, and "
            f"this model's is {str(made_by['encoder'])[:12]}), whose embeddings cannot be compared "
            f"with this one's: {AGAIN}"
        )
    if theirs != dict(made_by):
        others = sorted(
            name for name in {*theirs, *made_by} if theirs.get(name) != made_by.get(name)
        )
        raise ValueError(
            f"{path} was made by this encoder from sides that were heard otherwise "
            f"({', '.join(others)}): {AGAIN}"
        )


def _gallery(
    state: Mapping[str, torch.Tensor], about: Mapping[str, Any], dim: int | None
) -> Gallery:
    ids, counts = about["ids"], about["counts"]
    embeddings, seconds = state["embeddings"].numpy(), state["seconds"].numpy()
    if dim is None:
        dim = embeddings.shape[-1] if embeddings.ndim else 0
    names = [checked_id(one) for one in ids]
    if len(set(names)) < len(names):
        raise ValueError(f"the id {Counter(names).most_common(1)[0][0]!r} stands there twice")
    if len(counts) != len(ids) or not all(type(n) is int and n > 0 for n in counts):
        raise ValueError("each id has one count of references, at least 1")
    if not ids or embeddings.dtype != np.float32 or embeddings.shape != (sum(counts), dim):
        raise ValueError(
            f"{sum(counts)} references of {len(ids)} ids have float32 embeddings of {dim}, got "
            f"{embeddings.dtype} {embeddings.shape}"
        )
    if seconds.shape != (len(embeddings),) or not (np.isfinite(seconds) & (seconds > 0)).all():
        raise ValueError("each reference lasts a number of seconds above 0")
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1)
    off = ~(np.abs(lengths - 1) <= UNIT)  # NaN is off too
    if off.any():
        raise ValueError(
            f"reference {int(off.argmax())} has the length {lengths[off.argmax()]:.3g}, and an "
            "embedding has 1"
        )
    gallery = Gallery()
    owners = np.repeat(np.arange(len(ids)), counts)
    for owner, embedding, lasts in zip(owners, embeddings, seconds, strict=True):
        gallery.add(ids[owner], embedding.copy(), float(lasts))
    return gallery
