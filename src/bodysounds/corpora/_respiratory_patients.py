"""Who is recorded in the demo corpus of breath sounds, as the tables of ICBHI 2017 have it.

Shares, ages and class shares by diagnosis, devices by diagnosis, and the sides of the official
split by device are those of the published tables, written here as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bodysounds.types import Floats

LABELS = ("normal", "crackle", "wheeze", "both")
LOCATIONS = ("Tc", "Al", "Ar", "Pl", "Pr", "Ll", "Lr")
N_HEARD = 2
"""Patients that are on both sides of the official split, as 156 and 218 of the real one are."""
_ADULT = 18.0
_SPREAD = 3.0
"""Concentration of the patients' class shares (Dirichlet) around their diagnosis'."""


@dataclass(frozen=True)
class Diagnosis:
    """What the patients of a diagnosis are like."""

    share: float
    women: float
    ages: tuple[float, float, float]
    """Lowest, most frequent, highest (years)."""
    devices: Mapping[str, float]
    classes: tuple[float, float, float, float]
    """Of the cycles: normal, crackle, wheeze, both."""


_MEDITRON = {"Meditron": 1.0}
_CLINIC = {"AKGC417L": 0.50, "LittC2SE": 0.23, "Litt3200": 0.14, "Meditron": 0.13}
DIAGNOSES: Mapping[str, Diagnosis] = {
    "COPD": Diagnosis(0.51, 0.24, (45, 69, 93), _CLINIC, (0.52, 0.26, 0.14, 0.08)),
    "Healthy": Diagnosis(0.21, 0.50, (0.25, 2, 16), _MEDITRON, (0.92, 0.07, 0.006, 0.004)),
    "URTI": Diagnosis(0.11, 0.57, (0.67, 1, 11), _MEDITRON, (0.84, 0.10, 0.05, 0.01)),
    "Bronchiectasis": Diagnosis(0.055, 0.71, (19, 56, 73), _MEDITRON, (0.67, 0.12, 0.17, 0.04)),
    "Bronchiolitis": Diagnosis(0.05, 0.33, (0.67, 1.5, 3), _MEDITRON, (0.47, 0.12, 0.37, 0.04)),
    "Pneumonia": Diagnosis(0.045, 0.33, (60, 72, 81), {"LittC2SE": 1.0}, (0.82, 0.09, 0.08, 0.01)),
    "LRTI": Diagnosis(0.015, 0.0, (0.58, 1.5, 3), _MEDITRON, (0.97, 0.005, 0.02, 0.005)),
    "Asthma": Diagnosis(0.005, 1.0, (60, 70, 80), {"LittC2SE": 1.0}, (0.33, 0.01, 0.65, 0.01)),
}
_TEST_SHARES = {"AKGC417L": 0.52, "Litt3200": 0.9, "LittC2SE": 0.0, "Meditron": 0.38}
"""Of the patients of a device: LittC2SE is in train alone, Litt3200 nearly in test alone."""


@dataclass(frozen=True)
class Patient:
    """A patient as the corpus knows one, and as one sounds."""

    number: int
    """Counts from 0: the seed of all that is drawn for the patient."""
    diagnosis: str
    device: str
    sides: tuple[str, ...]
    """`train` or `test`, of each recording."""
    sounds: tuple[str, bool]
    """Sex, and whether a child: whom the patient sounds like."""
    sex: str | None
    """`F` or `M`, None where it is not known: what the tables say."""
    age: float | None
    """Years; None as with sex."""

    @property
    def name(self) -> str:
        return str(101 + self.number)


def dealt(shares: Mapping[str, float], n: int, rng: np.random.Generator) -> list[str]:
    """Deal n names by their shares, as evenly as whole numbers allow, in a drawn order."""
    wanted = np.array(list(shares.values()), dtype=np.float64)
    wanted *= n / wanted.sum()
    counts = wanted.astype(np.int64)
    most_left = np.argsort(-(wanted - counts), kind="stable")
    counts[most_left[: n - counts.sum()]] += 1
    return list(map(str, rng.permutation(np.repeat(list(shares), counts))))


def draw_patients(
    n: int, recordings: Sequence[int], planted: bool, rng: np.random.Generator
) -> list[Patient]:
    """Draw n patients with [fewest, most] recordings each.

    Where metadata are not `planted`, the tables' sex and age are dealt anew: all else is the same,
    the sounds too, but nothing that is heard goes with them any more.
    """
    diagnoses = dealt({name: about.share for name, about in DIAGNOSES.items()}, n, rng)
    devices = _by_group(diagnoses, {k: v.devices for k, v in DIAGNOSES.items()}, rng)
    halves = {k: {"test": share, "train": 1 - share} for k, share in _TEST_SHARES.items()}
    sides = _by_group(devices, halves, rng)
    women = {k: {"F": v.women, "M": 1 - v.women} for k, v in DIAGNOSES.items()}
    sexes = _by_group(diagnoses, women, rng)
    ages = [_age(DIAGNOSES[name].ages, rng) for name in diagnoses]
    counts = [_count(name, recordings, rng) for name in diagnoses]
    heard = rng.permutation([k for k in range(n) if devices[k] == "AKGC417L"])[:N_HEARD]
    unknown = int(rng.integers(n))
    told = np.arange(n) if planted else rng.permutation(n)
    patients = []
    for k in range(n):
        count = max(2, counts[k]) if k in heard else counts[k]
        first = count // 2 if k in heard else (count if sides[k] == "train" else 0)
        patients.append(
            Patient(
                number=k,
                diagnosis=diagnoses[k],
                device=devices[k],
                sides=("train",) * first + ("test",) * (count - first),
                sounds=(sexes[k], ages[k] < _ADULT),
                sex=None if k == unknown else sexes[told[k]],
                age=None if k == unknown else ages[told[k]],
            )
        )
    return patients


def draw_shares(diagnosis: str, rng: np.random.Generator) -> Floats:
    """Draw the class shares of a patient's cycles, float64 (4,) in the order of LABELS."""
    return np.asarray(rng.dirichlet(_SPREAD * np.array(DIAGNOSES[diagnosis].classes)))


