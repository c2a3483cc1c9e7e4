"""Which pairs of sides are compared, and what is known of each pair."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.corpora.base import some, unknown_ids
from bodysounds.params import SplitParams
from bodysounds.splitting.builders import draw_negatives
from bodysounds.splitting.drawn_pairs import drawn_pairs, target_pairs
from bodysounds.splitting.pairs import Pairs, all_pairs, keep_targets, session_condition
from bodysounds.splitting.side_keys import SideKeys, side_keys
from bodysounds.splitting.trial_audit import TrialAudit, audit_trials
from bodysounds.types import Table

logger = logging.getLogger(__name__)


def make_trials(
    sides: Table, manifest: Table, subsets: Table, listed_trials: Table, params: SplitParams
) -> Table:
    """Return trial_id, enrol_id, test_id, target (Int64), subset (dev, test) and condition.

    Where the corpus lists trials for a subset, those; else pairs of its sides: enrol_session x
    test_session where set, unordered pairs otherwise, within one domain where set. Sides of unknown
    subjects make no pair, and groups no non-target within themselves; split.negatives says which
    non-targets are taken. target is 1 for one subject. condition is `same_session` for one subject
    in one known session (or, where sessions are unknown, recorded less than session_gap_s apart),
    `unknown` where neither sessions nor times are known of it, else `across_sessions`. Listed
    trials that repeat a pair or compare a side with itself would bias the rates: where they have a
    label they are left out, and logged. Raises ValueError for listed trials of unknown sides,
    across subsets, that label one pair 1 and 0 or two sides of one known subject 0, and for a dev
    without both target and non-target pairs; a test without targets is logged.
    """
    keys = side_keys(sides, manifest, subsets)
    listed = _positions(_sound(listed_trials, keys), keys)
    tables = []
    for subset in ("dev", "test"):
        if (listed_trials["subset"] == subset).any():
            rows = listed[listed["subset"] == subset]
            tables.append(_listed(rows, keys, subset, params))
        else:
            tables.append(_generated(keys, subset, params))
        _judge(tables[-1], subset, manifest, subsets)
    return pd.concat(tables, ignore_index=True)


def _generated(keys: SideKeys, subset: str, params: SplitParams) -> Table:
    if params.negatives != "all":
        pairs = _chosen(keys, subset, params)
    elif params.max_trials is not None:
        pairs = drawn_pairs(keys, subset, params, params.max_trials)
    else:
        pairs = all_pairs(keys, subset, params)
    target = keys.subject[pairs.enrol] == keys.subject[pairs.test]
    enrol, test = keys.ids[pairs.enrol], keys.ids[pairs.test]
    return _table(
        keys,
        pairs,
        ids=[f"{a}~{b}" for a, b in zip(enrol, test, strict=True)],
        target=pd.Series(target.astype(np.int64), dtype="Int64"),
        subset=subset,
        gap_s=params.session_gap_s,
    )


def _chosen(keys: SideKeys, subset: str, params: SplitParams) -> Pairs:
    """Return all target pairs and the non-target pairs that are drawn, as `all_pairs` has them."""
    targets = target_pairs(keys, subset, params)
    others = draw_negatives(keys, subset, params, len(targets.enrol))
    enrol, test = (np.concatenate(both) for both in zip(targets, others, strict=True))
    order = np.lexsort((test, enrol))
    if params.max_trials is not None:
        target = order < len(targets.enrol)
        order = order[keep_targets(target, params.max_trials, params.seed, subset)]
    return Pairs(enrol[order], test[order])


def _listed(rows: Table, keys: SideKeys, subset: str, params: SplitParams) -> Table:
    pairs = Pairs(rows["enrol"].to_numpy(), rows["test"].to_numpy())
    outside = (keys.subset[pairs.enrol] != subset) | (keys.subset[pairs.test] != subset)
    if outside.any():
        raise ValueError(
            f"{int(outside.sum())} of the {subset} trials that the corpus lists compare sides "
            f"outside {subset}, first {rows['trial_id'][outside].iloc[0]}: mark their recordings "
            f"{subset} in the corpus's split, or take those trials out"
        )
    target = rows["target"].reset_index(drop=True)
    ids = rows["trial_id"].tolist()
    gap_s = params.session_gap_s
    return _table(keys, pairs, ids=ids, target=target, subset=subset, gap_s=gap_s)


def _table(
    keys: SideKeys,
    pairs: Pairs,
    *,
    ids: list[str],
    target: pd.Series[int],
    subset: str,
    gap_s: float,
) -> Table:
    told = session_condition(keys, pairs, gap_s)
    is_target: npt.NDArray[np.bool_] = target.fillna(0).to_numpy(dtype=np.int64) == 1
    return pd.DataFrame(
        {
            "trial_id": pd.Series(ids, dtype="str"),
            "enrol_id": pd.Series(keys.ids[pairs.enrol], dtype="str"),
            "test_id": pd.Series(keys.ids[pairs.test], dtype="str"),
            "target": target,
            "subset": pd.Series(subset, range(len(ids)), dtype="str"),
            "condition": pd.Series(np.where(is_target, told, "across_sessions"), dtype="str"),
        }
    )


def _sound(listed: Table, keys: SideKeys) -> Table:
    """Return the listed trials that can be used, and log a line for each finding of their audit."""
    known = keys.subject >= 0
    subjects = dict(zip(keys.ids[known], keys.subject[known].astype(str), strict=True))
    audit = audit_trials(listed, keys.ids, subjects)
    if audit.count("unknown_side"):
        known_ids = pd.Index(keys.ids)
        unknown = (set(listed["enrol_id"]) | set(listed["test_id"])) - set(known_ids)
        raise ValueError(
            f"the listed trials name {len(unknown)} sides that are not there: "
            f"{unknown_ids(unknown, known_ids)}; sides are called like {some(known_ids, 1)}"
        )
    if audit.count("contradictory"):
        raise ValueError(f"{audit.sentence('contradictory')}: correct the list or take them out")
    _refuse_one_subject(listed, audit)
    labelled = listed["target"].notna().to_numpy()
    biased = (audit.marks["repeated"] | audit.marks["self_trial"]) & labelled
    for finding, what_follows in (
        ("contrary_to_subjects", "the list is believed"),
        ("self_trial", "those with a label are left out"),
        ("repeated", "those with a label are left out"),
        ("both_orders", "both are kept, as they are listed"),
    ):
        if audit.count(finding):
            logger.warning("%s: %s", audit.sentence(finding), what_follows)
    return listed[~biased]


def _refuse_one_subject(listed: Table, audit: TrialAudit) -> None:
    """Refuse non-targets within one subject: intervals, which draw subjects, have no use for them.

    The other way round two names may be one subject, and the list is believed.
    """
    marked = audit.marks["contrary_to_subjects"] & ~audit.marks["self_trial"]
    wrong = listed[marked & (listed["target"] == 0).fillna(False).to_numpy(dtype=bool)]
    if len(wrong):
        first = wrong.iloc[0]
        raise ValueError(
            f"{len(wrong)} of {len(listed)} listed trials are labelled non-target and compare two "
            f"sides of one subject, first {first['trial_id']} ({first['enrol_id']} and "
            f"{first['test_id']}): correct the label or the subjects, or take those trials out"
        )


def _positions(listed: Table, keys: SideKeys) -> Table:
    """Return trial_id, target and subset of listed trials, and their sides as positions in keys."""
    repeated = listed["trial_id"].duplicated()
    if repeated.any():
        raise ValueError(f"trial_id must be unique, {some(listed['trial_id'][repeated])} repeat")
    known = pd.Index(keys.ids)
    found = listed[["trial_id", "target", "subset"]].reset_index(drop=True)
    return found.assign(
        enrol=known.get_indexer(pd.Index(listed["enrol_id"])),
        test=known.get_indexer(pd.Index(listed["test_id"])),
    )


def _judge(trials: Table, subset: str, manifest: Table, subsets: Table) -> None:
    n_target, n_other = (int((trials["target"] == value).sum()) for value in (1, 0))
    lacking = [n for n, count in (("target", n_target), ("non-target", n_other)) if not count]
    if not lacking:
        return
    said = (
        f"{subset} has no {' and no '.join(lacking)} pair among its {len(trials)} trials "
        "(a target pair is two sides of one subject)"
    )
    if subset == "dev":
        way_out = _way_to_dev(manifest, subsets)
        raise ValueError(f"{said}, so no threshold can be chosen: {way_out}")
    if trials["target"].notna().all():
        logger.warning("%s: it cannot be scored", said)


def _way_to_dev(manifest: Table, subsets: Table) -> str:
    """Return what can be done for a dev that lacks pairs: who is missing, or what to change."""
    subset = manifest["recording_id"].map(subsets.set_index("recording_id")["subset"])
    subject = manifest["subject_id"]
    n_subjects, n_dev = subject.nunique(), subject[subset == "dev"].nunique()
    marked = (subset == "test") & (manifest["subset_hint"] == "test")
    n_taken = subject[marked].nunique()
    if n_taken and n_dev < 2 and n_subjects - n_taken < 4:
        return (
            f"the trial list or the table takes {n_taken} of {n_subjects} subjects for test, which "
            f"leaves {n_subjects - n_taken} for train and dev, and two each are needed; leave some "
            "subjects out of the list to train, and name others dev (column subset of the list, or "
            "column split of the table)"
        )
    few = (
        f"there are {n_subjects} subjects, and at least 6 are needed, two each for train, dev and "
        "test; with enough of them "
    )
    return few * (n_subjects < 6) + (
        "raise split.dev_share, change split.seed, give dev subjects with two recordings, or check "
        "enrol_session, test_session and within_domain"
    )
