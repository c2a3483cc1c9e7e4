"""Results in a database: written once, or said to be out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from bodysounds.serving import tables
from bodysounds.serving.store import DatabaseGone, Store


def stream(store: Store, stream_id: str = "s") -> None:
    row = {"stream_id": stream_id, "run": "r", "spec": {}, "sample_rate": 16_000}
    row |= {"events": {}, "labels": ["a"], "model": "m", "opened_at": 0.0}
    store.run(lambda connection: connection.execute(insert(tables.streams).values(row)))


def window(number: int, label: str = "a", stream_id: str = "s") -> dict[str, Any]:
    row = {"stream_id": stream_id, "window": number, "start_s": 0.0, "end_s": 1.0, "label": label}
    return row | {"model": "m", "ready_at": 0.0, "stored_at": 0.0}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'r.db'}")
    made.create()
    stream(made)
    yield made
    made.close()


def test_what_is_written_twice_is_there_once(store: Store) -> None:
    assert store.add(tables.windows, [window(0), window(1)]) == 2
    assert store.add(tables.windows, [window(1, "b"), window(2), window(2)]) == 1
    rows = store.rows(tables.windows, "s")
    assert [(row["window"], row["label"]) for row in rows] == [(0, "a"), (1, "a"), (2, "a")]
    assert store.rows(tables.windows, "other") == []
    assert store.add(tables.windows, []) == 0


def test_events_have_three_keys(store: Store) -> None:
    event = {"stream_id": "s", "onset_sample": 5, "label": "a", "onset_s": 0, "offset_s": 1}
    event |= {"confidence": 0.5, "stored_at": 0.0}
    assert store.add(tables.events, [event, event | {"label": "b"}]) == 2
    assert store.add(tables.events, [event, event | {"onset_sample": 6}]) == 1


def test_many_writers_of_the_same_rows(tmp_path: Path, store: Store) -> None:
    others = [Store(f"sqlite:///{tmp_path / 'r.db'}") for _ in range(4)]

    def write(at: int) -> int:
        return others[at % 4].add(tables.windows, [window(at // 4 + n) for n in range(3)])

    with ThreadPoolExecutor(8) as threads:
        added = sum(threads.map(write, range(80)))
    rows = [row["window"] for row in store.rows(tables.windows, "s")]
    assert rows == list(range(22))
    assert added == 22
    for other in others:
        other.close()


def test_a_file_that_was_moved_away_is_gone_and_not_made_anew(tmp_path: Path, store: Store) -> None:
    file, away = tmp_path / "r.db", tmp_path / "away.db"
    store.add(tables.windows, [window(0)])
    file.rename(away)
    for _ in range(2):
        with pytest.raises(DatabaseGone, match=r"r\.db cannot be reached or written"):
            store.add(tables.windows, [window(1)])
    assert not file.exists()
    away.rename(file)
    assert store.add(tables.windows, [window(1)]) == 1
    assert len(store.rows(tables.windows, "s")) == 2


def test_rows_of_an_unknown_stream_are_an_error_and_no_outage(store: Store) -> None:
    with pytest.raises(Exception, match="FOREIGN KEY"):
        store.add(tables.windows, [window(0, stream_id="nobody")])


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("no url", "is no database that can be used here"),
        ("sqlite://", "lost with its worker"),
        ("nosuch://host/db", "is no database that can be used here"),
    ],
)
def test_urls_that_name_no_database(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Store(url)


def test_a_database_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'none' / 'r.db'}")
    with pytest.raises(DatabaseGone, match="cannot be reached or written"):
        store.create()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"not a database at all" * 100)
    store = Store(f"sqlite:///{tmp_path / 'r.db'}")
    with pytest.raises(DatabaseGone, match="not a database"):
        store.create()
    store.close()
