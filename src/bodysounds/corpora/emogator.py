"""EmoGator: short non-verbal vocalisations by adults (Buhl, arXiv:2301.00508)."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pandas as pd

from bodysounds.corpora.base import Listing, no_trials, one_side_each, recordings_table, some
from bodysounds.corpora.table import TABLE, read_table

logger = logging.getLogger(__name__)

NAME = re.compile(r"(?P<person>\d+)-(?P<category>\w+)-(?P<take>\d+)")


def read_emogator(
    root: Path,
    *,
    subject: str = "speaker_id",
    label: str | None = "emotion",
    order: str | None = "take",
) -> Listing:
    """Return the listing of an EmoGator folder: files named `person-category-take.mp3`, anywhere.

    The subject is the person, the label the category, the order the take. Where the folder has
    `metadata.csv`, that table wins, and the options name its columns. Raises ValueError where no
    file has such a name.
    """
    if (root / TABLE).exists():
        return read_table(root, subject=subject, label=label, order=order)
    rows, strange = [], []
    for path in sorted(root.rglob("*.mp3")):
        name = NAME.fullmatch(path.stem)
        if name is None:
            strange.append(path.name)
            continue
        rows.append(
            {
                "recording_id": path.stem,
                "subject_id": name["person"],
                "order": float(name["take"]),
                "path": path.relative_to(root).as_posix(),
                "label": name["category"],
            }
        )
    if not rows:
        raise ValueError(
            f"{root} has neither {TABLE} nor files named person-category-take.mp3: "
            "is it the folder of EmoGator?"
        )
    if strange:
        logger.warning("%d files are named otherwise and left out: %s", len(strange), some(strange))
    recordings = recordings_table(dict(pd.DataFrame(rows).items()))
    return Listing(
        recordings=recordings, sides=one_side_each(recordings), listed_trials=no_trials()
    )
