"""Who is in a batch, and which samples a crop is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bodysounds.sides import SideTable
from bodysounds.training.crops import draw_window, join, read_crops
from bodysounds.training.sampler import Batch, deal, plan_epoch
from bodysounds.training.subjects import list_subjects


def side_table(sessions_of: list[list[object]], subset: str = "train") -> SideTable:
    """One list a subject, with the session of each of its sides; side k has spans of its own."""
    rows = [
        (f"side{s}_{k}", f"s{s:02d}", f"g{s:02d}", session, subset)
        for s, sessions in enumerate(sessions_of)
        for k, session in enumerate(sessions)
    ]
    columns = ["side_id", "subject_id", "group_id", "session_id", "subset"]
    table = pd.DataFrame(rows, columns=columns).assign(domain=np.nan, recorded_at=np.nan)
    spans = tuple(np.array([[100 * k, 100]]) for k in range(len(table)))
    return SideTable(table.assign(n_samples=100), spans)


def plan(table: SideTable, p: int = 4, k: int = 4, passes: int = 1, seed: int = 0) -> list[Batch]:
    rng = np.random.default_rng(seed)
    return plan_epoch(list_subjects(table), p, k, [0.5, 0.8], 16_000, passes, rng)


@pytest.mark.parametrize("n_subjects", [2, 3, 4, 8, 9, 11])
@pytest.mark.parametrize("passes", [1, 3])
def test_each_subject_is_drawn_once_a_pass_with_all_its_crops(n_subjects: int, passes: int) -> None:
    table = side_table([["B", "D"]] * n_subjects)
    batches = plan(table, passes=passes)
    labels = np.concatenate([batch.labels for batch in batches])
    assert np.bincount(labels).tolist() == [4 * passes] * n_subjects
    owners = table.table["subject_id"].str[1:].astype(int).to_numpy()
    for batch in batches:
        subjects, counts = np.unique(batch.labels, return_counts=True)
        assert 2 <= len(subjects) <= 5
        assert (counts == 4).all()
        assert (owners[batch.rows] == batch.labels).all()
    per_pass = len(batches) // passes
    first = np.concatenate([b.labels[::4] for b in batches[:per_pass]])
    assert sorted(first) == list(range(n_subjects))


def test_a_subject_left_alone_joins_the_batch_before() -> None:
    sizes = [len(b.labels) // 4 for b in plan(side_table([["B"]] * 9))]
    assert sizes == [4, 5]
    assert [len(b.labels) // 4 for b in plan(side_table([["B"]] * 10))] == [4, 4, 2]


def test_positives_cross_sessions_wherever_there_are_several() -> None:
    table = side_table([["B", "D"], ["B", "B", "B", "D"], ["B"], [np.nan, np.nan], ["B"] * 3])
    for seed in range(20):
        (batch,) = plan(table, p=8, seed=seed)
        for label, expected in enumerate([2, 2, 1, 2, 1]):
            rows = batch.rows[batch.labels == label]
            found = table.table.loc[rows, "session_id"].fillna(table.table.loc[rows, "side_id"])
            assert found.nunique() == expected
            if label < 2:
                assert sorted(found.value_counts()) == [2, 2]
        assert len(set(batch.rows[batch.labels == 4])) == 3  # one session: over its three sides


def test_dealing_takes_each_side_of_a_session_before_any_twice() -> None:
    sessions = (np.arange(5), np.array([9]))
    for seed in range(10):
        rows = deal(sessions, 10, np.random.default_rng(seed))
        assert sorted(rows) == [0, 1, 2, 3, 4, 9, 9, 9, 9, 9]


def test_the_seed_decides() -> None:
    table = side_table([["B", "D"]] * 9)
    first, again, other = (plan(table, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first, again, strict=True):
        assert (a.rows == b.rows).all()
        assert (a.lengths == b.lengths).all()
    assert any((a.rows != b.rows).any() for a, b in zip(first, other, strict=True))


def test_lengths_lie_within_the_bounds_in_steps_of_10_ms() -> None:
    batches = plan(side_table([["B"]] * 8), passes=200)
    assert all(len(set(b.lengths)) == 1 and b.lengths.shape == b.rows.shape for b in batches)
    lengths = {int(b.lengths[0]) for b in batches}
    assert min(lengths) == 8_000
    assert max(lengths) == 12_800
    assert all(length % 160 == 0 for length in lengths)


def test_only_known_subjects_of_train_are_listed() -> None:
    table = side_table([["B"], ["B"], ["B"]])
    table.table.loc[1, "subset"] = "dev"
    table.table.loc[2, "subject_id"] = np.nan
    assert list_subjects(table).ids == ("s00",)


SAMPLES = np.arange(1_000, dtype=np.int16)
SPANS = np.array([[100, 50], [300, 7], [500, 200], [900, 3]])


def test_a_window_is_a_stretch_of_whole_joined_segments() -> None:
    inside = np.concatenate([SAMPLES[a : a + n] for a, n in SPANS])
    starts, seen = set(), set()
    for seed in range(400):
        crop = join(SAMPLES, draw_window(SPANS, 120, np.random.default_rng(seed)))
        assert crop.shape == (120,)
        assert crop.dtype == np.int16
        assert len(set(crop.tolist())) == 120
        assert set(crop.tolist()) <= set(inside.tolist())
        for jump in np.flatnonzero(np.diff(crop) != 1):  # a segment ends, another begins
            assert crop[jump] in (149, 306, 699, 902)
            assert crop[jump + 1] in (100, 300, 500, 900)
        starts.add(int(crop[0]))
        seen |= set(crop.tolist())
    assert len(starts) > 80
    assert seen == set(inside.tolist())


def test_every_segment_is_taken_whole_where_the_window_fits_exactly() -> None:
    orders = set()
    for seed in range(50):
        crop = join(SAMPLES, draw_window(SPANS, 260, np.random.default_rng(seed)))
        assert sorted(crop) == sorted(np.concatenate([SAMPLES[a : a + n] for a, n in SPANS]))
        orders.add(tuple(crop[np.append(0, np.flatnonzero(np.diff(crop) != 1) + 1)]))
    assert len(orders) > 10


def test_a_short_side_wraps_around() -> None:
    spans = np.array([[10, 3], [40, 2]])
    for seed in range(20):
        crop = join(SAMPLES, draw_window(spans, 17, np.random.default_rng(seed)))
        assert (crop[5:] == crop[:-5]).all()
        assert sorted(crop[:5]) == [10, 11, 12, 40, 41]
    starts = {
        int(join(SAMPLES, draw_window(spans, 17, np.random.default_rng(s)))[0]) for s in range(60)
    }
    assert starts == {10, 11, 12, 40, 41}


def test_crops_come_from_the_sides_of_the_batch() -> None:
    table = side_table([["B"], ["B", "D"], ["B"]])
    batch = Batch(np.array([2, 0, 3]), np.array([1, 0, 2]), np.full(3, 60))
    crops = read_crops(SAMPLES, table, batch, np.random.default_rng(0))
    assert crops.shape == (3, 60)
    assert (crops // 100 == np.array([[2], [0], [3]])).all()
    assert (crops == read_crops(SAMPLES, table, batch, np.random.default_rng(0))).all()
