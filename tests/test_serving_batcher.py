"""One call of the model for many activities."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from temporal import Said

from bodysounds.serving.batcher import Batcher


class Model:
    def __init__(self, delay_s: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.delay_s = delay_s

    def predict(self, clips: np.ndarray) -> Any:
        self.sizes.append(len(clips))
        time.sleep(self.delay_s)
        if (clips < 0).any():
            raise RuntimeError("broken")
        return Said(clips * 2, clips[:, 0] > 5)


def served(
    model: Model, at_most: int, wait_s: float, use: Callable[[Batcher], Awaitable[Any]]
) -> Any:
    async def main() -> Any:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(model.predict, executor, at_most, wait_s)
            serving = asyncio.create_task(batcher.run())
            try:
                return await asyncio.wait_for(use(batcher), 10)
            finally:
                serving.cancel()
                with suppress(asyncio.CancelledError):
                    await serving

    return asyncio.run(main())


def clips(value: float, n: int = 2) -> np.ndarray:
    return np.full((n, 3), value, np.float32)


def test_requests_that_wait_are_one_batch_and_each_gets_its_own() -> None:
    model = Model(0.02)

    async def use(batcher: Batcher) -> Any:
        return await asyncio.gather(*(batcher.ask(clips(i)) for i in range(10)))

    answers = served(model, 8, 0.05, use)
    for i, answer in enumerate(answers):
        assert (answer.log_probabilities == 2 * clips(i)).all()
        assert list(answer.abstained) == [i > 5] * 2
    assert model.sizes == [8, 8, 4]


def test_a_batch_is_never_larger_than_it_may_be_but_for_one_request() -> None:
    model = Model(0.01)

    async def use(batcher: Batcher) -> Any:
        sizes = [5, 5, 3, 20, 1, 7]
        return await asyncio.gather(*(batcher.ask(clips(1, n)) for n in sizes))

    answers = served(model, 8, 0.01, use)
    assert [len(a.abstained) for a in answers] == [5, 5, 3, 20, 1, 7]
    assert model.sizes == [5, 8, 20, 8]


def test_one_request_alone_does_not_wait_long() -> None:
    async def use(batcher: Batcher) -> float:
        start = time.monotonic()
        await batcher.ask(clips(1))
        return time.monotonic() - start

    assert served(Model(), 8, 0.02, use) < 0.5


def test_a_request_that_breaks_the_model_costs_no_other() -> None:
    async def use(batcher: Batcher) -> Any:
        asked = [batcher.ask(clips(v)) for v in (1, -1, 3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, broken, last = served(Model(), 8, 0.02, use)
    assert isinstance(broken, RuntimeError)
    assert first.log_probabilities[0, 0] == 2
    assert last.log_probabilities[0, 0] == 6


def test_a_request_that_was_given_up_is_left_out() -> None:
    model = Model(0.05)

    async def use(batcher: Batcher) -> Any:
        busy = asyncio.create_task(batcher.ask(clips(1)))
        await asyncio.sleep(0.02)
        gone = asyncio.create_task(batcher.ask(clips(2)))
        kept = asyncio.create_task(batcher.ask(clips(3)))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await busy, await kept

    assert served(model, 8, 0.0, use)[1].log_probabilities[0, 0] == 6
    assert model.sizes == [2, 2]
