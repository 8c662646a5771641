"""What a job tells the front, and that it ends once."""

import math
import threading
import time
from collections.abc import Callable, Iterable

from ligserve.internal.v1.frames_pb2 import JobEnded, JobEvent, RunJob, WorkerFrame
from ligserve.server.errors import ServeError, to_failure
from ligserve.server.workers.failures import as_serve_error
from ligserve.v1 import explanation_service_pb2 as pb

# Progress is told at most this often.
PROGRESS_INTERVAL_S = 0.1

Send = Callable[[WorkerFrame], None]


class JobChannel:
    """A job's way to the front; from any thread.

    Args:
        run: the front's order.
        send: hands a frame to the front; never blocks for long.
        forget: called once, when the job has ended.
        summarised: called with the job's summary.
    """

    def __init__(
        self,
        run: RunJob,
        send: Send,
        forget: Callable[[int], None],
        summarised: Callable[[pb.Summary], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._send = send
        self._forget = forget
        self._summarised = summarised
        self._told_progress = time.monotonic()
        self._ended = False
        self._lock = threading.Lock()

    @property
    def open(self) -> bool:
        """Whether the job has not ended."""
        return not self._ended

    def tell(self, event: pb.StreamExplainResponse) -> None:
        """Send an event, unless the job has ended."""
        if not self._ended:
            if event.HasField("summary"):
                self._summarised(event.summary)
            self._send(WorkerFrame(event=JobEvent(job_id=self._run.job_id, event=event)))

    def tell_all(self, events: Iterable[pb.StreamExplainResponse]) -> None:
        """Send events one after the other."""
        for event in events:
            self.tell(event)

    def tell_estimates(self, estimates: Iterable[pb.Estimate]) -> None:
        """Send scores, one message after the other."""
        self.tell_all(pb.StreamExplainResponse(estimate=each) for each in estimates)

    def tell_progress(self, progress: Callable[[], pb.Progress], *, at_once: bool = False) -> None:
        """Send a sign of life, unless the last one was a moment ago and this one can wait."""
        now = time.monotonic()
        if at_once or now - self._told_progress >= PROGRESS_INTERVAL_S:
            self._told_progress = now
            self.tell(pb.StreamExplainResponse(progress=progress()))

    def end(self, error: Exception | None = None) -> None:
        """End the job, once: with an error, or well (or nobody wants it any more)."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._forget(self._run.job_id)
        failure = None if error is None else as_serve_error(error, self._run.request_id)
        self._send(ended(self._run.job_id, failure))


class EstimatePace:
    """Which estimates that are not final are wanted, and how often; the first one goes out at once."""

    def __init__(self, run: RunJob) -> None:
        self._wanted = run.partial_estimates
        self._interval = run.estimate_interval
        self._last = -math.inf

    def due(self) -> bool:
        """Whether one may be sent now; if so, the next one has to wait."""
        now = time.monotonic()
        if not self._wanted or now - self._last < self._interval:
            return False
        self._last = now
        return True


def ended(job_id: int, error: ServeError | None = None) -> WorkerFrame:
    """The last frame of a job."""
    return WorkerFrame(ended=JobEnded(job_id=job_id, failure=None if error is None else to_failure(error)))
