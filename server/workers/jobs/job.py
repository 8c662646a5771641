"""One request in a worker: from its plan, through the engine, to events."""

import time

from ligserve.internal.v1.frames_pb2 import RunJob
from ligserve.server.large_messages import closing, opening
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs import events
from ligserve.server.workers.jobs.job_channel import EstimatePace, JobChannel, deadline_of
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.quadrature import NodeValue
from ligserve.v1 import explanation_service_pb2 as pb


class Job:
    """A request on its way; hears from its parts and tells the front (a PartListener).

    Args:
        run: the front's order.
        plan: what the explainer made of it.
        worker: who computes.
        channel: the way to the front.
        received: time.monotonic() when the order arrived; the deadline counts from there.
    """

    def __init__(
        self, run: RunJob, plan: Plan, worker: WorkerIdentity, channel: JobChannel, received: float
    ) -> None:
        self._run = run
        self._plan = plan
        self._worker = worker
        self._channel = channel
        self._started = received
        deadline = deadline_of(run, received)
        self._parts = [
            Part(self, window, path, deadline, preview=run.preview) for window, path in enumerate(plan.paths)
        ]
        self._paces = [EstimatePace(run) for _ in self._parts]

    def start(self, engine: Engine) -> None:
        """Have every path predicted and integrated."""
        engine.submit(*self.paths)

    @property
    def paths(self) -> list[Path]:
        """What the engine has to do, to be submitted together."""
        return [part.path for part in self._parts]

    def cancel(self) -> None:
        """Stop; the front hears that the job ended. From any thread."""
        self._stop_paths()
        self._channel.end()

    def part_predicted(self) -> None:
        """The header goes out once all is predicted, before the first gradient."""
        if all(part.logits is not None for part in self._parts):
            header = events.header(self._run.request_id, self._plan, self._parts)
            self._channel.tell_all(opening(header))

    def part_moved(self) -> None:
        """A sign of life."""
        self._channel.tell_progress(self._progress)

    def part_previewed(self, part: Part, value: NodeValue) -> None:
        """What the input's own point tells."""
        for estimate in events.previews(part, value):
            self._channel.tell(pb.StreamExplainResponse(estimate=estimate))

    def part_refined(self, part: Part) -> None:
        """An estimate, if one is wanted and the part's last one is old enough."""
        if self._paces[part.window].due():
            self._tell_estimates(part)

    def part_finished(self, part: Part) -> None:
        """The part's last estimates; after the last part the summary, and the end."""
        self._tell_estimates(part)
        if all(each.finished_already for each in self._parts):
            seconds = time.monotonic() - self._started
            summary = events.summary(self._plan, self._parts, self._worker, seconds)
            self._channel.tell_all(closing(summary))
            self._channel.end()

    def failed(self, error: Exception) -> None:
        """The front hears why; the other parts are for nobody."""
        self._stop_paths()
        self._channel.end(error)

    def _progress(self) -> pb.Progress:
        return pb.Progress(
            points_done=sum(path.cost.points + path.cost.reused for path in self.paths),
            points_planned=sum(path.planned for path in self.paths),
        )

    def _stop_paths(self) -> None:
        for path in self.paths:
            path.cancel()

    def _tell_estimates(self, part: Part) -> None:
        for estimate in events.estimates(part):
            self._channel.tell(pb.StreamExplainResponse(estimate=estimate))
