"""What can be done with these recordings: which tasks they serve, and how they are split."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bodysounds.corpora.base import some
from bodysounds.corpora.survey.dealt import (
    ENOUGH,
    FEWEST,
    LEAST_TRAIN,
    SHARES,
    compared,
    dealt_by,
    enough_with,
    grade,
    paired,
    targets,
)  # fmt: skip
from bodysounds.corpora.survey.interval import interval_facts
from bodysounds.params import SplitParams
from bodysounds.types import Metrics, Table

TASKS = (
    "cry_verification", "speaker_verification", "speaker_identification", "cry_scream_ensemble",
)  # fmt: skip
LEAST_SOURCES = 7
"""Of each class: train sources for three folds, and some for dev and test."""
INFANTS = ("baby", "babies", "infant", "newborn", "neonat", "cry", "cries", "child", "nicu")


@dataclass(frozen=True)
class Fit:
    """Whether a task can run on these recordings."""

    works: bool
    why: str
    facts: Mapping[str, Any]


def fits(manifest: Table, tasks: Sequence[str] = TASKS) -> dict[str, Fit]:
    """Return what verification, identification and classification find in a manifest.

    Those of `tasks` only; a task of none of these kinds stands under its own name, and works.
    """
    kinds: dict[str, Callable[[Table], Fit]] = {
        "verification": verification,
        "identification": identification,
        "classification": classification,
    }
    wanted = [kind_of_task(task) for task in tasks]
    found = {kind: find(manifest) for kind, find in kinds.items() if kind in wanted}
    return found or {task: Fit(True, "", {}) for task in tasks}


def verification(manifest: Table) -> Fit:
    """Return whether subjects can be dealt into train, dev and test so that each has pairs.

    `facts` has the split (dev_share, test_share, seed: the defaults where these will do), who is in
    each subset ({subset: {"subjects", "with_two"}}), how many have same-subject pairs (paired: dev,
    test and all), a split of `FEWEST` of them in dev and in test where the first has fewer
    (enough_with, None for none), and the interval to expect (`interval_facts`).
    """
    known = manifest[manifest["subject_id"].notna()]
    sizes = known.groupby("subject_id").size()
    if sizes.empty:
        return Fit(False, "nothing says whose the recordings are", {})
    if len(sizes) < 6 or int((sizes >= 2).sum()) < 2:
        return Fit(
            False,
            f"there are {len(sizes)} subjects, {int((sizes >= 2).sum())} with two recordings, and "
            "it takes at least 6 (two each for train, dev and test), with two recordings of those "
            "in dev and test",
            {},
        )
    given = set(known["subset_hint"].dropna())
    best: tuple[float, SplitParams, Metrics] | None = None
    for share, seed in itertools.product(SHARES, range(5)):
        params = SplitParams(
            seed=seed,
            dev_share=0.0 if "dev" in given else share,
            test_share=0.0 if "test" in given else share,
        )
        try:
            dealt = dealt_by(known, params)
        except ValueError as error:  # a given split that contradicts itself
            return Fit(False, str(error), {})
        graded = grade(dealt)
        if best and dealt["train"]["subjects"] < LEAST_TRAIN * len(sizes):
            continue  # what remains would teach too little
        if graded and (best is None or graded > best[0]):
            best = graded, params, dealt
        if graded == ENOUGH:
            break
    if best is None:
        return Fit(
            False,
            "however they are dealt, dev or test has no two subjects of which one has two "
            "recordings: record more of those who have one",
            {},
        )
    _, params, dealt = best
    tested = known[known["subject_id"].isin(dealt["test"]["named"])]
    counts, apart = compared(tested)
    share = len(counts) / len(sizes)
    split = {"seed": params.seed, "dev_share": params.dev_share, "test_share": params.test_share}
    subsets = {name: {k: v for k, v in one.items() if k != "named"} for name, one in dealt.items()}
    behind = {**paired(known, dealt), "all": targets(known)}
    few = min(behind["dev"], behind["test"]) < FEWEST
    facts = {"split": split, "subsets": subsets, "across_sessions": apart, "paired": behind,
             "enough_with": enough_with(known, given, behind["all"]) if few else None,
             "interval": interval_facts(counts, share)}  # fmt: skip
    return Fit(True, "with too few subjects to rely on" if few else "", facts)


def identification(manifest: Table) -> Fit:
    """Return whether a closed set can be learnt: two subjects of three recordings or more."""
    known = manifest[manifest["subject_id"].notna()]
    sizes = known.groupby("subject_id").size()
    sessions = known.groupby("subject_id")["session_id"].nunique()
    apart = int((sessions >= 2).sum())
    able = int((sizes >= 3).sum())
    facts = {"subjects_with_three": able, "subjects_with_two_sessions": apart}
    if sizes.empty:
        return Fit(False, "nothing says whose the recordings are", facts)
    if able < 2:
        return Fit(False, f"{able} subjects have three recordings to train, choose and test", facts)
    if not apart:
        return Fit(
            True,
            "no sessions are named"
            + " (times alone hold none out)" * bool(known["recorded_at"].notna().any())
            + ", so recordings are dealt one by one, and the room may be what is recognised",
            facts,
        )
    return Fit(True, "", facts)


def classification(manifest: Table) -> Fit:
    """Return whether there are classes with sources enough for train, dev and test."""
    known = manifest[manifest["label"].notna()]
    sources = known.groupby("label")["group_id"].nunique()
    facts = {"sources": {str(name): int(n) for name, n in sources.items()}}
    if len(sources) < 2:
        return Fit(False, "nothing says of which class a recording is", facts)
    poor = sources.index[sources < LEAST_SOURCES].tolist()
    if poor:
        return Fit(
            False,
            f"{len(poor)} of {len(sources)} classes have fewer than {LEAST_SOURCES} sources to "
            f"train, choose and test: {some(poor)}",
            facts,
        )
    return Fit(True, "", facts)


def check_task(asked: str | None, tasks: Sequence[str] = TASKS) -> None:
    """Raise ValueError for a task that is none of `tasks`."""
    if asked is not None and asked not in tasks:
        raise ValueError(f"--task must be one of {', '.join(tasks)} here, got {asked!r}")


def choose_task(found: Mapping[str, Fit], words: str, asked: str | None = None) -> str:
    """Return the task that is run: the one asked for, else what the recordings serve.

    `words` (names of folders, columns and classes) tell infants from others.
    """
    if asked is not None:
        return asked
    nobody = not (found["verification"].works or found["identification"].works)
    if nobody and found["classification"].facts["sources"]:
        return "cry_scream_ensemble"
    infants = any(word in words.lower() for word in INFANTS)
    if not found["verification"].works and found["identification"].works and not infants:
        return "speaker_identification"
    return "cry_verification" if infants else "speaker_verification"


def kind_of_task(task: str) -> str:
    """Return verification, identification or classification."""
    if task == "cry_scream_ensemble":
        return "classification"
    return task.rpartition("_")[2]


def window_s(manifest: Table) -> float:
    """Return a window that nine of ten recordings of each class fill (seconds), 1 to 5."""
    low = manifest.groupby("label")["duration_s"].quantile(0.1).min()
    return float(np.clip(np.floor(10 * low) / 10, 1.0, 5.0))
