"""Train, dev and test by patient, as the corpus halves them or dealt anew, and folds of all."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.splitting.deal import deal
from bodysounds.splitting.patient_facts import patient_facts
from bodysounds.splitting.patient_folds import check_apart, dealing, fold_of_units, inner_dev
from bodysounds.splitting.units import units
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)

UNSEEN, HEARD = "unseen_patient", "heard_patient"
NO_CYCLE = "without a cycle"
NOT_LISTED = "the corpus's own split does not list it"
COPY = "a copy of it (equal sha256) is in the test half"
BOTH_HALVES = "its patient is in both halves, and split_patients.strict leaves it out"
TOLD = {"domain": "domain", "sex": "sex", "age_group": "age_group", "location": "location",
        "mode": "mode", "label": "diagnosis", "sample_rate": "sample_rate"}  # fmt: skip
EXAMPLE_COLUMNS = (
    "segment_id", "recording_id", "start_s", "end_s", "label", "subset", "condition", "session_id",
    "fold", "chooses", "domain", "sex", "age_group", "location", "mode", "diagnosis", "duration_s",
    "sample_rate",
)  # fmt: skip


class PatientSplit(NamedTuple):
    """What every later stage reads of a split by patient."""

    subsets: Table
    facts: Metrics
    examples: Table


def split_patients(
    manifest: Table, segments: Table, params: SplitPatientsParams, more: Metrics | None = None
) -> PatientSplit:
    """Say of each breath cycle whether it trains, chooses or tests, by patient.

    Parameters
    ----------
    manifest : Table
        recording_id, path, group_id (the patient), sha256, subset_hint, domain, sex, label (the
        diagnosis) and sample_rate are read, and age_group, location, mode and published_fold where
        they are there.
    segments : Table
        segment_id, recording_id, start_s, end_s, label (of the cycle).
    params : SplitPatientsParams
    more : dict, optional
        Facts of the corpus, told beside those of the split.

    Returns
    -------
    subsets : Table
        recording_id, subset, fold and condition, of recordings that have cycles.
    facts : dict
        See `bodysounds.splitting.patient_facts.patient_facts`.
    examples : Table
        `EXAMPLE_COLUMNS`, sorted by segment_id: condition (`train`; `unseen_patient`;
        `heard_patient`, test cycles of a patient that train has too), session_id (the patient, or
        patients that share a file), fold (from 0, of every patient one), chooses (whether the row
        chooses the epoch: dev, or in the protocol `published` test), duration_s (of the cycle)
        and sample_rate (of the file, Hz).

    Equal files (sha256) are never on two sides, and make their patients one. Patients are dealt by
    the classes that their cycles have; the order of the rows changes nothing. Raises ValueError for
    a missing label, a corpus without the split that the protocol names, and a subset that is empty.
    """
    table, left_out = _usable(manifest, segments)
    told = segments[["segment_id", "recording_id", "start_s", "end_s", "label"]]
    cycles = told.merge(table[["recording_id", "unit", "domain"]], on="recording_id")
    if params.protocol == "patients":
        table["subset"] = table["unit"].map(_dealt(cycles, params))
    else:
        table, more_left = _halves(table, params)
        left_out |= more_left
        cycles = cycles[cycles["recording_id"].isin(table["recording_id"])]
        table["subset"] = _with_dev(table, cycles, params)
    table["fold"] = table["unit"].map(fold_of_units(table, cycles, params))
    both = _on_both_sides(table)
    heard = table["unit"].isin(both) & (table["subset"] == "test")
    table["condition"] = np.where(table["subset"] == "train", "train", UNSEEN)
    table.loc[heard, "condition"] = HEARD
    check_apart(table, both)
    for reason, names in left_out.items():
        logger.warning("%d recordings are left out, %s: %s", len(names), reason, some(names))
    examples = _examples(table, told, params)
    _check_subsets(examples, params)
    facts = {**patient_facts(examples, params, both, left_out), **(more or {})}
    if facts["warning"]:
        logger.warning("%s", facts["warning"])
    subsets = table[["recording_id", "subset", "fold", "condition"]].reset_index(drop=True)
    return PatientSplit(subsets.astype({"condition": "str", "subset": "str"}), facts, examples)


def subsets_heard(subsets: Table, examples: Table) -> Table:
    """Return the subsets, in which a test recording that chose the epoch is dev."""
    chose = set(examples.loc[examples["chooses"], "recording_id"])
    chose &= set(subsets.loc[subsets["subset"] == "test", "recording_id"])
    return subsets.assign(
        subset=subsets["subset"].where(~subsets["recording_id"].isin(chose), "dev")
    )


def _usable(manifest: Table, segments: Table) -> tuple[Table, dict[str, list[str]]]:
    if segments["label"].isna().any():
        first = segments.loc[segments["label"].isna(), "segment_id"].iloc[0]
        raise ValueError(f"{first} has no label: a split by patient deals cycles of known classes")
    table = manifest.sort_values("recording_id", ignore_index=True)
    # before any is left out: a file that two patients share ties them, whether it serves or not
    table["unit"] = units(table).astype(object)
    bare = ~table["recording_id"].isin(set(segments["recording_id"]))
    left_out = {NO_CYCLE: table.loc[bare, "recording_id"].tolist()} if bare.any() else {}
    return table[~bare].reset_index(drop=True), left_out


def _dealt(cycles: Table, params: SplitPatientsParams) -> dict[str, str]:
    """Return the subset of each patient, dealt by its classes."""
    test = deal(
        dealing(cycles), {"train": 1 - params.test_share, "test": params.test_share}, params.seed
    )
    rest = [unit for unit, part in test.items() if part == "train"]
    return test | inner_dev(dealing(cycles[cycles["unit"].isin(rest)]), params)


def _halves(table: Table, params: SplitPatientsParams) -> tuple[Table, dict[str, list[str]]]:
    """Return the recordings of the corpus's own halves, and what is left out of them and why."""
    hint = table["subset_hint"]
    if hint.isna().all():
        raise ValueError(
            f"split_patients.protocol is {params.protocol}, and the corpus names no split (there "
            "is no list of its train and test halves): take protocol: patients (--params "
            "protocol=patients)"
        )
    wrong = table[hint.notna() & ~hint.isin(["train", "test"])]
    if len(wrong):
        raise ValueError(
            f"the corpus's own split has {wrong['subset_hint'].iloc[0]!r} for "
            f"{wrong['path'].iloc[0]}: its halves are train and test"
        )
    tested = set(table.loc[hint == "test", "sha256"])
    reasons = {
        NOT_LISTED: hint.isna(),
        COPY: (hint == "train") & table["sha256"].isin(tested),
    }
    if params.strict:
        listed = table[hint.notna()].assign(subset=hint)
        reasons[BOTH_HALVES] = table["unit"].isin(_on_both_sides(listed)) & hint.notna()
    gone = pd.Series(False, table.index)
    left_out = {}
    for reason, mask in reasons.items():
        names = table.loc[mask & ~gone, "recording_id"].tolist()
        gone |= mask
        if names:
            left_out[reason] = names
    return table[~gone].reset_index(drop=True), left_out


