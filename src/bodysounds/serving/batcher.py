"""One call of the model for the clips of many activities."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]


@dataclass
class Answer:
    """What the model says of some clips."""

    log_probabilities: Float32s
    """(n, C)."""
    abstained: npt.NDArray[np.bool_]
    """(n,)."""


@dataclass
class _Request:
    clips: Float32s
    answer: asyncio.Future[Answer]


class Batcher:
    """Collects clips while the model is busy, or for a moment, and asks it once for all.

    Parameters
    ----------
    predict : callable
        float32 (n, clip_samples) to an object with log_probabilities (n, C) and abstained (n,).
    executor : Executor
        Runs the model, one call at a time.
    at_most : int
        Clips in one call; a request of more gets a call of its own.
    wait_s : float
        Seconds to wait for more.
    told : callable
        Is told the size of each batch.
    """

    def __init__(
        self,
        predict: Callable[[Float32s], Any],
        executor: Executor,
        at_most: int,
        wait_s: float,
        told: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.predict = predict
        self.executor = executor
        self.at_most = at_most
        self.wait_s = wait_s
        self.told = told
        self.waiting: asyncio.Queue[_Request] = asyncio.Queue()
        self.kept: _Request | None = None

    async def ask(self, clips: Float32s) -> Answer:
        """Return the model's answer for clips (n, clip_samples); raises what the model raises."""
        request = _Request(clips, asyncio.get_running_loop().create_future())
        self.waiting.put_nowait(request)
        return await request.answer

    async def run(self) -> None:
        """Serve requests until cancelled."""
        while True:
            batch = await self._batch()
            await self._serve(batch)

    async def _batch(self) -> list[_Request]:
        batch = [self.kept or await self.waiting.get()]
        self.kept = None
        size, loop = len(batch[0].clips), asyncio.get_running_loop()
        until = loop.time() + self.wait_s
        while size < self.at_most:
            try:
                request = self.waiting.get_nowait()
            except asyncio.QueueEmpty:
                if (rest := until - loop.time()) <= 0:
                    break
                try:
                    request = await asyncio.wait_for(self.waiting.get(), rest)
                except TimeoutError:
                    break
            if size + len(request.clips) > self.at_most:
                self.kept = request  # the first of the next batch
                break
            batch.append(request)
            size += len(request.clips)
        return batch

    async def _serve(self, batch: list[_Request]) -> None:
        batch = [request for request in batch if not request.answer.done()]
        if not batch:
            return
        clips = np.concatenate([request.clips for request in batch])
        loop = asyncio.get_running_loop()
        try:
            said = await loop.run_in_executor(self.executor, self.predict, clips)
        except Exception as error:
            if len(batch) > 1:  # one activity's clips must not cost the others theirs
                for request in batch:
                    await self._serve([request])
            elif not batch[0].answer.done():
                batch[0].answer.set_exception(error)
            return
        self.told(len(clips))
        start = 0
        for request in batch:
            stop = start + len(request.clips)
            if not request.answer.done():
                request.answer.set_result(
                    Answer(said.log_probabilities[start:stop], said.abstained[start:stop])
                )
            start = stop
