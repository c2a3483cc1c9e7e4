"""ICBHI 2017: breath sounds with their cycles (Rocha et al. 2019, doi 10.1088/1361-6579/ab03ea)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from bodysounds.corpora._icbhi_cycles import Cycle, read_cycles
from bodysounds.corpora._icbhi_names import Name, key_of, parse_name
from bodysounds.corpora._icbhi_tables import Tables, read_tables
from bodysounds.corpora.base import (
    SEGMENT_COLUMNS,
    Listing,
    no_trials,
    one_side_each,
    recordings_table,
    some,
)
from bodysounds.corpora.files import audio_only, list_files
from bodysounds.corpora.icbhi_facts import INVARIANTS as INVARIANTS
from bodysounds.corpora.icbhi_facts import icbhi_facts as icbhi_facts
from bodysounds.corpora.icbhi_facts import tell_differences
from bodysounds.types import Table

logger = logging.getLogger(__name__)

ENDINGS = (".wav", ".flac")
"""Of one recording in several formats the first is read."""
EXTRA = ("location", "mode", "age_group")


def read_icbhi(root: Path, *, min_cycle_s: float = 0.1) -> Listing:
    """Return the listing of a folder of ICBHI 2017: recordings, each with its cycles beside it.

    `101_1b1_Al_sc_Meditron.wav` (or flac) and `101_1b1_Al_sc_Meditron.txt` may lie anywhere below
    the root, and so may the tables, each optional, under their published names: the official split,
    demographics, diagnoses, filename differences, folds. The subject is the patient, the session
    the patient's recording index, the domain the device, the label the diagnosis, subset_hint the
    official split; location, mode, age_group (child, adult) and, where the folder has folds,
    published_fold stand last. A segment is a cycle: normal, crackle, wheeze or both.

    A recording whose name, text file or cycles are wrong is rejected with a reason; a cycle shorter
    than `min_cycle_s` (seconds) is left out. Where the whole corpus is there, it is compared with
    `INVARIANTS`, and a difference is logged. Raises ValueError where a table is wrong, no recording
    is there, or none can be used.
    """
    if not 0 <= min_cycle_s <= 10:
        raise ValueError(
            f"the reader's option min_cycle_s must be 0 to 10 seconds, got {min_cycle_s}"
        )
    files = list_files(root)
    audio = _one_each(audio_only(files))
    if not audio:
        raise ValueError(
            f"{root} has no recording: is it the folder of ICBHI 2017, with files such as "
            "101_1b1_Al_sc_Meditron.wav in it or below?"
        )
    tables = read_tables(root, files)
    names: dict[PurePosixPath, Name] = {}
    cycles: list[tuple[str, Cycle]] = []
    rejected: list[tuple[str, str]] = []
    short: list[str] = []
    for file in audio:
        try:
            name = parse_name(file.stem)
            found = read_cycles((root / file).with_suffix(".txt"))
            kept = [one for one in found if one.end_s - one.start_s > min_cycle_s - 1e-9]
            if not kept:
                raise ValueError(f"{file.stem}.txt has no cycle of at least {min_cycle_s:g} s")
        except ValueError as error:
            rejected.append((str(file), str(error)))
            continue
        names[file] = name
        cycles += [(file.stem, cycle) for cycle in kept]
        short += [file.stem] * (len(found) - len(kept))
    if not names:
        raise ValueError(
            f"none of the {len(audio)} recordings in {root} can be used; the first reason: "
            f"{rejected[0][1]}"
        )
    if short:
        logger.warning(
            "%d cycles are shorter than min_cycle_s = %g s and left out: %s",
            len(short), min_cycle_s, some(sorted(set(short))),
        )  # fmt: skip
    recordings = _recordings(names, tables)
    segments = _segments(cycles)
    _tell_unknown(recordings, tables)
    tell_differences(recordings, segments, len(audio))
    return Listing(
        recordings=recordings,
        # cycles are told apart by class here, and no recording is compared with another
        sides=one_side_each(recordings).head(0),
        listed_trials=no_trials(),
        segments=segments,
        rejected=pd.DataFrame(rejected, columns=["path", "reason"], dtype="str"),
    )


def _one_each(files: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """Return one file a recording, wav before others and the one with the fewest folders first."""
    ranked = sorted(files, key=lambda file: (file.suffix.lower() != ENDINGS[0], len(file.parts)))
    first: dict[str, PurePosixPath] = {}
    for file in ranked:
        first.setdefault(file.stem, file)
    if len(first) < len(files):
        logger.warning(
            "%d recordings lie in several folders or formats; one file of each is read (%s)",
            len(files) - len(first), ", ".join(ENDINGS),
        )  # fmt: skip
    return sorted(first.values())


def _recordings(names: dict[PurePosixPath, Name], tables: Tables) -> Table:
    people, split = tables.people or {}, tables.split or {}
    diagnoses, folds = tables.diagnoses or {}, tables.folds or {}
    rows = []
    for file, name in names.items():
        person = people.get(name.patient)
        rows.append(
            {
                "recording_id": file.stem,
                "subject_id": name.patient,
                "session_id": f"{name.patient}_{name.take}",
                "path": str(file),
                "domain": name.device,
                "sex": person and person.sex,
                "age": person and person.age,
                "label": diagnoses.get(name.patient),
                "subset_hint": split.get(key_of(file.stem)),
                "location": name.location,
                "mode": name.mode,
                "age_group": person and person.age_group,
                "published_fold": folds.get(name.patient),
            }
        )
    extra = (*EXTRA, "published_fold") if tables.folds is not None else EXTRA
    return recordings_table(dict(pd.DataFrame(rows).items()), extra)


def _segments(cycles: Sequence[tuple[str, Cycle]]) -> Table:
    rows = [
        (f"{recording}#{cycle.number:03d}", recording, cycle.start_s, cycle.end_s, cycle.label)
        for recording, cycle in cycles
    ]
    return pd.DataFrame(rows, columns=list(SEGMENT_COLUMNS)).astype(
        {"segment_id": "str", "recording_id": "str", "label": "str"}
    )


def _tell_unknown(recordings: Table, tables: Tables) -> None:
    """Log what the tables don't say of the recordings, and which of them were renamed."""
    for column, table, what in (
        ("subset_hint", tables.split, "the official split"),
        ("label", tables.diagnoses, "the diagnoses"),
        ("sex", tables.people, "the demographics (sex)"),
        ("age", tables.people, "the demographics (age)"),
        ("published_fold", tables.folds, "the published folds"),
    ):
        if table is None:
            logger.info("no table of %s is there: %s stays unknown", what, column)
        elif recordings[column].isna().any():
            missing = recordings.loc[recordings[column].isna(), "recording_id"]
            logger.warning(
                "%s leave %d of %d recordings unknown: %s",
                what, len(missing), len(recordings), some(missing),
            )  # fmt: skip
    old = set(recordings["recording_id"]) & set(tables.differences)
    if old:
        logger.warning(
            "%d recordings still have names that filename_differences.txt lists as corrected, so "
            "that the device in them may be wrong: %s",
            len(old), some(sorted(old)),
        )  # fmt: skip