def _with_dev(table: Table, cycles: Table, params: SplitPatientsParams) -> pd.Series[str]:
    """Return the half of each recording, and dev for some patients of train alone."""
    half = table["subset_hint"].astype(object)
    if params.protocol == "published":
        return half
    own = set(table.loc[half == "train", "unit"]) - set(table.loc[half == "test", "unit"])
    part = inner_dev(dealing(cycles[cycles["unit"].isin(own)]), params)
    return half.where(table["unit"].map(part) != "dev", "dev")


def _on_both_sides(table: Table) -> list[str]:
    taught = set(table.loc[table["subset"] == "train", "unit"])
    return sorted(taught & set(table.loc[table["subset"] == "test", "unit"]))


def _examples(table: Table, told: Table, params: SplitPatientsParams) -> Table:
    known = table.reindex(columns=["recording_id", "unit", "subset", "condition", "fold", *TOLD])
    known = known.rename(columns={**TOLD, "unit": "session_id"})
    examples = told.merge(known, on="recording_id").sort_values("segment_id", ignore_index=True)
    chooses = "test" if params.protocol == "published" else "dev"
    examples["chooses"] = examples["subset"] == chooses
    examples["duration_s"] = examples["end_s"] - examples["start_s"]
    text = ["label", "subset", "condition", "session_id", *TOLD.values()]
    return examples[list(EXAMPLE_COLUMNS)].astype(
        {name: "str" for name in text if name != "sample_rate"} | {"fold": "int64"}
    )


def _check_subsets(examples: Table, params: SplitPatientsParams) -> None:
    wanted = ("train", "test") if params.protocol == "published" else ("train", "dev", "test")
    there = set(examples["subset"])
    # an evaluation of a corpus that trains nothing may be all test
    empty: Iterable[str] = () if there == {"test"} else [s for s in wanted if s not in there]
    dealt = params.protocol == "patients"
    way = "or its test_share" if dealt else "or take protocol: patients"
    for subset in empty:
        raise ValueError(
            f"{subset} has no patient ({examples['session_id'].nunique()} in all, protocol "
            f"{params.protocol}): add patients, change split_patients.dev_share, {way}"
        )
    taught = examples.loc[examples["subset"] == "train", "label"]
    if taught.nunique() == 1:
        raise ValueError(
            f"all {len(taught)} cycles of train are {taught.iloc[0]}, and a classifier tells two "
            "classes apart at least: add patients with others, or see that the text files beside "
            f"the recordings tell of crackles and wheezes (protocol {params.protocol})"
        )
    tested = examples.loc[examples["subset"] == "test", "label"]
    if tested.nunique() == 1:
        logger.warning(
            "all %d cycles of test are %s, and an ICBHI Score needs normal ones and others: but in "
            "folds, take another split_patients.seed, or set report_classes.headline to accuracy",
            len(tested), tested.iloc[0],
        )  # fmt: skip
