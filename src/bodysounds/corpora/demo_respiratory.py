"""Synthetic breath sounds of patients in the layout of ICBHI 2017.

A patient keeps a chest, a device and a tendency to crackle or wheeze; each recording is another
place on the chest. `_respiratory_patients` draws who they are, `_respiratory_breath` how they
breathe, `_respiratory_device` with what they are recorded.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bodysounds.corpora._demo_folder import make_once
from bodysounds.corpora._demo_rules import check_counts, check_ranges, check_switches
from bodysounds.corpora._respiratory_breath import Chest, draw_chest, draw_cycle, draw_cycle_ms
from bodysounds.corpora._respiratory_device import DEVICES, record, write
from bodysounds.corpora._respiratory_patients import (
    LABELS,
    LOCATIONS,
    Patient,
    body,
    draw_patients,
    draw_shares,
)
from bodysounds.corpora._respiratory_sounds import RATE, heart
from bodysounds.progress import track
from bodysounds.types import Floats

VERSION = 1
"""Raised whenever the same parameters make other sounds, so that a kept folder is made again."""
_STAYS = 0.75
"""Share of the cycles that sound as the one before, beside those that do by chance."""
_HELD_DB = 1.5
_LAYOUT, _CHEST, _CYCLES, _SOUND, _RECORD, _BODY = range(6)
_FORMAT = """Elements of a file name, separated by underscores:

Patient number (from 101)
Recording index
Chest location (Tc trachea; A anterior, P posterior, L lateral, with l left or r right)
Acquisition mode (sc one place after another, mc several at once)
Recording device (AKGC417L, LittC2SE, Litt3200, Meditron)
"""


@dataclass(frozen=True)
class RespiratoryParams:
    """How many patients there are, how much they are recorded, and which control is wanted."""

    seed: int = 0
    n_train: int = 70
    """All patients: the official split deals them."""
    recordings: list[int] = field(default_factory=lambda: [1, 3])
    """Fewest and most recordings of a patient."""
    cycles: list[int] = field(default_factory=lambda: [5, 9])
    """Fewest and most breath cycles of a recording."""
    planted_metadata: bool = True
    """What crackles and wheezes sound like goes with sex and age; false deals both anew, so that
    the same sounds have metadata that say nothing of them."""
    shuffled_labels: bool = False
    """Control: each patient's cycles are dealt their labels anew."""

    def __post_init__(self) -> None:
        check_counts(self, {"seed": 0, "n_train": 8})
        check_ranges(self, ["recordings", "cycles"])
        check_switches(self, ["planted_metadata", "shuffled_labels"])


@dataclass(frozen=True)
class Recording:
    """One file and what is heard in it."""

    stem: str
    side: str
    rate: int
    edges_ms: list[int]
    """Where cycles begin and end: one more than there are cycles."""
    heard: list[str]
    """Class of each cycle."""
    labels: list[str]
    """What the annotation says: the same, but for shuffled labels."""
    length_ms: int


def people(params: RespiratoryParams) -> list[Patient]:
    """Return the patients of a corpus."""
    rng = _stream(params, _LAYOUT)
    return draw_patients(params.n_train, params.recordings, params.planted_metadata, rng)


def recordings_of(patient: Patient, params: RespiratoryParams) -> list[Recording]:
    """Draw a patient's recordings, their cycles and the cycles' labels; nothing sounds yet."""
    rng = _stream(params, _CYCLES, patient.number)
    chest, device = _chest(patient, params), DEVICES[patient.device]
    shares = draw_shares(patient.diagnosis, rng)
    places = rng.permutation(LOCATIONS)
    drawn = []
    for k, side in enumerate(patient.sides):
        count = int(rng.integers(params.cycles[0], params.cycles[1] + 1))
        lengths = [draw_cycle_ms(chest, rng) for _ in range(count)]
        lead = int(rng.uniform(0, 800))
        edges = np.cumsum([lead, *lengths])
        session = f"{device.visit}b{k // len(LOCATIONS) + 1}"
        place = places[k % len(LOCATIONS)]
        stem = f"{patient.name}_{session}_{place}_{device.mode}_{patient.device}"
        rate = int(rng.choice(device.rates))
        length = int(edges[-1] + rng.uniform(0, 600))
        drawn.append((stem, side, rate, edges.tolist(), _heard(shares, count, rng), length))
    # drawn apart, so that the control changes the labels and nothing else
    every = [label for one in drawn for label in one[4]]
    told = iter(_stream(params, _CYCLES, patient.number, 1).permutation(every).tolist())
    return [
        Recording(
            stem, side, rate, edges, heard, [next(told) for _ in heard] if shuffled else heard, last
        )
        for shuffled in [params.shuffled_labels]
        for stem, side, rate, edges, heard, last in drawn
    ]


