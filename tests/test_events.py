"""Events in a stream of frames, and false alarms an hour."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

from bodysounds.scoring.events import (
    Event,
    EventRules,
    EventState,
    Frame,
    events_of,
    finish,
    ongoing,
    step,
)
from bodysounds.scoring.false_alarms import false_alarms
from bodysounds.scoring.frames import frames, unusable

RULES = EventRules(onset=0.6, offset=0.4)


def stream(probabilities: list[float], label: str = "crying", hop: float = 1.0) -> list[Frame]:
    return [
        Frame(k * hop, k * hop + 1.0, {label: p, "normal": 1 - p})
        for k, p in enumerate(probabilities)
    ]


def told(events: list[Event]) -> list[tuple[str, float, float]]:
    return [(event.label, event.onset_s, event.offset_s) for event in events]


def test_only_the_standard_library_is_imported() -> None:
    code = (
        "import sys; import bodysounds.scoring.events\n"
        "own = {n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)\n"
        "assert not {'numpy', 'pandas', 'torch', 'kedro'} & own, own"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("clip_s", [0.1, 0.7, 0.975, 1.9])
def test_frames_that_touch_are_one_event_whatever_seconds_round_to(clip_s: float) -> None:
    starts, _ = frames(np.zeros(round(clip_s * 16_000) * 100), 16_000, clip_s, clip_s)
    ends = starts + clip_s
    assert (starts[1:] > ends[:-1]).any()  # by rounding alone
    heard = [Frame(float(a), float(b), {"crying": 1.0}) for a, b in zip(starts, ends, strict=True)]
    assert len(events_of(heard, RULES)) == 1
    apart = [*heard[:50], *heard[51:]]
    assert len(events_of(apart, RULES)) == 2


def test_hysteresis_holds_an_event_through_a_dip() -> None:
    events = events_of(stream([0.1, 0.7, 0.5, 0.45, 0.8, 0.3, 0.5, 0.1]), RULES)
    assert told(events) == [("crying", 1.0, 5.0)]
    assert events[0].confidence == pytest.approx((0.7 + 0.5 + 0.45 + 0.8) / 4)
    # without it the dip is the end, and 0.5 never begins one
    flat = events_of(stream([0.1, 0.7, 0.5, 0.45, 0.8, 0.3, 0.5, 0.1]), replace(RULES, offset=0.6))
    assert told(flat) == [("crying", 1.0, 2.0), ("crying", 4.0, 5.0)]


def test_short_gaps_are_merged_and_short_events_dropped() -> None:
    spoken = stream([0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9])
    assert told(events_of(spoken, RULES)) == [
        ("crying", 0.0, 1.0), ("crying", 2.0, 3.0), ("crying", 6.0, 7.0)
    ]  # fmt: skip
    merged = events_of(spoken, replace(RULES, merge_s=1.0))
    assert told(merged) == [("crying", 0.0, 3.0), ("crying", 6.0, 7.0)]
    assert merged[0].confidence == pytest.approx(0.9)
    assert told(events_of(spoken, replace(RULES, merge_s=1.0, min_s=1.5))) == [("crying", 0.0, 3.0)]


def test_labels_are_apart_and_quiet_is_none() -> None:
    both = [Frame(k, k + 1, {"crying": 0.7, "screaming": 0.8, "normal": 1.0}) for k in range(3)]
    assert told(events_of(both, RULES)) == [("crying", 0, 3), ("screaming", 0, 3)]


def test_a_gap_in_the_stream_ends_an_event() -> None:
    state = EventState(RULES)
    for frame in stream([0.9, 0.9]):
        state, closed = step(state, frame)
        assert closed == []
    assert told(ongoing(state)) == [("crying", 0.0, 2.0)]
    state, closed = step(state, Frame(30.0, 31.0, {"crying": 0.9}))
    assert told(closed) == [("crying", 0.0, 2.0)]
    assert told(finish(state)) == [("crying", 30.0, 31.0)]


def test_an_unsure_frame_begins_nothing_but_goes_on() -> None:
    spoken = stream([0.9, 0.9, 0.9])
    unsure = [replace(spoken[0], unsure=True), spoken[1], replace(spoken[2], unsure=True)]
    assert told(events_of(unsure, RULES)) == [("crying", 1.0, 3.0)]
    nothing = [Frame(0.0, 1.0, {}, True), Frame(1.0, 2.0, {"crying": 0.9})]
    assert told(events_of(nothing, RULES)) == [("crying", 1.0, 2.0)]


def slow_events(spoken: list[Frame], rules: EventRules) -> list[tuple[str, float, float]]:
    """All frames of a label at once: mark, join, merge, drop."""
    found = []
    for label in {name for frame in spoken for name in frame.probabilities} - {rules.quiet}:
        runs: list[list[float]] = []
        on = False
        for frame in spoken:
            p = frame.probabilities.get(label, 0.0)
            if on and runs and frame.start_s - runs[-1][1] > rules.merge_s:
                on = False
            was, on = on, p >= (rules.offset if on else rules.onset)
            if on and was:
                runs[-1][1] = frame.end_s
            elif on:
                runs.append([frame.start_s, frame.end_s])
        joined: list[list[float]] = []
        for start, end in runs:
            if joined and start - joined[-1][1] <= rules.merge_s:
                joined[-1][1] = end
            else:
                joined.append([start, end])
        found += [(label, a, b) for a, b in joined if b - a >= rules.min_s]
    return sorted(found, key=lambda one: (one[1], one[0]))


@pytest.mark.parametrize("seed", range(30))
def test_step_by_step_is_all_at_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.uniform(0.2, 0.8, 2))
    rules = EventRules(high, low, float(rng.integers(0, 4)), float(rng.choice([0, 0.5, 2.0])))
    starts = np.cumsum(rng.choice([0.5, 1.0, 4.0], 80, p=[0.6, 0.3, 0.1]))
    values = rng.dirichlet([0.5, 0.5, 0.5], 80)
    names = ("crying", "normal", "screaming")
    spoken = [
        Frame(float(t), float(t) + 1.0, dict(zip(names, map(float, row), strict=True)))
        for t, row in zip(starts, values, strict=True)
    ]
    assert told(events_of(spoken, rules)) == slow_events(spoken, rules)


def test_the_state_is_plain_json_and_can_be_taken_up_again() -> None:
    spoken = stream([0.9, 0.9, 0.1, 0.9, 0.2, 0.2, 0.9], hop=0.5)
    rules = replace(RULES, merge_s=0.6)
    state, events = EventState(rules), []
    for frame in spoken:
        state, closed = step(state, frame)
        again = json.loads(json.dumps(asdict(state)))
        assert again["last_start_s"] == frame.start_s
        assert len(again["tracks"]) <= 1
        events += closed
    assert events + finish(state) == events_of(spoken, rules)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Frame(0.0, 1.0, {"crying": float("nan")}), "'crying' is nan"),
        (Frame(0.0, 1.0, {"crying": 1.2}), r"lies in \[0, 1\]"),
        (Frame(1.0, 1.0, {}), "must end after its start"),
        (Frame(0.0, float("inf"), {}), "must end after its start"),
    ],
)
def test_bad_frames_are_refused(wrong: Frame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        step(EventState(RULES), wrong)


def test_frames_come_in_order_and_rules_have_bounds() -> None:
    state, _ = step(EventState(RULES), Frame(5.0, 6.0, {}))
    with pytest.raises(ValueError, match=r"starts at 4.0 s came after one at 5.0 s"):
        step(state, Frame(4.0, 5.0, {}))
    with pytest.raises(ValueError, match=r"offset=0\.7 and onset=0\.6"):
        EventRules(0.6, 0.7)
    with pytest.raises(ValueError, match="merge_s must be a number of seconds"):
        EventRules(merge_s=-1.0)


def quiet_table(n: int, alarms: dict[int, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Recordings of two windows that overlap by half; of those in alarms both are loud."""
    rows = [
        {
            "segment_id": f"r{k:03d}#{w}", "recording_id": f"r{k:03d}", "session_id": f"s{k // 2}",
            "start_s": 3 + 2.5 * w, "end_s": 8 + 2.5 * w, "label": "normal", "subset": "test",
            "condition": "unseen_source", "p_crying": alarms.get(k, 0.05),
            "p_normal": 1 - alarms.get(k, 0.05), "p_screaming": 0.0,
        }
        for k in range(n) for w in range(2)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    places = ["segment_id", "recording_id", "session_id", "start_s", "end_s"]
    return table.drop(columns=places[1:]), table[places]


def test_false_alarms_are_events_over_hours_of_sound() -> None:
    told, places = quiet_table(240, {7: 0.9, 100: 0.7, 200: 0.5})
    found = false_alarms(told, places, RULES)
    # two windows of 5 s that share 2.5 s are 7.5 s, and 240 recordings half an hour
    assert found["hours"] == pytest.approx(0.5)
    assert found["n_events"] == 2
    assert found["per_hour"] == pytest.approx(4.0)
    assert found["by_label"] == {"crying": 2, "screaming": 0}
    assert found["time_share"] == pytest.approx(2 * 7.5 / 1800)
    low, high = (value * 0.5 for value in found["per_hour_ci95"])
    assert poisson.sf(1, low) == pytest.approx(0.025, abs=1e-6)
    assert poisson.cdf(2, high) == pytest.approx(0.025, abs=1e-6)
    assert (found["n_windows"], found["n_recordings"], found["n_sources"]) == (480, 240, 120)
    mixed = false_alarms(told.sample(frac=1, random_state=0), places.iloc[::-1], RULES)
    assert mixed == found


def test_an_alarm_that_never_ends_is_one_event_and_all_of_the_time() -> None:
    told, places = quiet_table(20, dict.fromkeys(range(20), 0.9))
    always = false_alarms(told, places, RULES)
    assert (always["n_events"], always["time_share"]) == (1, pytest.approx(1.0))
    both = false_alarms(told.assign(p_screaming=0.9), places, RULES)
    assert (both["n_events"], both["time_share"]) == (2, pytest.approx(1.0))


def test_only_unheard_quiet_test_windows_count() -> None:
    told, places = quiet_table(10, dict.fromkeys(range(10), 0.9))
    none = false_alarms(told.assign(p_crying=0.0), places, RULES)
    assert none["n_events"] == 0
    assert none["per_hour_ci95"][0] == 0
    assert none["per_hour_ci95"][1] > 0
    told.loc[:9, "condition"] = "heard_source"
    told.loc[10:15, "label"] = "crying"
    told.loc[16:17, "subset"] = "dev"
    left = false_alarms(told, places, RULES)
    assert (left["n_windows"], left["n_events"]) == (2, 1)
    assert left["hours"] == pytest.approx(7.5 / 3600)
    assert false_alarms(told.assign(abstained=True), places, RULES)["n_events"] == 0
    with pytest.raises(ValueError, match="no test window of 'normal'"):
        false_alarms(told.assign(subset="dev"), places, RULES)
    with pytest.raises(ValueError, match="of one system"):
        false_alarms(pd.concat([told, told]), places, RULES)
    with pytest.raises(ValueError, match="is no example"):
        false_alarms(told, places.iloc[:3], RULES)


def test_a_pause_between_windows_is_no_time() -> None:
    told, places = quiet_table(1, {0: 0.9})
    places.loc[1, ["start_s", "end_s"]] = [100.0, 105.0]
    found = false_alarms(told, places, RULES)
    assert found["hours"] == pytest.approx(10 / 3600)
    assert found["n_events"] == 1


@pytest.mark.parametrize("seconds", [0.3, 1.0, 1.7, 3.0, 3.01])
def test_frames_cover_all_of_a_waveform(seconds: float) -> None:
    rate = 100
    wave = np.arange(1, round(seconds * rate) + 1, dtype=np.float32)
    starts, clips = frames(wave, rate, 1.0, 0.5, "zeros")
    assert clips.shape == (len(starts), rate)
    assert clips.dtype == np.float32
    assert set(wave) <= set(clips.ravel())
    assert (np.diff(starts) <= 0.5 + 1e-9).all()
    for start, clip in zip(starts, clips, strict=True):
        own = wave[round(start * rate) :][:rate]
        assert np.array_equal(clip[: len(own)], own)


def test_a_short_waveform_is_filled_as_told() -> None:
    wave = np.float32([1, 2, 3])
    assert frames(wave, 10, 0.8, 0.4, "zeros")[1].tolist() == [[1, 2, 3, 0, 0, 0, 0, 0]]
    assert frames(wave, 10, 0.8, 0.4, "repeat")[1].tolist() == [[1, 2, 3, 1, 2, 3, 1, 2]]
    for wrong, message in (
        (np.zeros(0, np.float32), r"n > 0, got \(0,\)"),
        (np.zeros((2, 3), np.float32), r"got \(2, 3\)"),
        (np.float32([0, np.nan]), "sample 1 of the waveform is nan"),
    ):
        with pytest.raises(ValueError, match=message):
            frames(wrong, 10, 0.8, 0.4)
    with pytest.raises(ValueError, match="hop_s must be above 0"):
        frames(wave, 10, 0.8, 0.9)
    with pytest.raises(ValueError, match="short must be zeros or repeat"):
        frames(wave, 10, 0.8, 0.4, "drop")


def test_what_is_not_worth_an_answer() -> None:
    limits = {"min_s": 0.1, "silence_dbfs": -80.0, "clipped_share": 0.5}
    tone = np.float32(0.5 * np.sin(np.arange(16_000) / 5))
    assert unusable(tone, 16_000, limits) is None
    assert str(unusable(tone[:1000], 16_000, limits)).startswith("too short: 0.0625 s")
    assert unusable(0 * tone, 16_000, limits) == (
        "silent: its peak is digital zero, and it takes -80 dBFS"
    )
    assert str(unusable(1e-5 * tone, 16_000, limits)).startswith("silent: its peak is -106")
    assert unusable(1e-3 * tone, 16_000, limits) is None
    assert unusable(np.clip(2 * tone, -1, 1), 16_000, limits) is None
    assert str(unusable(np.clip(9 * tone, -1, 1), 16_000, limits)).startswith("clipped: 86%")
