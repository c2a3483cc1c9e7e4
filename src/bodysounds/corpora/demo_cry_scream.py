"""Synthetic scenes of infants that cry, adults that scream, and everything else indoors.

A source is a scene: a baby, an adult or an everyday occupation in one room before one microphone,
recorded several times. Only what is heard goes with the class; `_scream_recording` draws the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from bodysounds.corpora._cry_synthesis import SAMPLE_RATE
from bodysounds.corpora._demo_folder import make_once
from bodysounds.corpora._demo_rules import check_counts, check_ranges, check_switches
from bodysounds.corpora._scream_recording import draw_place, draw_recording
from bodysounds.corpora._scream_scene import any_everyday, draw_makers
from bodysounds.corpora.cry_scream import LABELS, MANIFEST
from bodysounds.progress import track
from bodysounds.types import Floats

VERSION = 1
"""Raised whenever the same parameters make other sounds, so that a kept folder is made again."""
_SHARES = (0.3, 0.3, 0.4)
"""Of the sources, by class: what is normal has many faces."""
_LAYOUT, _WHO, _PLACE, _SOUND = range(4)


@dataclass(frozen=True)
class CryScreamParams:
    """How many scenes there are, how often each is recorded, and which control is wanted."""

    seed: int = 0
    n_train: int = 220
    """All sources: train, dev and test are dealt from them."""
    recordings: list[int] = field(default_factory=lambda: [1, 3])
    """Fewest and most recordings of a source."""
    shuffled_labels: bool = False
    """Control: the sources' labels are dealt anew, so that nothing can tell the classes apart."""
    constant_channel: bool = False
    """Control: a class keeps room, microphone and background, a shortcut to the class."""

    def __post_init__(self) -> None:
        check_counts(self, {"seed": 0, "n_train": 3})
        check_ranges(self, ["recordings"])
        check_switches(self, ["shuffled_labels", "constant_channel"])


@dataclass(frozen=True)
class Source:
    """A scene as a corpus knows one."""

    number: int
    """Counts from 0: the seed of all that is drawn for the scene."""
    heard: str
    """Class of what is heard."""
    label: str
    """What the corpus says of it: the same, but for shuffled labels."""
    turn: int
    """Counts the sources of the class."""
    n_recordings: int


def draw_sources(params: CryScreamParams) -> list[Source]:
    """Return the sources of a corpus, at least one of each class."""
    rng = np.random.default_rng((params.seed, _LAYOUT))
    n = params.n_train
    few = [max(1, round(share * n)) for share in _SHARES[:2]]
    heard = rng.permutation(np.repeat(LABELS, [*few, n - sum(few)]))
    dealt = np.random.default_rng((params.seed, _LAYOUT, 1)).permutation(heard)
    labels = dealt if params.shuffled_labels else heard
    counts = rng.integers(params.recordings[0], params.recordings[1] + 1, n)
    turns = pd.Series(heard).groupby(heard).cumcount()
    return [
        Source(k, str(heard[k]), str(labels[k]), int(turns[k]), int(counts[k])) for k in range(n)
    ]


def recordings_of(source: Source, params: CryScreamParams) -> list[Floats]:
    """Synthesise a source: each recording float64 (n_samples,) in [-1, 1] at 16 kHz."""

    def stream(kind: int, index: int = 0) -> np.random.Generator:
        # independent streams, so that a control changes what it names and nothing else
        return np.random.default_rng((params.seed, source.number, kind, index))

    who = draw_makers(source.heard, source.turn, stream(_WHO))
    constant = np.random.default_rng((params.seed, LABELS.index(source.heard), _PLACE, 1))
    drawn = constant if params.constant_channel else stream(_PLACE)
    place = draw_place(any_everyday(drawn), drawn)
    return [draw_recording(who, place, stream(_SOUND, k)) for k in range(source.n_recordings)]


def _write_source(root: Path, source: Source, params: CryScreamParams) -> Iterable[dict[str, str]]:
    rows = []
    name = f"s{source.number:04d}"
    for index, wave in enumerate(recordings_of(source, params)):
        path = root / source.label / f"{name}_{index:03d}.wav"
        pcm = np.round(wave * 32767).astype(np.int16)
        soundfile.write(path, pcm, SAMPLE_RATE, subtype="PCM_16")
        file_path = path.relative_to(root).as_posix()
        rows.append(
            {"file_path": file_path, "label": source.label, "source_id": name, "corpus": "demo"}
        )
    return rows


def _write_corpus(root: Path, params: CryScreamParams) -> None:
    for label in LABELS:
        (root / label).mkdir(parents=True)
    sources = draw_sources(params)
    with ThreadPoolExecutor() as pool:
        made: Any = pool.map(lambda source: _write_source(root, source, params), sources)
        rows = [row for some in track(made, "synthesise scenes", len(sources)) for row in some]
    pd.DataFrame(rows).sort_values("file_path").to_csv(root / MANIFEST, index=False)


def synthesise_cry_scream(folder: Path, params: CryScreamParams) -> None:
    """Make the demo corpus in a folder, unless it is there already with these parameters.

    Writes <label>/<source>_<index>.wav (16 kHz, mono, 16 bit, 5.2 to 12 s) and data_manifest.csv
    (file_path, label, source_id, corpus). The same bytes follow from the same parameters;
    `make_once` says what happens to a folder that is there.
    """
    make_once(folder, VERSION, params, lambda root: _write_corpus(root, params))