def body(patient: Patient, rng: np.random.Generator) -> str:
    """Draw BMI of an adult, weight and height of a child, as the table has them, some missing."""
    if patient.age is None:
        return "NA NA NA"
    if patient.age >= _ADULT:
        bmi = float(np.clip(rng.normal(27.2, 5.4), 16.5, 53.5))
        return "NA NA NA" if rng.uniform() < 0.03 else f"{bmi:.4g} NA NA"
    height = 66 + 20 * np.sqrt(patient.age) + 1.5 * patient.age + rng.normal(0.0, 4.0)
    weight = (15 + rng.normal(0.0, 1.5)) * (height / 100) ** 2 + 0.8 * patient.age
    unknown = rng.uniform(size=2) < 0.12
    return f"NA {'NA' if unknown[0] else f'{weight:.3g}'} {'NA' if unknown[1] else f'{height:.0f}'}"


def _by_group(
    groups: Sequence[str], shares: Mapping[str, Mapping[str, float]], rng: np.random.Generator
) -> list[str]:
    """Deal within each group by its own shares."""
    hands = {name: iter(dealt(shares[name], groups.count(name), rng)) for name in shares}
    return [next(hands[name]) for name in groups]


def _age(ages: tuple[float, float, float], rng: np.random.Generator) -> float:
    years = rng.triangular(*ages)
    return float(round(years, 2 if years < 1 else 0))


def _count(diagnosis: str, recordings: Sequence[int], rng: np.random.Generator) -> int:
    """Draw a number of recordings: who has COPD came more often."""
    drawn = rng.integers(recordings[0], recordings[1] + 1, 2)
    return int(drawn.max() if diagnosis == "COPD" else drawn.min())
