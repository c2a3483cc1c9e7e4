"""What was made to grow no faster than its tables gives what the plain code gave."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bodysounds.params.split_closed import SplitClosedParams
from bodysounds.reporting.shortcuts import side_properties
from bodysounds.splitting.closed_set import closed_split
from bodysounds.splitting.deal import deal
from bodysounds.splitting.hashed import hashed_order


def by_side(values: pd.Series) -> str:
    return "+".join(sorted({str(value) for value in values.dropna()}))


def test_categories_of_sides_are_the_sorted_set_of_their_recordings():
    rng = np.random.default_rng(0)
    n = 300
    manifest = pd.DataFrame(
        {
            "recording_id": [f"r{k}" for k in range(n)],
            "sample_rate": rng.choice([8_000, 16_000, 44_100], n),
            "codec": rng.choice(["wav", "3gp", "Opus", "ö"], n),
            "domain": pd.Series(rng.choice(["phone", "desk", ""], n)).replace("", None),
        }
    )
    sides = pd.DataFrame(
        {"side_id": [f"s{k}" for k in rng.integers(0, 90, n)],
         "recording_id": manifest["recording_id"]}
    )  # fmt: skip
    segments = manifest[["recording_id"]].assign(segment_id=manifest["recording_id"])
    numbers = dict.fromkeys(
        ("duration_s", "level_dbfs", "peak_dbfs", "noise_floor_dbfs", "bandwidth_hz"), 1.0
    )
    descriptors = segments[["segment_id"]].assign(**numbers)
    _, found = side_properties(sides, manifest, descriptors, segments)
    about = sides.merge(manifest, on="recording_id")
    for name in ("sample_rate", "codec", "domain"):
        wanted = {side: by_side(own[name]) for side, own in about.groupby("side_id")}
        assert found[name].to_dict() == wanted
    assert (found["domain"] == "").any()
    assert found["codec"].str.contains("+", regex=False).any()


def plain_labels(table: pd.DataFrame) -> dict[str, list[str]]:
    return {str(unit): sorted(set(own)) for unit, own in table.groupby("unit")["label"]}


def test_each_unit_is_dealt_to_the_part_that_lacks_most_of_its_share():
    """Replays the deal by its rule, over labels gathered unit by unit."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        {
            "unit": [f"u{k}" for k in rng.integers(0, 80, 240)],
            "label": rng.choice(["a", "b", "c"], 240, p=[0.6, 0.3, 0.1]),
            "family": rng.choice(["x", "y"], 240),
        }
    )
    shares = {"train": 0.7, "dev": 0.1, "test": 0.2}
    labels_of = plain_labels(table)
    n_units = table.groupby("label")["unit"].nunique()
    order = sorted(n_units.index, key=lambda label: (n_units[label], label))
    place = {unit: k for k, unit in enumerate(hashed_order(labels_of, 3))}
    family = {unit: min(own["family"]) for unit, own in table.groupby("unit")}
    turn = {name: k for k, name in enumerate(hashed_order({"x", "y"}, 3))}
    dealt: dict[str, str] = {}
    for label in order:
        own = [u for u, labels in labels_of.items() if min(labels, key=order.index) == label]
        for unit in sorted(own, key=lambda u: (turn[family[u]], place[u])):
            of_label = [dealt[u] for u in dealt if label in labels_of[u]]
            lacking = {
                part: round(share * (len(of_label) + 1) - of_label.count(part), 9)
                for part, share in shares.items()
            }
            dealt[unit] = max(shares, key=lacking.__getitem__)
    assert deal(table, shares, 3) == dealt
    assert deal(table.sample(frac=1, random_state=0), shares, 3) == dealt


def counts(n: int, test_size: float, val_size: float) -> tuple[int, int]:
    n_test = min(max(1, round(test_size * n)), n - 1) if test_size > 0 else 0
    n_dev = min(max(1, round(val_size * n)), n - 1 - n_test) if val_size > 0 else 0
    return n_test, n_dev


def plain_deal(part: pd.DataFrame, params: SplitClosedParams, seed: int) -> dict[str, str]:
    """The subsets of a speaker's clips by boolean masks; a copy of a file is of its session."""
    subset = pd.Series("train", part.index)
    test_size = 1 - params.train_size - params.val_size
    visits = hashed_order(part["visit"], seed)
    rest, wanted = part, (test_size, params.val_size)
    if params.by == "session" and len(visits) > 1:
        n_test, n_dev = counts(len(visits), test_size, params.val_size)
        subset[part["visit"].isin(visits[:n_test])] = "test"
        subset[part["visit"].isin(visits[n_test : n_test + n_dev])] = "dev"
        rest = part[subset == "train"]
        wanted = params.heard_share, 0.0 if n_dev else params.val_size
    clips = hashed_order(rest["sha256"], seed)
    if (params.by != "session" or len(visits) < 2) and len(clips) < 2:
        return {}
    n_test, n_dev = counts(len(clips), *wanted)
    for name, chosen in (("test", clips[:n_test]), ("dev", clips[n_test : n_test + n_dev])):
        subset[rest.index[rest["sha256"].isin(chosen)]] = name
    return dict(zip(part["recording_id"], subset, strict=True))


@pytest.mark.parametrize("by", ["session", "utterance"])
def test_a_closed_set_is_dealt_speaker_by_speaker(by):
    rng = np.random.default_rng(2)
    n = 400
    speaker = rng.integers(0, 60, n)
    manifest = pd.DataFrame(
        {
            "recording_id": [f"r{k:03d}" for k in range(n)],
            "subject_id": [f"s{k:02d}" for k in speaker],
            "session_id": [f"{who:02d}-{rng.integers(4)}" for who in speaker],
            "sha256": [f"h{k}" for k in range(n)],
            "subset_hint": pd.Series(np.nan, range(n), dtype="str"),
        }
    )
    params = SplitClosedParams(by=by)
    subsets, _ = closed_split(manifest, params, 7)
    wanted: dict[str, str] = {}
    for who, part in manifest.groupby("subject_id"):
        visit = who + "\n" + part["session_id"]
        wanted |= plain_deal(part.assign(visit=visit), params, 7)
    assert dict(zip(subsets["recording_id"], subsets["subset"], strict=True)) == wanted
    assert set(wanted.values()) == {"train", "dev", "test"}


def test_a_table_hashed_in_parts_is_the_table_hashed_whole(monkeypatch):
    from bodysounds.training import checkpoints

    table = pd.DataFrame(
        {
            "name": pd.Series([f"n{k % 7}" for k in range(100)], dtype="str"),
            "maybe": pd.Series([None, "x"] * 50, dtype="str"),
            "number": np.arange(100) % 13,
            "target": pd.Series([1, 0, None, 1] * 25, dtype="Int64"),
        }
    )
    whole = pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()
    monkeypatch.setattr(checkpoints, "ROWS", 9)
    assert checkpoints._table_bytes(table) == b"name,maybe,number,target" + whole
    assert checkpoints._table_bytes(table.iloc[:0]) == b"name,maybe,number,target"
