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

    def heard(self, progress: pb.Progress) -> None:
        """Keep the worker's latest word."""
        self._progress = progress
        self._news, self._behind = True, False

    def saw(self, estimate: pb.Estimate) -> None:
        """Learn from an estimate: how many points there are, or that the worker's word is out of date."""
        points = max(self._progress.points_done, estimate.points)
        self._progress.points_done = points
        self._progress.points_planned = max(points, self._progress.points_planned)
        self._behind |= estimate.final and self._progress.windows > 0

    def say(self, queue_position: int) -> Iterator[Event]:
        """What to send now: nothing while scores have gone out that the worker's word does not count yet."""
        self._said_at = time.monotonic()
        if self._behind:
            return
        self._news = False
        event = Event(progress=self._progress)
        event.progress.queue_position = queue_position
        yield event

    def last_words(self) -> Iterator[Event]:
        """What has not been said when the job ends."""
        if self._news and self._progress.windows:
            yield from self.say(0)


async def with_progress(job: ExplainJob, position: Callable[[Job], int]) -> AsyncGenerator[Event, None]:
    """A job's events, and progress between them, until the summary.

    Raises:
        DeadlineExceededError: the deadline passed.
        Exception: what the job failed with.
    """
    # To wait in the queue is news; to be served at once is not.
    pace = ProgressPace(news=position(job) > 0)
    while True:
        try:
            event = await job.events.get(max(0.0, min(pace.wait_s(), job.seconds_left)))
        except TimeoutError:
            _check_deadline(job, position)
            for said in pace.say(position(job)):
                yield said
            continue
        if event is None:
            return
        if event.HasField("progress"):
            pace.heard(event.progress)
            if pace.wait_s() <= 0:
                for said in pace.say(position(job)):
                    yield said
            continue
        if event.HasField("estimate"):
            pace.saw(event.estimate)
        if event.HasField("summary"):
            for said in pace.last_words():
                yield said
            yield event
            return
        yield event


def _check_deadline(job: Job, position: Callable[[Job], int]) -> None:
    if job.seconds_left <= 0:
        raise deadline_passed(queued=position(job) > 0)


def deadline_passed(*, queued: bool) -> DeadlineExceededError:
    """The deadline passed; whether the request was still in the queue then."""
    where = "in the queue" if queued else "at work"
    return DeadlineExceededError(f"the deadline passed while the request was {where}", reason="DEADLINE")
