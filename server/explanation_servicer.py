"""ExplanationService: convert, await, convert."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc.aio

from ligserve.server.call import current_call
from ligserve.server.errors import ResourceExhaustedError
from ligserve.server.fold import fold
from ligserve.server.pool.dispatcher import Dispatcher
from ligserve.server.pool.events import Event
from ligserve.server.pool.job import ExplainJob, ForecastJob
from ligserve.server.progress import deadline_passed, with_progress
from ligserve.server.validation.options import duration_seconds
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceServicer

DEFAULT_ESTIMATE_INTERVAL_S = 0.1
# An image's estimate has a megabyte or more.
DEFAULT_IMAGE_INTERVAL_S = 1.0

Context = grpc.aio.ServicerContext[object, object]


class ExplanationService(ExplanationServiceServicer):
    """Turns requests into jobs, and jobs' events into answers."""

    def __init__(self, dispatcher: Dispatcher, *, max_deadline_s: float, write_stall_s: float) -> None:
        """Keep what jobs are given to.

        Args:
            dispatcher: runs the jobs.
            max_deadline_s: caps callers' deadlines, and stands in for one that is not set.
            write_stall_s: longest time that a client may leave a message unread.
        """
        self._dispatcher = dispatcher
        self._max_deadline_s = max_deadline_s
        self._write_stall_s = write_stall_s

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:
        """The finished explanation."""
        job = self._job(request, context, partial_estimates=False, estimate_interval=0.0)
        with self._dispatcher.running(job):
            async with aclosing(with_progress(job, self._dispatcher.position)) as events:
                return await fold(_noted(events))

    async def StreamExplain(self, request: pb.StreamExplainRequest, context: Context) -> None:  # type: ignore[override]
        """The explanation as it comes into being."""
        job = self._job(
            request.request,
            context,
            partial_estimates=True,
            estimate_interval=_estimate_interval(request),
            preview=request.stream.preview,
        )
        with self._dispatcher.running(job):
            async with aclosing(with_progress(job, self._dispatcher.position)) as events:
                await self._write_all(context, _noted(events))

    async def EstimateCost(
        self, request: pb.EstimateCostRequest, context: Context
    ) -> pb.EstimateCostResponse:
        """What a request would cost."""
        job = ForecastJob(
            request_id=current_call().request_id,
            request=request.request,
            deadline=self._deadline(context),
        )
        with self._dispatcher.running(job):
            try:
                answer = await job.forecast.get(job.seconds_left)
            except TimeoutError:
                raise deadline_passed(queued=self._dispatcher.position(job) > 0) from None
        self._fill_queue_times(job, answer)
        return answer

    def _fill_queue_times(self, job: ForecastJob, answer: pb.EstimateCostResponse) -> None:
        for cost in (answer.expected, answer.maximum):
            known = cost.HasField("compute_time")
            compute_s = cost.compute_time.ToNanoseconds() / 1e9 if known else None
            queue_s = self._dispatcher.expected_queue_s(job, compute_s)
            if queue_s is not None:
                cost.queue_time.FromNanoseconds(round(queue_s * 1e9))

    def _job(
        self,
        request: pb.ExplainRequest,
        context: Context,
        *,
        partial_estimates: bool,
        estimate_interval: float,
        preview: bool = False,
    ) -> ExplainJob:
        return ExplainJob(
            request_id=current_call().request_id,
            request=request,
            deadline=self._deadline(context),
            time_limit=self._time_limit(context),
            partial_estimates=partial_estimates,
            estimate_interval=estimate_interval,
            preview=preview,
        )

    def _deadline(self, context: Context) -> float:
        left = context.time_remaining()
        return time.monotonic() + (self._max_deadline_s if left is None else min(left, self._max_deadline_s))

    def _time_limit(self, context: Context) -> float | None:
        left = context.time_remaining()
        return self._max_deadline_s if left is None or left > self._max_deadline_s else None

    async def _write_all(self, context: Context, events: AsyncIterator[Event]) -> None:
        begun = False
        async for event in events:
            if not begun:
                # With the first message, gRPC could send no status after it if nobody reads that one.
                await context.send_initial_metadata(())
                begun = True
            await self._write(context, event)

    async def _write(self, context: Context, event: Event) -> None:
        try:
            async with asyncio.timeout(self._write_stall_s):
                await context.write(event)
        except TimeoutError as error:
            raise ResourceExhaustedError(
                f"the client read nothing for {self._write_stall_s:g} s", reason="SLOW_READER"
            ) from error


async def _noted(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """The events; the current call knows of its points, also if it does not see the end."""
    async for event in events:
        if event.HasField("progress"):
            current_call().points = event.progress.points_done
        elif event.HasField("summary"):
            current_call().points = event.summary.cost.points
        yield event


def _estimate_interval(request: pb.StreamExplainRequest) -> float:
    if request.stream.HasField("estimate_interval"):
        return duration_seconds(request.stream.estimate_interval)
    of_image = request.request.HasField("image_classification")
    return DEFAULT_IMAGE_INTERVAL_S if of_image else DEFAULT_ESTIMATE_INTERVAL_S
