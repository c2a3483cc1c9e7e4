"""A closed set: the same speakers in train, dev and test, apart by session or by clip."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from bodysounds.corpora.base import SUBSETS, some
from bodysounds.params.split_closed import SplitClosedParams
from bodysounds.splitting.closed_deal import deal_clips
from bodysounds.splitting.units import units
from bodysounds.types import Metrics, Table

logger = logging.getLogger(__name__)

CONDITIONS = ("across_sessions", "same_session", "unknown")
ONE_CLIP = "one clip only, and train and test take one each"
TWO_NAMES = "their files (equal sha256) stand under several speakers"
NO_TRAIN = "the corpus's own split has no train clip of theirs"


def split_seed(params: SplitClosedParams) -> int:
    """Return the seed of the split: that of the parameters, or with `resplit` one drawn anew."""
    if not params.resplit:
        return params.seed
    seed = int(np.random.default_rng().integers(2**31))
    logger.info("resplit: this split is that of split_closed.seed=%d", seed)
    return seed


def closed_split(manifest: Table, params: SplitClosedParams, seed: int) -> tuple[Table, Metrics]:
    """Deal the clips of each speaker into train, dev and test.

    Parameters
    ----------
    manifest : Table
        recording_id, subject_id, session_id, sha256 and subset_hint are read.
    params : SplitClosedParams
    seed : int
        Orders sessions and clips by a hash, so that neither the order of the rows nor any other
        speaker changes what a speaker is dealt.

    Returns
    -------
    subsets : Table
        recording_id, subset, fold (-1) and condition: `train`; for dev and test `across_sessions`
        (a session that training does not hear), `same_session`, or `unknown`, also where a train
        clip of the speaker is of an unknown session.
    facts : dict
        by, seed, n_speakers, n_sessions (of speakers with two or more), left_out {reason: names}.

    By session, whole sessions are dev and test; of the train sessions' clips `heard_share` is test
    too, and dev where the speaker has no third session. A speaker of one session, or of none that
    is known, is dealt by clip. Copies of a file (sha256) stay on one side. Who has fewer than two
    clips is left out. Raises ValueError where fewer than two speakers, or than n_speakers, are
    left, and for by: listed where the corpus has no split.
    """
    table, left_out = _of_one_speaker(manifest)
    if params.by == "listed":
        table["subset"] = _listed(table)
    else:
        table["subset"] = deal_clips(table, params, seed)
    for speaker in sorted(
        set(table["label"]) - set(table.loc[table["subset"] == "train", "label"])
    ):
        reason = NO_TRAIN if params.by == "listed" else ONE_CLIP
        left_out.setdefault(reason, []).append(speaker)
    for reason, names in left_out.items():
        logger.warning("%d speaker(s) left out, %s: %s", len(names), reason, some(names, 5))
    table = table[~table["label"].isin({name for names in left_out.values() for name in names})]
    table = table[table["label"].isin(_first(table["label"], params.n_speakers))]
    table = table[table["subset"].notna()]
    condition = _conditions(table)
    subsets = pd.DataFrame(
        {
            "recording_id": table["recording_id"],
            "subset": table["subset"].astype("str"),
            "fold": np.int64(-1),
            "condition": condition,
        }
    ).reset_index(drop=True)
    check_closed(subsets, manifest)
    return subsets, _facts(table, condition, params, seed, left_out)


def check_closed(subsets: Table, manifest: Table) -> None:
    """Raise ValueError where a file's copies lie in two subsets, or a speaker has no train clip."""
    table = subsets.merge(manifest[["recording_id", "subject_id", "sha256"]], on="recording_id")
    sides = table.groupby("sha256")["subset"].nunique()
    if (sides > 1).any():
        digest = sides.index[sides > 1][0]
        names = table.loc[table["sha256"] == digest, "recording_id"]
        raise ValueError(
            f"{int((sides > 1).sum())} files have copies in several subsets: {some(names)}"
        )
    untaught = set(table["subject_id"]) - set(table.loc[table["subset"] == "train", "subject_id"])
    if untaught:
        raise ValueError(f"{len(untaught)} speakers have no train clip: {some(sorted(untaught))}")


def list_examples(segments: Table, manifest: Table, subsets: Table) -> Table:
    """Return the segments of the subsets' recordings with what a classifier needs.

    segment_id, recording_id, start_s, end_s, label (the speaker), subset, condition, session_id.
    """
    told = manifest[["recording_id", "subject_id", "session_id"]].rename(
        columns={"subject_id": "label"}
    )
    own = segments[["segment_id", "recording_id", "start_s", "end_s"]]
    dealt = subsets[["recording_id", "subset", "condition"]]
    examples = own.merge(dealt, on="recording_id").merge(told, on="recording_id")
    return examples.sort_values("segment_id", ignore_index=True)


