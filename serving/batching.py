"""Many clients, one model: what waits while the model is busy is answered in one go.

A call of the model for 32 rows takes hardly longer than for one. So nobody waits for others on
purpose; but whoever comes while the model works, goes into the next batch.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serving.served import LARGEST_BATCH, NoAnswer, ServedModel

MOST_WAITING = 512  # requests; more are told to come back later
LONGEST_WAIT = 10.0  # seconds


class Batcher:
    """Puts requests together and hands their answers out; use it inside one event loop.

    Args:
        model: answers.
        executor: one thread, shared by all models: the back-end uses all cores by itself.
    """

    def __init__(self, model: ServedModel, executor: ThreadPoolExecutor):
        self.model, self.executor = model, executor
        self.waiting: asyncio.Queue = asyncio.Queue(MOST_WAITING)
        self.task: asyncio.Task | None = None

    async def predict(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answer the rows of one request.

        Raises:
            NoAnswer: 429 if too many requests wait, or if it takes too long.
        """
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.work())
        answer = asyncio.get_running_loop().create_future()
        try:
            self.waiting.put_nowait((columns, answer))
        except asyncio.QueueFull:
            raise NoAnswer("too many requests wait; try again later", 429) from None
        try:
            return await asyncio.wait_for(answer, LONGEST_WAIT)
        except TimeoutError:
            raise NoAnswer("the model is too busy; try again later", 429) from None

    async def work(self) -> None:
        """Answer batch after batch."""
        left_over = None
        while True:
            first = left_over or await self.waiting.get()
            batch, rows, left_over = [first], rows_of(first), None
            while rows < LARGEST_BATCH and not self.waiting.empty():
                one = self.waiting.get_nowait()
                if rows + rows_of(one) > LARGEST_BATCH or shapes_of(one) != shapes_of(first):
                    left_over = one
                    break
                batch.append(one)
                rows += rows_of(one)
            batch = [(columns, answer) for columns, answer in batch if not answer.done()]
            if not batch:
                continue
            await self.answer(batch)

    async def answer(self, batch: list) -> None:
        """Answer requests in one call; if it fails, each alone: a wrong one spoils no other."""
        try:
            together = {
                name: np.concatenate([columns[name] for columns, _ in batch])
                for name in batch[0][0]
            }
            answers = await asyncio.get_running_loop().run_in_executor(
                self.executor, self.model.predict, together
            )
            start, parts = 0, []
            for request in batch:
                end = start + rows_of(request)
                parts.append({name: values[start:end] for name, values in answers.items()})
                start = end
        except Exception as error:
            if len(batch) == 1 and not batch[0][1].done():
                batch[0][1].set_exception(error)
            for request in batch if len(batch) > 1 else []:
                await self.answer([request])
            return
        for (_, answer), part in zip(batch, parts, strict=True):
            if not answer.done():  # its client may have gone
                answer.set_result(part)


def rows_of(request) -> int:
    """Count the rows of a waiting request."""
    return len(next(iter(request[0].values())))


def shapes_of(request) -> list[tuple]:
    """List the shapes of a waiting request's rows: a model may take several."""
    return [values.shape[1:] for values in request[0].values()]
