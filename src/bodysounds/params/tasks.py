"""Parameters of `tasks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bodysounds.params.rules import one_of, whole_numbers, within

TASKS = ("binary", "diagnosis")
DIAGNOSES = {
    "healthy": ["Healthy"],
    "chronic": ["COPD", "Asthma", "Bronchiectasis"],
    "acute": ["URTI", "LRTI", "Pneumonia", "Bronchiolitis"],
}


@dataclass(frozen=True)
class TasksParams:
    """What else is told from the embeddings of a classifier, by logistic regression."""

    seed: int = 0
    tasks: Sequence[str] = field(default_factory=lambda: list(TASKS))
    """`binary`: normal or abnormal, of each cycle; `diagnosis`: of each patient, by the vote of its
    cycles."""
    negative: str = "normal"
    """The class of cycles that are not abnormal."""
    diagnoses: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {name: list(own) for name, own in DIAGNOSES.items()}
    )
    """What the task `diagnosis` tells apart: the diagnoses of each group. Patients of another, or
    of none that is known, are left out."""
    c: Sequence[float] = field(default_factory=lambda: [0.0001, 0.001, 0.01, 0.1, 1.0])
    """Inverse penalties of the regression, of which dev chooses; without a dev the middle one is
    taken."""
    max_iterations: int = 500
    """Of each fit."""
    device: str = "auto"

    def __post_init__(self) -> None:
        whole_numbers("tasks", self)
        for name in self.tasks:
            one_of("tasks.tasks", name, TASKS)
        if not isinstance(self.negative, str) or not self.negative:
            raise ValueError(f"tasks.negative must name a class, got {self.negative!r}")
        if isinstance(self.c, str) or not len(self.c):
            raise ValueError(f"tasks.c must be a list of one number or more, got {self.c!r}")
        for value in self.c:
            within("tasks.c", value, 1e-9, 1e9)
        within("tasks.max_iterations", self.max_iterations, 1, 100_000)
        if len(self.diagnoses) < 2:
            raise ValueError(
                f"tasks.diagnoses must have two groups or more, got {dict(self.diagnoses)}"
            )
        names = [name for own in self.diagnoses.values() for name in own]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tasks.diagnoses has {twice[0]} in two groups: name it once")
