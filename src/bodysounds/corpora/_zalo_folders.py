"""The names of Zalo's speaker folders: id, gender and age, or as much as can be told."""

from __future__ import annotations

import logging
import re
import unicodedata
from typing import NamedTuple

from bodysounds.corpora.base import some
from bodysounds.types import Table

logger = logging.getLogger(__name__)

SEXES = {"m": "m", "male": "m", "nam": "m", "f": "f", "female": "f", "nữ": "f", "nu": "f"}
UNKNOWN = ("unknown", "")
AGE = re.compile(r"\d{1,3}")


class Speaker(NamedTuple):
    """What the name of a folder says; None where it doesn't say one thing."""

    id: str
    sex: str | None
    age: str | None


def read_name(name: str) -> Speaker | None:
    """Return the speaker of a folder named `id-gender-age`, None where it has no such name.

    The gender stands between the id, which may hold hyphens, and the age; `unknown` or nothing may
    stand in its place. An age that is no one number of years is unknown.
    """
    parts = name.split("-")
    words = [unicodedata.normalize("NFC", part).strip().lower() for part in parts]
    known = [at for at in range(1, len(words)) if words[at] in SEXES]
    unknown = [at for at in range(1, len(words)) if words[at] in UNKNOWN]
    if not (known or unknown):
        return None
    at = known[-1] if known else unknown[0]
    subject, age = "-".join(parts[:at]), "-".join(parts[at + 1 :]).strip()
    if not subject.strip():
        return None
    return Speaker(subject, SEXES.get(words[at]), age if AGE.fullmatch(age) else None)


def settle(recordings: Table) -> Table:
    """Return train recordings without the column folder, sex missing where folders contradict.

    One line is logged for names that don't say gender and age, and one for ids of two genders.
    """
    if recordings.empty:
        return recordings
    folders = recordings.drop_duplicates("folder")
    unsaid = folders[folders["sex"].isna() | folders["age"].isna()]["folder"]
    if len(unsaid):
        logger.warning(
            "%d of %d speakers' folders don't say one gender and one age (%s): a name is "
            "id-gender-age with the gender M or F and the age in years; they are kept, what isn't "
            "said is missing; rename the folder to fill it in",
            len(unsaid),
            len(folders),
            some(unsaid),
        )
    sexes = folders.groupby("subject_id")["sex"].nunique()
    torn = sexes.index[sexes > 1]
    if len(torn):
        both = folders[folders["subject_id"].isin(torn)]["folder"]
        logger.warning(
            "%d ids have folders of two genders (%s): an id is one speaker; they are kept as one "
            "whose sex is missing; rename a folder where they are two",
            len(torn),
            some(sorted(both)),
        )
    sex = recordings["sex"].mask(recordings["subject_id"].isin(torn))
    return recordings.assign(sex=sex).drop(columns="folder")
