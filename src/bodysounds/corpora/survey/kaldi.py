"""Kaldi's lists of a data folder, wav.scp, utt2spk and spk2gender, as a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bodysounds.corpora.base import some
from bodysounds.splitting.side_names import AUDIO_ENDING
from bodysounds.types import Table

LISTS = ("wav.scp", "utt2spk", "spk2gender", "segments")


def read_lists(folder: Path) -> Table:
    """Return a row a recording of wav.scp: file, utt, speaker, and gender where it is told.

    The file is the last word of its line that has the ending of audio, for a line may be a command.
    Where `segments` cuts recordings into utterances, the speaker is that of all of them; a
    recording of which no line tells whose it is has nan. Raises ValueError where utt2spk is
    missing, a list has two lines of one name, or a recording has several speakers.
    """
    scp, utt2spk, spk2gender, segments = (folder / name for name in LISTS)
    if not utt2spk.is_file():
        raise ValueError(f"{scp} has no utt2spk beside it, which says whose the recordings are")
    files = _pairs(scp).map(_file)
    speakers = _pairs(utt2spk)
    cuts = _pairs(segments) if segments.is_file() else pd.Series(dtype="str")
    if len(cuts):
        held = cuts.str.split().str[0]  # utterance to recording
        table = pd.DataFrame({"of": held, "speaker": speakers.reindex(held.index)})
        several = table.groupby("of")["speaker"].nunique()
        if (several > 1).any():
            raise ValueError(
                f"{segments} cuts {int((several > 1).sum())} recordings into utterances of several "
                f"speakers, such as {some(several.index[several > 1].tolist(), 1)}, and here a "
                "recording is of one: write each utterance to a file of its own"
            )
        speakers = table.groupby("of")["speaker"].first()
    table = pd.DataFrame({"file": files, "utt": files.index})
    table["speaker"] = speakers.reindex(files.index)
    if spk2gender.is_file():
        table["gender"] = table["speaker"].map(_pairs(spk2gender))
    return table.astype("str").reset_index(drop=True)


def _pairs(path: Path) -> pd.Series[str]:
    """Return the first word of each line with what follows it; ValueError where one comes twice."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = [line.split(maxsplit=1) for line in lines]
    told = [(pair[0], pair[1].strip()) for pair in pairs if len(pair) == 2]
    names = pd.Series([name for name, _ in told], dtype="str")
    if names.duplicated().any():
        twice = sorted(names[names.duplicated()].unique())
        raise ValueError(
            f"{path} has several lines of {len(twice)} names, such as {some(twice, 1)}, and each "
            "may have one: take the others out"
        )
    return pd.Series(dict(told), dtype="str")


def _file(line: str) -> str:
    words = [word for word in line.split() if AUDIO_ENDING.search(word)]
    return words[-1] if words else line
