"""One request in a worker: from its plan, through the engine, to events."""

import threading
import time
from collections.abc import Callable

from ligserve.internal.v1.frames_pb2 import JobEnded, JobEvent, RunJob, WorkerFrame
from ligserve.server.errors import ServeError, to_failure
from ligserve.server.workers import events
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.failures import as_serve_error
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.part import Part
from ligserve.v1 import explanation_service_pb2 as pb

# Progress is told at most this often.
PROGRESS_INTERVAL_S = 0.1

Send = Callable[[WorkerFrame], None]


class Job:
    """A request on its way; hears from its parts and tells the front (a PartListener).

    Args:
        run: the front's order.
        plan: what the explainer made of it.
        worker: who computes.
        send: hands a frame to the front; never blocks for long.
        forget: called once, when the job has ended.
        received: time.monotonic() when the order arrived; the deadline counts from there.
    """

    def __init__(
        self,
        run: RunJob,
        plan: Plan,
        worker: WorkerIdentity,
        send: Send,
        forget: Callable[[int], None],
        received: float,
    ) -> None:
        self._run = run
        self._plan = plan
        self._worker = worker
        self._send = send
        self._forget = forget
        self._started = received
        self._last_progress = time.monotonic()
        self._ended = False
        self._lock = threading.Lock()
        deadline = self._started + run.seconds_left if run.HasField("seconds_left") else None
        self._parts = [Part(self, window, path, deadline) for window, path in enumerate(plan.paths)]
        self._last_estimates = [self._last_progress] * len(self._parts)

    @property
    def paths(self) -> list[Path]:
        """What the engine has to do, to be submitted together."""
        return [part.path for part in self._parts]

    def cancel(self) -> None:
        """Stop; the front hears that the job ended. From any thread."""
        self._stop_paths()
        self._end()

    def part_predicted(self) -> None:
        """The header goes out once all is predicted, before the first gradient."""
        if all(part.logits is not None for part in self._parts):
            header = events.header(self._run.request_id, self._plan, self._parts)
            self._event(pb.StreamExplainResponse(header=header))

    def part_moved(self) -> None:
        """A sign of life."""
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL_S:
            self._last_progress = now
            progress = pb.Progress(
                points_done=sum(path.cost.points for path in self.paths),
                points_planned=sum(path.planned for path in self.paths),
            )
            self._event(pb.StreamExplainResponse(progress=progress))

    def part_refined(self, part: Part) -> None:
        """An estimate, if one is wanted and the part's last one is old enough."""
        now = time.monotonic()
        waited = now - self._last_estimates[part.window]
        if self._run.partial_estimates and waited >= self._run.estimate_interval:
            self._last_estimates[part.window] = now
            self._estimates(part)

    def part_finished(self, part: Part) -> None:
        """The part's last estimates; after the last part the summary, and the end."""
        self._estimates(part)
        if all(each.finished_already for each in self._parts):
            seconds = time.monotonic() - self._started
            summary = events.summary(self._plan, self._parts, self._worker, seconds)
            self._event(pb.StreamExplainResponse(summary=summary))
            self._end()

    def failed(self, error: Exception) -> None:
        """The front hears why; the other parts are for nobody."""
        self._stop_paths()
        self._end(as_serve_error(error, self._run.request_id))

    def _stop_paths(self) -> None:
        for path in self.paths:
            path.cancel()

    def _estimates(self, part: Part) -> None:
        for estimate in events.estimates(part):
            self._event(pb.StreamExplainResponse(estimate=estimate))

    def _event(self, event: pb.StreamExplainResponse) -> None:
        if not self._parts[0].path.cancelled:
            self._send(WorkerFrame(event=JobEvent(job_id=self._run.job_id, event=event)))

    def _end(self, error: ServeError | None = None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
        self._forget(self._run.job_id)
        self._send(ended(self._run.job_id, error))


def ended(job_id: int, error: ServeError | None = None) -> WorkerFrame:
    """The last frame of a job."""
    return WorkerFrame(ended=JobEnded(job_id=job_id, failure=None if error is None else to_failure(error)))
