"""One request in a worker: from its plan, through the engine, to events."""

import threading
import time
from collections.abc import Callable, Sequence

from torch import Tensor

from ligserve.internal.v1.frames_pb2 import JobEnded, JobEvent, RunJob, WorkerFrame
from ligserve.server.errors import ServeError, to_failure
from ligserve.server.workers import events
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.failures import as_serve_error
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.v1 import explanation_service_pb2 as pb

# Progress is told at most this often.
PROGRESS_INTERVAL_S = 0.1

Send = Callable[[WorkerFrame], None]


class Job:
    """A request on its way; hears from the engine and tells the front (a PathListener).

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
        self._last_estimate = self._last_progress = time.monotonic()
        self._outputs: Sequence[ClassOutput] = ()
        self._ended = False
        self._lock = threading.Lock()
        deadline = self._started + run.seconds_left if run.HasField("seconds_left") else None
        self.path = Path(plan.path, plan.rule, self, deadline)

    def cancel(self) -> None:
        """Stop; the front hears that the job ended. From any thread."""
        self.path.cancel()
        self._end()

    def predicted(self, logits: Tensor) -> Sequence[ClassOutput]:
        """The header goes out before the first gradient."""
        self._outputs = self._plan.outputs(logits)
        header = events.header(self._run.request_id, self._plan, self._outputs, logits)
        self._event(pb.StreamExplainResponse(header=header))
        return self._outputs

    def points_done(self, path: Path) -> None:
        """A sign of life."""
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_INTERVAL_S:
            self._last_progress = now
            progress = pb.Progress(points_done=path.cost.points, points_planned=path.planned)
            self._event(pb.StreamExplainResponse(progress=progress))

    def round_done(self, path: Path) -> None:
        """An estimate, if one is wanted and the last one is old enough."""
        now = time.monotonic()
        if self._run.partial_estimates and now - self._last_estimate >= self._run.estimate_interval:
            self._last_estimate = now
            self._estimates(path, final=False)

    def finished(self, path: Path) -> None:
        """The last estimates, the summary, the end."""
        self._estimates(path, final=True)
        seconds = time.monotonic() - self._started
        summary = events.summary(self._plan, path, self._outputs, self._worker, seconds)
        self._event(pb.StreamExplainResponse(summary=summary))
        self._end()

    def failed(self, error: Exception) -> None:
        """The front hears why."""
        self._end(as_serve_error(error, self._run.request_id))

    def _estimates(self, path: Path, *, final: bool) -> None:
        for estimate in events.estimates(path.rule, final=final):
            self._event(pb.StreamExplainResponse(estimate=estimate))

    def _event(self, event: pb.StreamExplainResponse) -> None:
        if not self.path.cancelled:
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
