"""VoxCeleb1 and VoxCeleb2: celebrities in interviews, cut out of videos by their faces."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

import pandas as pd

from bodysounds.corpora._voxceleb_lists import (
    find_list,
    read_identification_split,
    read_sexes,
    read_verification_list,
)
from bodysounds.corpora.base import Listing, no_trials, one_side_each, recordings_table, some
from bodysounds.corpora.files import audio_only, list_files, nearest_file
from bodysounds.splitting.side_names import AUDIO_ENDING

logger = logging.getLogger(__name__)

# folders of the published archives: none of them is a speaker
CONTAINERS = ("wav", "aac", "m4a", "mp4", "dev", "test", "train", "vox1", "vox2", "voxceleb1")
# copies of one utterance: those that libsndfile reads come first
ENDINGS = ("wav", "flac", "ogg", "mp3", "m4a", "aac", "mp4")


def read_voxceleb(
    root: Path, *, trials: str | None = None, identification: bool = False
) -> Listing:
    """Return the listing of a VoxCeleb folder (arXiv:1706.08612, arXiv:1806.05622).

    Expected: `<speaker>/<video>/<utterance>.wav` (m4a and others too), below any folders such as
    `wav`, `dev/aac` or `vox2`; and, optional and anywhere, `vox1_meta.csv` and `vox2_meta.csv`,
    which give the sex. A recording is an utterance, `id10270/5r0dWxy17C8/00001.wav`, and a side;
    the session is the video, `id10270/5r0dWxy17C8`. Of an utterance that is there twice one file is
    read, a wav rather than an m4a.

    Parameters
    ----------
    root : path
    trials : str, optional
        `O`, `O-cleaned`, `E`, `E-cleaned`, `H` or `H-cleaned`, whose list lies anywhere in the
        folder, or the path of a list in any format of `read_trials`. All recordings of its speakers
        are test. Those that it names and that are not there are listed all the same, so that they
        are rejected and counted, and their trials are left out. Without it the speakers have no
        subset.
    identification : bool
        Take each utterance's subset from `iden_split.txt` (1 train, 2 dev, 3 test), where the
        folder has it; speakers are in all three, for closed-set identification. Goes without
        trials.

    Raises ValueError for a folder without such files, a list or table that is missing or broken,
    and for trials and identification together.
    """
    if not isinstance(identification, bool):
        raise ValueError(f"the option identification must be true or false, got {identification!r}")
    if identification and trials:
        raise ValueError(
            "the options trials and identification exclude each other: iden_split.txt has every "
            "speaker in train and in test, a list of trials compares unheard ones"
        )
    files = list_files(root)
    recordings = _utterances(files, root)
    sexes = read_sexes([root / path for path in _tables(files)])
    recordings["sex"] = recordings["subject_id"].map(sexes).astype("str")
    listed = no_trials()
    split = nearest_file(files, "iden_split.txt")
    if identification and split:
        recordings["subset_hint"] = read_identification_split(root / split, recordings)
    elif trials:
        path = find_list(trials, files, root)
        listed, missing = read_verification_list(path, recordings["recording_id"])
        recordings = pd.concat([recordings, missing], ignore_index=True)
        sides = set(listed["enrol_id"]) | set(listed["test_id"])
        ids = recordings["recording_id"]
        tested = set(recordings["subject_id"][ids.isin(sides)].dropna())
        is_test = recordings["subject_id"].isin(tested) | ids.isin(sides)
        recordings["subset_hint"] = is_test.map({True: "test"})
    table = recordings_table(dict(recordings.items()))
    return Listing(recordings=table, sides=one_side_each(table), listed_trials=listed)


def _utterances(files: list[PurePosixPath], root: Path) -> pd.DataFrame:
    found: dict[str, tuple[int, PurePosixPath]] = {}
    strange: list[PurePosixPath] = []
    audio = audio_only(files)
    for path in audio:
        if len(path.parts) < 3 or path.parts[-3].lower() in CONTAINERS:
            strange.append(path)
            continue
        name = AUDIO_ENDING.sub("", "/".join(path.parts[-3:]))
        ending = path.suffix.lower().lstrip(".")
        rank = ENDINGS.index(ending) if ending in ENDINGS else len(ENDINGS)
        if name not in found or rank < found[name][0]:
            found[name] = (rank, path)
    if not found:
        raise ValueError(
            f"{root} has no recordings named <speaker>/<video>/<utterance>.wav: "
            "is it the folder of VoxCeleb? `bodysounds fetch voxceleb1 FOLDER` says how to get it"
        )
    if strange:
        logger.warning(
            "%d recordings are not in <speaker>/<video>/ and are left out: %s",
            len(strange),
            some(strange),
        )
    copies = len(audio) - len(strange) - len(found)
    if copies:
        logger.warning("%d copies of utterances, in another format or folder, are left out", copies)
    paths = [path for _, path in found.values()]
    speakers = [path.parts[-3] for path in paths]
    return pd.DataFrame(
        {
            "recording_id": ["/".join(path.parts[-3:]) for path in paths],
            "subject_id": speakers,
            "session_id": [f"{path.parts[-3]}/{path.parts[-2]}" for path in paths],
            "path": [str(path) for path in paths],
        }
    )


def _tables(files: list[PurePosixPath]) -> list[PurePosixPath]:
    named = [nearest_file(files, name) for name in ("vox1_meta.csv", "vox2_meta.csv")]
    return [path for path in named if path]
