"""Signs of life between a job's events: at least every 500 ms, at most every 100 ms."""

import time
from collections.abc import AsyncGenerator, Callable, Iterator

from ligserve.server.errors import DeadlineExceededError
from ligserve.server.pool.events import Event
from ligserve.server.pool.job import ExplainJob, Job
from ligserve.v1 import explanation_service_pb2 as pb

LONGEST_SILENCE_S = 0.5
SHORTEST_INTERVAL_S = 0.1


class ProgressPace:
    """What to say about a job's progress, and when."""

    def __init__(self, *, news: bool) -> None:
        self._progress = pb.Progress()
        self._said_at = time.monotonic()
        self._news = news
        self._behind = False

    def wait_s(self) -> float:
        """Seconds until progress is due; 0 or less: it is due."""
        interval = SHORTEST_INTERVAL_S if self._news and not self._behind else LONGEST_SILENCE_S
        return self._said_at + interval - time.monotonic()

    def told(self, event: Event | None, queue_position: int) -> Iterator[Event]:
        """What to send now that an event has come; None: there was silence."""
        if event is None:
            yield from self._said(queue_position)
        elif event.HasField("progress"):
            self._progress = event.progress
            self._news, self._behind = True, False
            yield from self._said(queue_position) if self.wait_s() <= 0 else ()
        else:
            if event.HasField("estimate"):
                self._saw(event.estimate)
            if event.HasField("summary") and self._news and self._progress.windows:
                yield from self._said(queue_position)
            yield event

    def _saw(self, estimate: pb.Estimate) -> None:
        """Learn from an estimate: how many points there are, or that the worker's word is out of date."""
        points = max(self._progress.points_done, estimate.points)
        self._progress.points_done = points
        self._progress.points_planned = max(points, self._progress.points_planned)
        self._behind |= estimate.final and self._progress.windows > 0

    def _said(self, queue_position: int) -> Iterator[Event]:
        """What to send now: nothing while scores have gone out that the worker's word does not count yet."""
        self._said_at = time.monotonic()
        if self._behind:
            return
        self._news = False
        event = Event(progress=self._progress)
        event.progress.queue_position = queue_position
        yield event


async def with_progress(job: ExplainJob, position: Callable[[Job], int]) -> AsyncGenerator[Event, None]:
    """A job's events, and progress between them, until the summary.

    Raises:
        DeadlineExceededError: the deadline passed.
        Exception: what the job failed with.
    """
    # To wait in the queue is news; to be served at once is not.
    pace = ProgressPace(news=position(job) > 0)
    while True:
        event = await _next_event(job, pace, position)
        for each in pace.told(event, position(job)):
            yield each
        if event is not None and event.HasField("summary"):
            return


async def _next_event(job: ExplainJob, pace: ProgressPace, position: Callable[[Job], int]) -> Event | None:
    """A job's next event; None if none comes until progress is due."""
    try:
        return await job.events.get(max(0.0, min(pace.wait_s(), job.seconds_left)))
    except TimeoutError:
        _check_deadline(job, position)
        return None


def _check_deadline(job: Job, position: Callable[[Job], int]) -> None:
    if job.seconds_left <= 0:
        raise deadline_passed(queued=position(job) > 0)


def deadline_passed(*, queued: bool) -> DeadlineExceededError:
    """The deadline passed; whether the request was still in the queue then."""
    where = "in the queue" if queued else "at work"
    return DeadlineExceededError(f"the deadline passed while the request was {where}", reason="DEADLINE")
