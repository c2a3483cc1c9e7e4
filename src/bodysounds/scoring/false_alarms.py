"""False alarms an hour: events where nothing was to be heard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from bodysounds.scoring.events import Event, EventRules, Frame, events_of
from bodysounds.types import Metrics, Table

PREFIX = "p_"


def false_alarms(
    predictions: Table,
    examples: Table,
    rules: EventRules,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> Metrics:
    """Return how often one system hears an event in recordings of the quiet label, end to end.

    Parameters
    ----------
    predictions : Table
        Of one system: segment_id, subset, condition, label, p_<class>, and abstained where it can.
        Rows of test with the label `rules.quiet` count, but for condition heard_source.
    examples : Table
        segment_id, recording_id, session_id (the source), start_s, end_s.
    rules : EventRules
    level : float
        Of the interval.
    seed : int
        Orders the recordings by a hash, so that those of a source are not in one row, where their
        alarms would be one.

    Returns
    -------
    alarms : dict
        n_events, hours (of sound, an overlap of windows once), per_hour, per_hour_ci95 (named by
        `level`; exact for a Poisson count, Garwood 1936: it takes events to be independent, which
        those of a source are not), time_share (of the sound that lies in an event: an alarm that
        never ends is one event only), by_label {label: events}, n_windows, n_recordings, n_sources.

    Raises ValueError where no window counts and for a segment that is no example.
    """
    from scipy.stats import chi2

    counted = predictions[
        (predictions["subset"] == "test")
        & (predictions["label"] == rules.quiet)
        & (predictions["condition"] != "heard_source")
    ]
    if not len(counted):
        raise ValueError(f"no test window of {rules.quiet!r} was predicted: no alarm can be false")
    if counted["segment_id"].duplicated().any():
        raise ValueError("predictions must be of one system: a segment stands there twice")
    places = ["segment_id", "recording_id", "session_id", "start_s", "end_s"]
    rows = counted.merge(examples[places], on="segment_id", how="left")
    if rows["start_s"].isna().any():
        name = rows.loc[rows["start_s"].isna(), "segment_id"].iloc[0]
        raise ValueError(f"segment {name!r} is no example: give the examples that were predicted")
    frames, seconds = _end_to_end(rows, seed)
    events = events_of(frames, rules)
    n, hours = len(events), seconds / 3600
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * n) / 2 if n else 0.0
    high = chi2.ppf(1 - tail, 2 * n + 2) / 2
    labels = sorted(str(c).removeprefix(PREFIX) for c in rows if str(c).startswith(PREFIX))
    return {
        "n_events": n,
        "hours": hours,
        "per_hour": n / hours,
        f"per_hour_ci{100 * level:g}": [float(low / hours), float(high / hours)],
        "time_share": _covered(events) / seconds,
        "by_label": {
            label: sum(event.label == label for event in events)
            for label in labels
            if label != rules.quiet
        },
        "n_windows": len(rows),
        "n_recordings": int(rows["recording_id"].nunique()),
        "n_sources": int(rows["session_id"].nunique()),
    }


def _covered(events: Iterable[Event]) -> float:
    """Return the seconds that lie in one event or several."""
    covered = until = 0.0
    for event in sorted(events, key=lambda event: event.onset_s):
        covered += max(0.0, event.offset_s - max(event.onset_s, until))
        until = max(until, event.offset_s)
    return covered


def _end_to_end(rows: Table, seed: int) -> tuple[list[Frame], float]:
    """Return the frames of the recordings, one recording behind the other, and their seconds.

    Between windows of a recording that are not next to one another nothing is heard, and no time
    passes.
    """
    columns = [name for name in map(str, rows.columns) if name.startswith(PREFIX)]
    labels = [name.removeprefix(PREFIX) for name in columns]
    order = rows["recording_id"].map(
        lambda name: hashlib.sha256(f"{seed}\n{name}".encode()).hexdigest()
    )
    own = rows.assign(order=order).sort_values(["order", "start_s", "segment_id"])
    unsure = own["abstained"].to_numpy(bool) if "abstained" in own else np.zeros(len(own), bool)
    spans = zip(own["order"], own["start_s"], own["end_s"], strict=True)
    frames: list[Frame] = []
    now, last, shift = 0.0, None, 0.0
    table = own[columns].to_numpy(np.float64)
    for number, (recording, start, end) in enumerate(spans):
        if recording != last:
            last, shift = recording, now - start
        elif start + shift > now:
            shift = now - start
        probabilities = dict(zip(labels, map(float, np.clip(table[number], 0, 1)), strict=True))
        frames.append(Frame(start + shift, end + shift, probabilities, bool(unsure[number])))
        now = max(now, end + shift)
    return frames, now
