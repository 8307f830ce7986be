"""Dynamic batching: requests that arrive while the model is busy form the next batch.

Predicting 32 rows takes the model hardly longer than predicting one. No request is ever delayed to
fill a batch.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serving.served import LARGEST_BATCH, NoAnswer, ServedModel

MOST_WAITING = 512  # requests; further ones are rejected with status 429
LONGEST_WAIT = 10.0  # seconds


class Batcher:
    """Combines requests into batches and distributes the predictions, inside one event loop.

    Args:
        model: the model to call.
        executor: one thread, shared by all models; the back-end itself uses all cores.
    """

    def __init__(self, model: ServedModel, executor: ThreadPoolExecutor):
        self.model, self.executor = model, executor
        self.waiting: asyncio.Queue = asyncio.Queue(MOST_WAITING)
        self.task: asyncio.Task | None = None

    async def predict(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predict the rows of one request.

        Args:
            columns: for each input, an array of shape (n, ...).

        Returns:
            For each output, an array of shape (n, ...).

        Raises:
            NoAnswer: with status 429, if too many requests are waiting or it takes too long.
        """
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.work())
        answer = asyncio.get_running_loop().create_future()
        try:
            self.waiting.put_nowait((columns, answer))
        except asyncio.QueueFull:
            raise NoAnswer("too many requests are waiting; try again later", 429) from None
        try:
            return await asyncio.wait_for(answer, LONGEST_WAIT)
        except TimeoutError:
            raise NoAnswer("the model is too busy; try again later", 429) from None

    async def work(self) -> None:
        """Process batches in an endless loop."""
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
            if batch:
                await self.answer(batch)

    async def answer(self, batch: list) -> None:
        """Predict several requests in one call; if it fails, predict each on its own."""
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
            if not answer.done():  # its client may have disconnected
                answer.set_result(part)


def rows_of(request) -> int:
    """Return the number of rows of a waiting request."""
    return len(next(iter(request[0].values())))


def shapes_of(request) -> list[tuple]:
    """Return the row shape of each input of a waiting request; a model may accept several."""
    return [values.shape[1:] for values in request[0].values()]