def _of_one_speaker(manifest: Table) -> tuple[Table, dict[str, list[str]]]:
    """Return recordings of known speakers, less files that stand under several of them.

    Columns added: label, and visit, the session or those that share a file; unknown ones stand
    alone.
    """
    unknown = manifest["subject_id"].isna()
    if unknown.any():
        told = some(manifest.loc[unknown, "recording_id"])
        logger.warning(
            "%d recordings are left out, nobody knows their speaker: %s", unknown.sum(), told
        )
    table = manifest[~unknown].sort_values("recording_id").copy()
    table["label"] = table["subject_id"].astype(object)
    names = table.groupby("sha256")["label"].transform("nunique")
    both = table[names > 1]
    table = table[names == 1].copy()
    gone = sorted(set(both["label"]) - set(table["label"]))
    if len(both):
        logger.warning(
            "%d recordings are left out, the same file standing under several speakers: %s",
            len(both), some(both["recording_id"]),
        )  # fmt: skip
    if table.empty:
        raise ValueError(
            "0 speakers have clips for train and test: no recording has a known speaker "
            "(subject_id) of its own"
        )
    session = table["session_id"].astype(object).where(table["session_id"].notna(), None)
    own = [
        f"{speaker}\n{where}" if where is not None else f"{speaker}\n?{clip}"
        for speaker, where, clip in zip(table["label"], session, table["recording_id"], strict=True)
    ]
    table["visit"] = units(table.assign(group_id=own)).astype(object)
    table["known"] = session.notna().groupby(table["visit"]).transform("any")
    return table, {TWO_NAMES: gone} if gone else {}


def _listed(table: Table) -> pd.Series[str]:
    hint = table["subset_hint"].astype(object).where(table["subset_hint"].notna(), None)
    if hint.isna().all():
        raise ValueError(
            "split_closed.by is listed, and the corpus names no split (no subset_hint): "
            "set it to session or utterance"
        )
    # of copies the one that trains is kept
    place = hint.map({name: k for k, name in enumerate(SUBSETS)})
    copies = place.notna() & (place > place.groupby(table["sha256"]).transform("min"))
    for mask, what in ((hint.isna(), "the corpus's split does not list them"),
                       (copies, "a copy lies in an earlier subset")):  # fmt: skip
        if mask.any():
            told = some(table.loc[mask, "recording_id"])
            logger.warning("%d recordings are left out, %s: %s", int(mask.sum()), what, told)
    return hint.where(~copies, None)


def _first(labels: pd.Series[str], n: int | None) -> list[str]:
    speakers = sorted(set(labels))
    if len(speakers) < max(2, n or 0):
        raise ValueError(
            f"{len(speakers)} speakers have clips for train and test, and "
            + (
                "a classifier takes two at least"
                if n is None
                else f"split_closed.n_speakers is {n}: give {len(speakers)} or fewer, or none"
            )
        )
    return speakers[:n]


def _conditions(table: Table) -> pd.Series[str]:
    train = table[table["subset"] == "train"]
    # a train clip of an unknown session may be of any session of its speaker
    unsure = set(train.loc[~train["known"].astype(bool), "label"])
    other = np.where(table["label"].isin(unsure), "unknown", "across_sessions")
    known = np.where(table["visit"].isin(set(train["visit"])), "same_session", other)
    held_out = np.where(table["known"], known, "unknown")
    found = np.where(table["subset"] == "train", "train", held_out)
    return pd.Series(found, table.index, dtype="str")


def _facts(
    table: Table,
    condition: pd.Series[str],
    params: SplitClosedParams,
    seed: int,
    left_out: dict[str, list[str]],
) -> Metrics:
    visits = table[table["known"]].groupby("label")["visit"].nunique()
    several = int((visits > 1).sum())
    n_speakers = int(table["label"].nunique())
    tested = condition[table["subset"] == "test"]
    if not (tested == "across_sessions").any():
        why = (
            "nobody has two known sessions"
            if several == 0
            else f"the split by {params.by} leaves none"
        )
        logger.warning(
            "no test clip is known to be of a session that training does not hear (%s): every "
            "accuracy below is that of heard, or unknown, sessions, and flatters", why,
        )  # fmt: skip
    elif params.by == "session" and several < n_speakers:
        logger.warning(
            "%d of %d speakers have fewer than two known sessions and are split by clip",
            n_speakers - several, n_speakers,
        )  # fmt: skip
    return {
        "by": params.by,
        "seed": seed,
        "resplit": params.resplit,
        "n_speakers": n_speakers,
        "n_several_sessions": several,
        "test_clips": {name: int((tested == name).sum()) for name in CONDITIONS},
        "left_out": left_out,
    }
