"""The sound of the worst errors, for pages whose parameters ask for it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bodysounds.corpora.base import Corpus
from bodysounds.types import Metrics, Table

if TYPE_CHECKING:
    from bodysounds.audio.packed import Int16s, Packed

LONGEST_S = 4.0
"""Of each sound inside a page; the rest of a side is left out."""
NONE = "No audio is inside this page."
Sounds = Mapping[str, Mapping[str, str]]
"""Of each error, its sounds as data URIs: enrol and test of a pair, clip of a clip."""


def may_be_copied(licence: str) -> bool:
    """Return whether a licence may allow excerpts; one without derivatives (ND) does not."""
    return not re.search(r"(?<![a-z])nd(?![a-z])|no[- ]?deriv", licence, re.IGNORECASE)


def pair_sounds(
    failures: Table,
    trials: Table,
    sides: Table,
    segments: Table,
    waveforms: Packed,
    corpus: Corpus,
    n: int,
) -> dict[str, dict[str, str]]:
    """Return the sounds of the first `n` errors of each kind by trial_id, each with enrol and test.

    A side is its segments in order, joined, as they were packed (mono, 16 bit), up to `LONGEST_S`.
    Empty where n is 0 or the licence forbids it.
    """
    if not n or not may_be_copied(corpus.licence):
        return {}
    chosen = failures.groupby("kind", sort=False).head(n)["trial_id"]
    pairs = trials.set_index("trial_id").loc[chosen, ["enrol_id", "test_id"]]
    order = ["order", "start_s"] if "start_s" in segments else ["order"]
    held = sides[sides["side_id"].isin(pairs.to_numpy().ravel())].merge(
        segments.drop(columns="order", errors="ignore"), on="recording_id"
    )
    known = {
        str(side): own["segment_id"].tolist()
        for side, own in held.sort_values([*order, "segment_id"]).groupby("side_id")
    }
    return {
        str(trial): {
            side: excerpt([waveforms.samples_of(name) for name in known[row[f"{side}_id"]]],
                          waveforms.sample_rate)
            for side in ("enrol", "test")
        }
        for trial, row in pairs.iterrows()
    }  # fmt: skip


def surest_errors(predictions: Table, metrics: Metrics, n: int) -> list[dict[str, Any]]:
    """Return segment_id, label, predicted and probability of the surest `n` wrong test clips."""
    head = metrics["headline"]
    rows = predictions[
        (predictions["system"] == "ours") & (predictions["subset"] == head["subset"])
    ]
    if head["condition"] != "all":
        rows = rows[rows["condition"] == head["condition"]]
    first = rows.sort_values(["probability", "segment_id"], ascending=[False, True])
    wrong = first.drop_duplicates("segment_id").query("label != predicted").head(n)
    names = ["segment_id", "label", "predicted", "probability"]
    return [{str(k): v for k, v in row.items()} for row in wrong[names].to_dict("records")]


def clip_sounds(
    errors: Sequence[Mapping[str, Any]], waveforms: Packed, corpus: Corpus
) -> dict[str, dict[str, str]]:
    """Return the sound of each wrong clip by segment_id; empty where the licence forbids it."""
    if not may_be_copied(corpus.licence):
        return {}
    names = [str(row["segment_id"]) for row in errors]
    return {
        name: {"clip": excerpt([waveforms.samples_of(name)], waveforms.sample_rate)}
        for name in names
    }


def excerpt(pieces: Sequence[Int16s], sample_rate: int) -> str:
    """Return int16 pieces, joined and cut to `LONGEST_S`, as a data URI of FLAC."""
    import soundfile

    joined = np.concatenate(list(pieces))[: round(LONGEST_S * sample_rate)]
    buffer = io.BytesIO()
    soundfile.write(buffer, joined, sample_rate, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + base64.b64encode(buffer.getvalue()).decode()


def audio_told(sounds: Sounds, asked: int, corpus: Corpus, stage: str) -> str:
    """Return what of a page is audio, and who may have it, in a sentence or two."""
    if not asked:
        return NONE
    licence = corpus.licence
    if not may_be_copied(licence):
        return (
            f"{NONE} {stage}.audio asks for it, and the licence of {corpus.name}, {licence}, "
            "allows no excerpts."
        )
    if not sounds:
        return f"{NONE} There is no error to listen to."
    clips = [uri for own in sounds.values() for uri in own.values()]
    size = sum(map(len, clips)) / 1e6
    told = (
        f"Audio is inside this page: {len(clips)} excerpts of up to {LONGEST_S:g} s, {size:.1f} MB."
    )
    if corpus.synthetic:
        return f"{told} It is synthetic."
    terms = f"The licence is: {licence}." if licence else "No licence is known."
    return (
        f"{told} Whoever is heard may be recognised: pass the page on only to those who may "
        f"listen. {terms}"
    )
