"""Zalo AI Challenge 2020, voice verification: Vietnamese speakers and a public test of pairs."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

import pandas as pd

from bodysounds.corpora._zalo_folders import read_name, settle
from bodysounds.corpora._zalo_test import read_submission, read_trials_of, tested_speakers
from bodysounds.corpora.base import Listing, no_trials, one_side_each, recordings_table, some
from bodysounds.corpora.files import audio_only, list_files, nearest_file

logger = logging.getLogger(__name__)

SAMPLE = "Sample_submission.csv"


def read_zalo(root: Path, *, test: str = "public-test") -> Listing:
    """Return the listing of a Zalo 2020 folder.

    Expected, in the folder or anywhere below it: train speakers' folders named `id-gender-age`
    (`424-M-28`) with recordings, or with one folder a video, which is then the session; the folder
    `public-test` of test recordings; `public-test.csv` (audio_1, audio_2 and, optional, label);
    and, optional, `Sample_submission.csv` (audio_1, audio_2, label) and `public-test-speakers.csv`
    (audio, speaker, session, sex), from which the pairs' targets follow where they have no label.
    `test` names another test in the same form. A recording is a side. Ids are text, sex is `m` or
    `f`; what a folder's name doesn't say is missing, and logged.

    A trial is called `<audio_1> <audio_2>` as the list spells them; the n-th copy of a pair has
    `~n` after that, from `~2`. Recordings that pairs name and that are not there are listed all the
    same, so that they are rejected and counted, and their pairs are left out; a submission, which
    needs every pair, has 0 for those.
    Raises ValueError for a broken table, a sample submission whose pairs are not the list's, and a
    folder without such speakers and pairs.
    """
    files = list_files(root)
    audio = audio_only(files)
    tested = [path for path in audio if test in path.parts[:-1]]
    rows, strange = [], []
    for path in audio:
        if test not in path.parts[:-1]:
            row = _train_row(path)
            rows += [row] if row else []
            strange += [] if row else [path]
    train = settle(pd.DataFrame(rows))
    pairs = nearest_file(files, f"{test}.csv")
    sample = nearest_file(files, SAMPLE)
    if train.empty and pairs is None:
        raise ValueError(
            f"{root} has neither folders named id-gender-age (such as 424-M-28) with recordings "
            f"nor {test}.csv: is it the folder of the Zalo 2020 voice verification?"
        )
    if strange:
        folders = sorted({str(path.parent) for path in strange})
        logger.warning(
            "%d recordings lie in no speaker's folder and are left out (%s): a speaker's folder is "
            "named id-gender-age; name it so, with `unknown` for what isn't known",
            len(strange),
            some(folders),
        )
    speakers = nearest_file(files, f"{test}-speakers.csv")
    paths = [str(path) for path in tested]
    about = tested_speakers(paths, root / speakers if speakers else None)
    trials, missing = no_trials(), pd.DataFrame()
    if pairs is not None:
        trials, missing = read_trials_of(root / pairs, about, str(_folder(tested, pairs, test)))
    recordings = recordings_table(
        dict(pd.concat([train, about, missing], ignore_index=True).items())
    )
    return Listing(
        recordings=recordings,
        sides=one_side_each(recordings),
        listed_trials=trials,
        submission_format=read_submission(root / sample, trials) if sample else None,
    )


def _train_row(path: PurePosixPath) -> dict[str, str | None] | None:
    """Return the row of a recording in the first folder above it that is named as a speaker.

    A folder that says an age goes first: in `viet-nam/424-M-28` the second is the speaker's.
    """
    named = [(depth, read_name(name)) for depth, name in enumerate(path.parts[:-1])]
    speakers = [(depth, speaker) for depth, speaker in named if speaker]
    if not speakers:
        return None
    depth, speaker = next((one for one in speakers if one[1].age), speakers[0])
    video = "/".join(path.parts[depth + 1 : -1])
    return {
        "recording_id": str(path),
        "path": str(path),
        "session_id": f"{speaker.id}/{video}" if video else None,
        "subject_id": speaker.id,
        "sex": speaker.sex,
        "age": speaker.age,
        "folder": path.parts[depth],
    }


def _folder(tested: list[PurePosixPath], pairs: PurePosixPath, test: str) -> PurePosixPath:
    """Return where a test recording lies, or would lie beside the list."""
    if not tested:
        return pairs.parent / test
    parts = tested[0].parts
    return PurePosixPath(*parts[: parts.index(test) + 1])
