"""Work in threads: in order, bounded ahead, and in batches that are not too heavy."""

from __future__ import annotations

import threading

import pytest

from bodysounds.audio.parallel import batches, ordered_map, ordered_map_in_batches


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 200])
def test_results_come_in_order(workers: int, n: int) -> None:
    expected = [i * i for i in range(n)]
    assert list(ordered_map(lambda i: i * i, range(n), workers)) == expected
    assert list(ordered_map_in_batches(lambda i: i * i, range(n), workers)) == expected


def test_an_error_comes_where_its_item_stands() -> None:
    def work(i: int) -> int:
        if i == 20:
            raise ValueError("twenty")
        return i

    found = ordered_map_in_batches(work, range(100), 2)
    assert [next(found) for _ in range(16)] == list(range(16))
    with pytest.raises(ValueError, match="twenty"):
        list(found)


def test_a_few_items_are_work_for_all_threads() -> None:
    together = threading.Barrier(4, timeout=10)
    list(ordered_map_in_batches(lambda _: together.wait(), range(4), 4))


def test_no_more_than_two_results_a_thread_wait() -> None:
    started: list[int] = []
    lock = threading.Lock()

    def work(i: int) -> int:
        with lock:
            started.append(i)
        return i

    found = ordered_map(work, range(1000), 2)
    for _ in range(10):
        next(found)
    assert len(started) <= 10 + 4


def test_batches_end_with_their_number_or_their_cost() -> None:
    assert list(batches(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    costs = [1.0, 1.0, 5.0, float("nan"), 1.0]
    found = list(batches(costs, 10, lambda cost: cost, 4.0))
    assert [len(batch) for batch in found] == [3, 1, 1]
    assert list(batches([], 3)) == []
