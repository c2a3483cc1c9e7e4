"""Windows of train sources that are held out beside the test sources: what a leak would claim."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bodysounds.splitting.hashed import hashed_order
from bodysounds.types import Table

TRAIN, HEARD, OVERLAPS = "train", "heard", "overlaps"


def hold_out_heard(windows: Table, share: float, seed: int) -> pd.Series[str]:
    """Return `train`, `heard` or `overlaps` for each train window, in the table's order.

    Of each class `share` of the windows become `heard`, drawn by a hash of seed and name, from
    sources that keep another window of that class to train on. What shares time with one of
    them, in that recording or a copy of it (sha256), is `overlaps` and serves nothing: what is
    heard is the source, never the sound.

    Parameters
    ----------
    windows : Table
        segment_id, sha256, source, label, start_s, end_s.
    """
    state = np.full(len(windows), TRAIN, dtype=object)
    ids = windows["segment_id"].tolist()
    at = {name: k for k, name in enumerate(ids)}
    content = windows["sha256"].to_numpy(object)
    start, end = windows["start_s"].to_numpy(float), windows["end_s"].to_numpy(float)
    numbered = windows.assign(row=np.arange(len(windows)))
    beside = {key: own.to_numpy() for key, own in numbered.groupby(["source", "label"])["row"]}
    same = {key: own.to_numpy() for key, own in numbered.groupby("sha256")["row"]}
    source, label = windows["source"].tolist(), windows["label"].tolist()
    wanted = (windows["label"].value_counts() * share).round().astype(int).to_dict()
    for name in hashed_order(ids, seed):
        row = at[name]
        if state[row] != TRAIN or not wanted[label[row]]:
            continue
        others = beside[source[row], label[row]]
        shares_time = (start[others] < end[row]) & (end[others] > start[row])
        clash = (content[others] == content[row]) & shares_time
        if not (~clash & (state[others] == TRAIN)).any():
            continue
        copies = same[content[row]]
        hit = copies[(start[copies] < end[row]) & (end[copies] > start[row])]
        state[hit[state[hit] == TRAIN]] = OVERLAPS
        state[row] = HEARD
        wanted[label[row]] -= 1
    return pd.Series(state, windows.index, dtype="str")
