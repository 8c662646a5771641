"""A forecast of a job's cost between its worker and the caller."""

import asyncio

from ligserve.v1 import explanation_service_pb2 as pb


class ForecastSlot:
    """Holds the only answer that a job has, or why there is none."""

    def __init__(self) -> None:
        self._answer: pb.EstimateCostResponse | None = None
        self._error: Exception | None = None
        self._ended = asyncio.Event()

    @property
    def succeeded(self) -> bool:
        """Whether the answer has come."""
        return self._answer is not None

    def put(self, answer: pb.EstimateCostResponse) -> None:
        """Take the answer."""
        if not self._ended.is_set():
            self._answer = answer
            self._ended.set()

    def fail(self, error: Exception) -> None:
        """End with an error, unless the answer is there."""
        if not self._ended.is_set():
            self._error = error
            self._ended.set()

    async def get(self, timeout_s: float) -> pb.EstimateCostResponse:
        """The answer.

        Raises:
            TimeoutError: it did not come in time.
            Exception: the one that the job failed with.
        """
        async with asyncio.timeout(timeout_s):
            await self._ended.wait()
        if self._answer is None:
            raise self._error or RuntimeError("a forecast ended without an answer")
        return self._answer
