"""A demo corpus in the layout of the Zalo AI Challenge 2020: speakers, and pairs to verify."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.corpora._demo_folder import make_once
from bodysounds.corpora._demo_rules import check_counts
from bodysounds.corpora.demo_speakers import (
    VERSION,
    PathOf,
    Person,
    SpeakersParams,
    draw_people,
    write_people,
)
from bodysounds.types import Table

_LAYOUT = 100
"""Streams from here on say who is called what and which pairs there are, not how they sound."""
TEST = "public-test"


@dataclass(frozen=True)
class ZaloParams(SpeakersParams):
    """How many adults speak in the folders of speakers, and how many in the pairs."""

    n_test: int = 40
    """Speakers of the pairs, none of whom is in a folder of the other speakers."""
    n_duplicates: int = 4
    """Utterances of training speakers that stand a second time among their files."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, {"n_test": 2, "n_duplicates": 0})


def synthesise_zalo(folder: Path, params: ZaloParams) -> None:
    """Make the demo corpus in a folder, unless it is there already with these parameters.

    Writes <id>-<F or M>-<age>/<video>/<utterance>.wav of the speakers to train on, and of others
    public-test/<hash>.wav, public-test.csv (audio_1, audio_2), as many pairs of one speaker as of
    two, and Sample_submission.csv (audio_1, audio_2, label, which is 0 or 1 at random). Beyond the
    published layout there are the videos' folders and public-test-speakers.csv (audio, speaker,
    session, sex), which tells the answers. The same bytes follow from the same parameters;
    `make_once` says what happens to a folder that is there.
    """
    make_once(folder, VERSION, params, lambda root: _write_corpus(root, params))


def _write_corpus(root: Path, params: ZaloParams) -> None:
    people = draw_people(params.n_train + params.n_test, params)
    train, test = people[: params.n_train], people[params.n_train :]
    ids = np.random.default_rng((params.seed, _LAYOUT)).permutation(2 * len(people)) + 1

    def path_of(person: Person, video: int, index: int) -> Path:
        if person.number < params.n_train:
            speaker = f"{ids[person.number]}-{person.sex}-{person.age}"
            return root / speaker / f"video_{video + 1}" / f"{index + 1:03d}.wav"
        return root / TEST / f"{_hash(params.seed, person.number, video, index)}.wav"

    write_people(people, params, path_of)
    _duplicate(train, params, path_of)
    rows = [
        {
            "audio": path_of(person, video, index).name,
            "speaker": str(ids[person.number]),
            "session": f"video_{video + 1}",
            "sex": person.sex,
        }
        for person in test
        for video, count in enumerate(person.n_utterances)
        for index in range(count)
    ]
    known = pd.DataFrame(rows).sort_values("audio", ignore_index=True)
    known.to_csv(root / f"{TEST}-speakers.csv", index=False)
    rng = np.random.default_rng((params.seed, _LAYOUT, 1))
    pairs = _pairs(known, rng)
    pairs.to_csv(root / f"{TEST}.csv", index=False)
    sample = pairs.assign(label=rng.integers(0, 2, len(pairs)))
    sample.to_csv(root / "Sample_submission.csv", index=False)


def _hash(*about: int) -> str:
    """Return a name that tells nothing of who speaks."""
    return hashlib.sha256(repr(about).encode()).hexdigest()[:32]


def _duplicate(train: Sequence[Person], params: ZaloParams, path_of: PathOf) -> None:
    """Copy first utterances of the first speakers to the end of their last videos."""
    for person in train[: params.n_duplicates]:
        last = len(person.n_utterances) - 1
        copy = path_of(person, last, person.n_utterances[last])
        shutil.copyfile(path_of(person, 0, 0), copy)


def _pairs(known: Table, rng: np.random.Generator) -> Table:
    """Return every pair of one speaker and as many of two, where there are, in random order."""
    speaker = known["speaker"].to_numpy()
    pairs = np.array(list(combinations(range(len(known)), 2)))
    same = speaker[pairs[:, 0]] == speaker[pairs[:, 1]]
    targets, others = np.flatnonzero(same), np.flatnonzero(~same)
    drawn = rng.choice(others, min(len(targets), len(others)), replace=False)
    chosen = pairs[rng.permutation(np.concatenate((targets, drawn)))]
    chosen = rng.permuted(chosen, axis=1)
    audio = known["audio"].to_numpy()
    return pd.DataFrame({"audio_1": audio[chosen[:, 0]], "audio_2": audio[chosen[:, 1]]})
