"""What the path of a recording says, cut into columns: its folders, and the fields of its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.corpora.survey.kinds import DAY, ID, SESSION, UNIX
from bodysounds.types import Table

ROLES = (
    "subject", "group", "session", "recorded_at", "order", "domain", "sex", "age", "label", "split",
)  # fmt: skip
"""What a column of metadata.csv may say of a recording, beside file_name."""
PART = re.compile(rf"(?<!\d)(?:{DAY.pattern}|{UNIX.pattern})(?!\d)|[^_\-. ]+")
RUNS = (re.compile(r"[^\W\d_]+\d*|\d+"), re.compile(r"[^\W\d_]+|\d+"))


def path_columns(paths: Sequence[PurePosixPath]) -> Table:
    """Return folder1, folder2, ... (from the outside) and field1, field2, ... of the names.

    A row a path, of text; missing where a path has fewer folders, or its name another number of
    fields than most. Fields stand between `_`, `-`, `.` and blanks; a date is one field, and so is
    a word such as baby or day with its number (baby_12), where S01E02 is two. Where a name has none
    of these, letters and digits are told apart (anna003).
    """
    depth = max((len(path.parts) - 1 for path in paths), default=0)
    columns = {
        f"folder{k + 1}": [path.parts[k] if len(path.parts) > k + 1 else None for path in paths]
        for k in range(depth)
    }
    fields = name_fields([path.name.rsplit(".", 1)[0] for path in paths])
    width = max(map(len, fields), default=0)
    columns |= {f"field{k + 1}": [one[k] if one else None for one in fields] for k in range(width)}
    return pd.DataFrame(columns, index=range(len(paths)), dtype="str")


def name_fields(stems: Sequence[str]) -> list[list[str]]:
    """Return the fields of each name, none for names that have not as many as most."""
    cut = [[part[0] for part in PART.finditer(stem)] for stem in stems]
    for runs in RUNS:
        if _usual(cut) != 1:
            break
        cut = [runs.findall(stem) for stem in stems]
    usual = _usual(cut)
    return _parted(_joined([one if len(one) == usual else [] for one in cut]))


def _joined(names: list[list[str]]) -> list[list[str]]:
    """Return the names with baby and 12, or ses and 1, as one field each: baby-12, ses-1."""
    told = [one for one in names if one]
    for k in reversed(range(len(told[0]) - 1 if told else 0)):
        words = {one[k].lower() for one in told}
        both = [f"{one[k]}-{one[k + 1]}" for one in told]
        numbered = all(one[k + 1].isdigit() for one in told)
        if len(words) == 1 and numbered and (_all(ID, both) or _all(SESSION, both)):
            for one, value in zip(told, both, strict=True):
                one[k : k + 2] = [value]
    return names


def _parted(names: list[list[str]]) -> list[list[str]]:
    """Return the names with fields like S01E02, of the same letters in each name, cut in two."""
    told = [one for one in names if one]
    for k in reversed(range(len(told[0]) if told else 0)):
        spelt = {re.sub(r"\d+", "0", one[k]) for one in told}
        if len(spelt) == 1 and re.fullmatch(r"(?:[^\W\d_]+0){2,}", spelt.pop()):
            for one in told:
                one[k : k + 1] = RUNS[0].findall(one[k])
    return names


def _all(pattern: re.Pattern[str], values: Sequence[str]) -> bool:
    return all(pattern.fullmatch(value) for value in values)


def _usual(cut: Sequence[Sequence[str]]) -> int:
    counts = Counter(map(len, cut))
    return max(counts, key=lambda size: (counts[size], size), default=0)


def pattern_columns(paths: Sequence[PurePosixPath], pattern: str) -> Table:
    """Return a column for each named group of a pattern, searched for in each path.

    The path is relative to the folder and has no ending. A path without a match has no values.
    Raises ValueError for a pattern that cannot be read, has no group of a known name, or fits no
    path.
    """
    roles = ", ".join(ROLES)
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"--pattern {pattern!r} is no regular expression: {error}") from error
    unknown = sorted(set(compiled.groupindex) - set(ROLES))
    if unknown or not compiled.groupindex:
        named = f"names {', '.join(unknown)}" if unknown else "names no group"
        raise ValueError(
            f"--pattern {pattern!r} {named}: its groups are called {roles}, as in "
            r"'(?P<subject>[^_]+)_(?P<session>[^_]+)_'"
        )
    found = [compiled.search(str(path.with_suffix(""))) for path in paths]
    if not any(found):
        raise ValueError(
            f"--pattern {pattern!r} fits none of the {len(paths)} recordings, such as "
            f"{some([path.with_suffix('') for path in paths])}: it is searched for in the path "
            "below the folder, without the ending"
        )
    rows = [match.groupdict() if match else {} for match in found]
    return pd.DataFrame(rows, columns=list(compiled.groupindex), dtype="str")
