"""Published layouts, which have a reader and an environment of their own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bodysounds.corpora import cry_scream, cryceleb, donateacry, emogator
from bodysounds.corpora._icbhi_names import parse_name
from bodysounds.corpora._voxceleb_lists import LISTS
from bodysounds.corpora._zalo_folders import AGE, read_name
from bodysounds.corpora.csvs import read_csv
from bodysounds.corpora.table import TABLE

NO_LIST = "null"
LEAST_SHARE = 0.8
"""A layout is recognised where so many of the recordings have its names."""


@dataclass(frozen=True, eq=False)
class Published:
    """A layout that is known, and how to run on it."""

    name: str
    environment: str
    reader: str
    tasks: tuple[str, ...]
    reason: str
    options: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    """For --params, beside raw."""
    unsplit: Mapping[str, str] = field(default_factory=dict)
    """For --params where the folder has not the corpus's own split."""
    lists: Mapping[str, str] = field(default_factory=dict)
    """Trial lists: what `trials` calls each and its file, first the one that the environment asks
    for."""

    @property
    def without_list(self) -> bool:
        """Whether it has lists, and none of them is there: subjects must be dealt."""
        return self.params.get("trials") == NO_LIST


_SPEECH = ("speaker_verification", "speaker_identification")
_ENSEMBLE = ("cry_scream_ensemble",)
CRYCELEB = Published(
    "CryCeleb2023", "cryceleb", "cryceleb", ("cry_verification",),
    f"{TABLE} has the columns {', '.join(cryceleb.COLUMNS)}", {}, {"complete": "false"},
)  # fmt: skip
ICBHI = Published(
    "ICBHI 2017", "icbhi", "icbhi", ("respiratory_scl",),
    "files are named patient_index_location_mode_device", unsplit={"protocol": "patients"},
)  # fmt: skip
VOXCELEB = Published(
    "VoxCeleb", "voxceleb", "voxceleb", _SPEECH,
    "files lie in id10270/<video of 11 characters>/",
    lists={"O-cleaned": LISTS["O-cleaned"], **LISTS},
)  # fmt: skip
ZALO = Published(
    "Zalo 2020", "zalo", "zalo", ("speaker_verification",),
    "folders are named id-gender-age, or public-test.csv is there",
)  # fmt: skip
DONATEACRY = Published(
    "donateacry-corpus", "donateacry", "donateacry", ("cry_verification",),
    "files are named install-time-version-sex-age-reason",
)  # fmt: skip
EMOGATOR = Published(
    "EmoGator", "emogator", "emogator", (*_SPEECH, "cry_verification"),
    "files are named person-category-take, the person in six digits, the category in two",
)  # fmt: skip
SOUNDS_TABLE = Published(
    "cries and screams", "cry_scream", "manifest", _ENSEMBLE,
    f"{cry_scream.MANIFEST} has the columns file_path and label",
)  # fmt: skip
SOUNDS = Published(
    "cries and screams", "cry_scream", "manifest", _ENSEMBLE,
    f"there are folders {', '.join(cry_scream.LABELS)}",
)  # fmt: skip


def published_layout(
    root: Path, files: Sequence[PurePosixPath], audio: Sequence[PurePosixPath]
) -> Published | None:
    """Return the published layout that a folder has, None for none.

    Names of files decide, and tables that only one corpus has; no recording is opened.
    """
    names = {path.name for path in files}
    tables = {str(path) for path in files}
    said = {
        CRYCELEB: TABLE in tables and _has(root / TABLE, cryceleb.COLUMNS),
        SOUNDS_TABLE: cry_scream.MANIFEST in tables
        and _has(root / cry_scream.MANIFEST, ("file_path", "label"), cry_scream.LABELS),
        ICBHI: _share(audio, _is_icbhi) >= LEAST_SHARE,
        VOXCELEB: _share(audio, _is_voxceleb) >= LEAST_SHARE,
        ZALO: "public-test.csv" in names or _share(audio, _is_zalo) >= LEAST_SHARE,
    }
    if TABLE not in tables:  # which says more than the names of files
        said |= {
            DONATEACRY: _share(audio, _is_donateacry) >= LEAST_SHARE,
            EMOGATOR: _share(audio, _is_emogator) >= LEAST_SHARE,
            SOUNDS: set(cry_scream.LABELS)
            <= {part.lower() for path in audio for part in path.parts[:-1]},
        }
    found = next((layout for layout, fits in said.items() if fits), None)
    return _with_trials(found, names) if found and found.lists else found


def _with_trials(layout: Published, names: Collection[str]) -> Published:
    """Return the layout with `trials` for --params where the environment's list is not there."""
    asked = next(iter(layout.lists))
    there = next((name for name, file in layout.lists.items() if file in names), NO_LIST)
    return layout if there == asked else replace(layout, params={**layout.params, "trials": there})


def _has(path: Path, columns: Sequence[str], labels: Sequence[str] = ()) -> bool:
    """Return whether a table has columns and, where some are given, those labels."""
    try:
        table = read_csv(path, columns)
    except ValueError:
        return False
    return not labels or set(table["label"].str.strip()) == set(labels)


def _share(audio: Sequence[PurePosixPath], fits: Callable[[PurePosixPath], object]) -> float:
    return sum(bool(fits(path)) for path in audio) / max(1, len(audio))


def _is_icbhi(path: PurePosixPath) -> bool:
    try:
        return bool(parse_name(path.stem))
    except ValueError:
        return False


def _is_voxceleb(path: PurePosixPath) -> bool:
    if len(path.parts) < 3:
        return False
    speaker, video = path.parts[-3], path.parts[-2]
    return speaker[:2] == "id" and len(speaker) == 7 and speaker[2:].isdigit() and len(video) == 11


def _is_zalo(path: PurePosixPath) -> bool:
    """Return whether a folder is named id-gender-age, with gender and age."""
    named = [read_name(part) for part in path.parts[:-1]]
    return any(one and one.sex and one.age and AGE.fullmatch(one.age) for one in named)


def _is_donateacry(path: PurePosixPath) -> bool:
    return donateacry.NAME.fullmatch(path.stem) is not None


def _is_emogator(path: PurePosixPath) -> bool:
    name = emogator.NAME.fullmatch(path.stem)
    return bool(name and len(name["person"]) == 6 and len(name["category"]) == 2)