def sound_of(
    patient: Patient, index: int, recording: Recording, params: RespiratoryParams
) -> Floats:
    """Synthesise a recording: float32 (n_samples,) in [-1, 1] at its rate."""
    rng = _stream(params, _SOUND, patient.number, index)
    chest = _chest(patient, params)
    breath = np.zeros(RATE * recording.length_ms // 1_000)
    for label, start, end in zip(
        recording.heard, recording.edges_ms, recording.edges_ms[1:], strict=False
    ):
        cycle = draw_cycle(chest, label, end - start, rng)
        first = RATE * start // 1_000
        breath[first : first + cycle.size] = cycle
    breath += 10 ** (chest.heart_db / 20) * heart(chest.bpm, breath.size, rng)
    device = DEVICES[patient.device]
    return record(
        breath, device, recording.rate, _HELD_DB, _stream(params, _RECORD, patient.number, index)
    )


def _stream(params: RespiratoryParams, kind: int, *more: int) -> np.random.Generator:
    # independent streams, so that a control changes what it names and nothing else
    return np.random.default_rng((params.seed, kind, *more))


def _chest(patient: Patient, params: RespiratoryParams) -> Chest:
    return draw_chest(*patient.sounds, _stream(params, _CHEST, patient.number))


def _heard(shares: Floats, count: int, rng: np.random.Generator) -> list[str]:
    """Draw the classes of consecutive cycles, in runs as in the real recordings."""
    heard = [str(rng.choice(LABELS, p=shares))]
    while len(heard) < count:
        new = str(rng.choice(LABELS, p=shares))
        heard.append(heard[-1] if rng.uniform() < _STAYS else new)
    return heard


def _write_patient(folder: Path, patient: Patient, params: RespiratoryParams) -> list[Recording]:
    recordings = recordings_of(patient, params)
    for index, one in enumerate(recordings):
        wave = sound_of(patient, index, one, params)
        write(folder / f"{one.stem}.wav", wave, one.rate, DEVICES[patient.device].subtype)
        lines = [
            f"{start / 1_000:.3f}\t{end / 1_000:.3f}\t"
            f"{int(label in ('crackle', 'both'))}\t{int(label in ('wheeze', 'both'))}\n"
            for label, start, end in zip(one.labels, one.edges_ms, one.edges_ms[1:], strict=False)
        ]
        (folder / f"{one.stem}.txt").write_text("".join(lines), encoding="utf-8")
    return recordings


def _once(stem: str) -> str:
    """Return the name that a recording had before it was corrected: it told another device."""
    front, device = stem.rsplit("_", 1)
    names = list(DEVICES)
    return f"{front}_{names[names.index(device) - 1]}"


def _write_corpus(root: Path, params: RespiratoryParams) -> None:
    folder = root / "ICBHI_final_database"
    folder.mkdir(parents=True)
    patients = people(params)
    with ThreadPoolExecutor() as pool:
        made: Any = pool.map(lambda patient: _write_patient(folder, patient, params), patients)
        recordings = [
            one for some in track(made, "synthesise breath", len(patients)) for one in some
        ]
    told = {
        "ICBHI_challenge_train_test.txt": [f"{one.stem}\t{one.side}" for one in recordings],
        "ICBHI_Challenge_diagnosis.txt": [f"{one.name}\t{one.diagnosis}" for one in patients],
        "demographic_info.txt": [
            f"{one.name} {'NA' if one.age is None else f'{one.age:g}'} {one.sex or 'NA'} "
            f"{body(one, _stream(params, _BODY, one.number))}"
            for one in patients
        ],
        f"{folder.name}/filename_differences.txt": [_once(one.stem) for one in recordings[::10]],
        f"{folder.name}/filename_format.txt": _FORMAT.splitlines(),
    }
    for name, lines in told.items():
        (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def synthesise_respiratory(folder: Path, params: RespiratoryParams) -> None:
    """Make the demo corpus in a folder, unless it is there already with these parameters.

    Writes ICBHI_final_database/<patient>_<index>_<location>_<mode>_<device>.wav (mono; 4, 10 or
    44.1 kHz; 16 or 24 bit) with a .txt of onset, offset (seconds), crackles and wheezes beside
    each, and the tables under their published names. The same bytes follow from the same
    parameters; `make_once` says what happens to a folder that is there.
    """
    make_once(folder, VERSION, params, lambda root: _write_corpus(root, params))
