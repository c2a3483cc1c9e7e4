"""A demo corpus in the layout of VoxCeleb1: speakers to be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bodysounds.corpora._demo_folder import make_once
from bodysounds.corpora.demo_speakers import (
    VERSION,
    Person,
    SpeakersParams,
    draw_people,
    write_people,
)

_LAYOUT = 100
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"))
FIRST_ID = 10001


def synthesise_voxceleb(folder: Path, params: SpeakersParams) -> None:
    """Make the demo corpus in a folder, unless it is there already with these parameters.

    Writes wav/<id>/<video>/<utterance>.wav, ids from id10001 on, videos named by eleven characters,
    and vox1_meta.csv (tab separated: VoxCeleb1 ID, VGGFace1 ID, Gender, Nationality, Set). The same
    bytes follow from the same parameters; `make_once` says what happens to a folder that is there.
    """
    make_once(folder, VERSION, params, lambda root: _write_corpus(root, params))


def _write_corpus(root: Path, params: SpeakersParams) -> None:
    people = draw_people(params.n_train, params)

    def path_of(person: Person, video: int, index: int) -> Path:
        rng = np.random.default_rng((params.seed, person.number, _LAYOUT, video))
        name = "".join(_LETTERS[rng.integers(0, _LETTERS.size, 11)])
        return root / "wav" / _id(person) / name / f"{index + 1:05d}.wav"

    write_people(people, params, path_of)
    meta = pd.DataFrame(
        {
            "VoxCeleb1 ID": [_id(person) for person in people],
            "VGGFace1 ID": [f"Speaker_{person.number + 1}" for person in people],
            "Gender": [person.sex.lower() for person in people],
            "Nationality": "Nowhere",
            "Set": "dev",
        }
    )
    meta.to_csv(root / "vox1_meta.csv", sep="\t", index=False)


def _id(person: Person) -> str:
    return f"id{FIRST_ID + person.number}"
