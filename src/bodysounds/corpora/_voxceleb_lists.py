"""VoxCeleb's tables: who the speakers are, the split for identification, the lists of trials."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from bodysounds.corpora.base import TRIAL_COLUMNS, some
from bodysounds.corpora.files import nearest_file
from bodysounds.splitting.blank_separated import read_fields
from bodysounds.splitting.side_names import resolve_sides
from bodysounds.splitting.trial_lists import read_trials
from bodysounds.types import Table

logger = logging.getLogger(__name__)

LISTS = {
    "O": "veri_test.txt",
    "O-cleaned": "veri_test2.txt",
    "E": "list_test_all.txt",
    "E-cleaned": "list_test_all2.txt",
    "H": "list_test_hard.txt",
    "H-cleaned": "list_test_hard2.txt",
}
META = "https://mm.kaist.ac.kr/datasets/voxceleb/meta"
SUBSET_OF = {"1": "train", "2": "dev", "3": "test"}


def find_list(name: str, files: Sequence[PurePosixPath], root: Path) -> Path:
    """Return the path of a list: by its short name, by its file's name below root, or by a path.

    Raises ValueError where it is not there, which says where the published lists are.
    """
    wanted = LISTS.get(name, name)
    below = nearest_file(files, wanted)
    if below:
        return root / below
    for path in (Path(wanted).expanduser(), root / wanted):
        if path.is_file():
            return path
    published = ", ".join(f"{short} ({file})" for short, file in LISTS.items())
    raise ValueError(
        f"the list {wanted} is not there, neither as a path nor anywhere in {root}: put it into "
        f"that folder (the published ones are at {META}/); the trials may be {published}, or a path"
    )


def read_sexes(paths: Sequence[Path]) -> dict[str, str]:
    """Return m or f of each speaker that the tables name, by VoxCeleb's id and by the older name.

    The tables are separated by tabs or commas, with blanks around. Raises ValueError for a table
    without a speaker's id and gender.
    """
    sexes: dict[str, str] = {}
    for path in paths:
        try:
            header = path.read_text(encoding="utf-8-sig").split("\n", 1)[0]
            comma = "\t" if "\t" in header else ","
            table = pd.read_csv(path, sep=comma, dtype=str, encoding="utf-8-sig")
        except (ValueError, OSError) as error:
            raise ValueError(f"{path} cannot be read ({error}): fetch it again") from error
        table.columns = table.columns.str.strip()
        ids = [name for name in table.columns if name.lower().startswith(("voxceleb", "vggface"))]
        if not ids or "Gender" not in table:
            raise ValueError(
                f"{path} has no column of VoxCeleb's ids or no column Gender; its columns are "
                f"{', '.join(table.columns)}"
            )
        sex = table["Gender"].str.strip().str.lower()
        for name in reversed(ids):
            known = sex.isin(["m", "f"])
            sexes |= dict(zip(table[name][known].str.strip(), sex[known], strict=True))
    return sexes


def read_identification_split(path: Path, recordings: Table) -> pd.Series[str]:
    """Return train, dev or test of each recording, nan where iden_split.txt doesn't name it.

    Raises ValueError for a line that is not `1|2|3 speaker/video/utterance.wav`.
    """
    table = read_fields(path, (2,), "`1 speaker/video/utterance.wav`, and 2 for dev, 3 for test")
    subset = table[0].map(SUBSET_OF)
    if subset.isna().any():
        wrong = table[0][subset.isna()].iloc[0]
        raise ValueError(f"{path} has the subset {wrong!r}, where 1, 2 or 3 must stand")
    names = pd.DataFrame({"enrol_id": table[1], "test_id": table[1]})
    found = resolve_sides(names, recordings["recording_id"])
    if found.unknown:
        logger.warning(
            "%s of %s utterances of %s are not in the folder: %s",
            f"{len(found.unknown):,}",
            f"{len(table):,}",
            path.name,
            some(found.unknown),
        )
    named = pd.Series(subset.to_numpy(), found.trials["enrol_id"])
    left = ~recordings["recording_id"].isin(named.index)
    if left.any():
        logger.warning(
            "%s of %s recordings are not in %s and have no subset: %s",
            f"{int(left.sum()):,}",
            f"{len(recordings):,}",
            path.name,
            some(recordings["recording_id"][left]),
        )
    hints: pd.Series[str] = recordings["recording_id"].map(named[~named.index.duplicated()])
    return hints.astype("str")


def read_verification_list(path: Path, known: pd.Series[str]) -> tuple[Table, Table]:
    """Return the trials of a list, and rows for the recordings that are not there."""
    found = resolve_sides(read_trials(path), known)
    trials = found.trials.assign(subset="test")[list(TRIAL_COLUMNS)]
    unknown = sorted(found.unknown)
    if not unknown:
        return trials, pd.DataFrame()
    lost = trials["enrol_id"].isin(unknown) | trials["test_id"].isin(unknown)
    logger.warning(
        "%s of %s trials of %s name %s recordings that are not there (%s): they are left out",
        f"{int(lost.sum()):,}",
        f"{len(trials):,}",
        path.name,
        f"{len(unknown):,}",
        some(unknown),
    )
    parts = [name.split("/") for name in unknown]
    missing = pd.DataFrame(
        {
            "recording_id": unknown,
            "path": unknown,
            "subject_id": [p[-3] if len(p) > 2 else None for p in parts],
            "session_id": ["/".join(p[-3:-1]) if len(p) > 2 else None for p in parts],
        }
    )
    return trials, missing
