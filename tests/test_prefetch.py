"""What is read ahead is what would be read in turn, and no more than asked for."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from bodysounds.training.prefetch import prefetch

LONG = 10.0  # seconds that nothing here should take


def test_results_come_in_order_each_once() -> None:
    for n in (0, 1, 2, 3, 20):
        for ahead in (0, 1, 2, 5):
            seen: list[int] = []

            def read(item: int, seen: list[int] = seen) -> int:
                seen.append(item)
                return item * item

            assert list(prefetch(read, range(n), ahead)) == [k * k for k in range(n)]
            assert seen == list(range(n))


def test_it_reads_while_the_step_runs_and_stays_that_far_ahead() -> None:
    done = [threading.Event() for _ in range(12)]
    n_read = 0

    def read(item: int) -> int:
        nonlocal n_read
        n_read += 1
        done[item].set()
        return item

    with closing(prefetch(read, range(12), ahead=2)) as items:
        for item in items:
            # nothing is asked for here, and yet the next two arrive
            assert all(done[later].wait(LONG) for later in range(item, min(item + 3, 12)))
            assert n_read <= item + 3


def test_what_reading_raises_is_raised_in_its_turn() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise ValueError("sample 3 is gone")
        return item

    got: list[int] = []
    with pytest.raises(ValueError, match="sample 3 is gone"):
        got.extend(prefetch(read, range(9)))
    assert got == [0, 1, 2]


def test_left_early_it_reads_no_more_and_leaves_no_thread() -> None:
    started: list[int] = []

    def read(item: int) -> int:
        started.append(item)
        if item > 4:
            time.sleep(0.3)
        return item

    def stopped() -> None:
        with closing(prefetch(read, range(100))) as items:
            for item in items:
                if item == 4:
                    raise RuntimeError("the step failed")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the step failed"):
        stopped()
    assert threading.active_count() == before
    # the one under way is waited for, and the one that waits is not read
    assert started[:5] == list(range(5))
    assert len(started) <= 6
