"""A request that a worker has taken on, and how the work on it ends well."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ligserve.internal.v1.frames_pb2 import RunJob
from ligserve.server.large_messages import closing
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import Explained, Plan
from ligserve.server.workers.explainers.plans.plan import DocumentPlan
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs.job_channel import JobChannel
from ligserve.server.workers.jobs.summary import summary_of
from ligserve.server.workers.jobs.time_limits import cut_by_server
from ligserve.v1 import explanation_service_pb2 as pb


@dataclass(frozen=True)
class Assignment:
    """What every kind of job is given.

    Attributes:
        run: the front's order.
        plan: what the explainer made of it.
        worker: who computes.
        channel: the way to the front.
        received: time.monotonic() when the order arrived; the deadline counts from there.
        explaining_s: the seconds that the points are expected to take, from what a token takes to go forward.
    """

    run: RunJob
    plan: Plan
    worker: WorkerIdentity
    channel: JobChannel
    received: float
    explaining_s: Callable[[float], float] = lambda _: 0.0

    @property
    def deadline(self) -> float | None:
        """time.monotonic() at which an answer must be out; None for no deadline."""
        return self.received + self.run.seconds_left if self.run.HasField("seconds_left") else None

    @property
    def document(self) -> DocumentPlan:
        """How the windows of a long text make up a document."""
        if self.plan.document is None:
            raise RuntimeError("the plan is not a document's")
        return self.plan.document

    def finish(
        self, explained: Sequence[Explained], targets: Sequence[pb.TargetSummary], costs: Sequence[PathCost]
    ) -> None:
        """Tell what was reached for the targets and what it cost, and end."""
        seconds = time.monotonic() - self.received
        summary = summary_of(self.plan, explained, targets, costs, self.worker, seconds)
        summary.warnings.extend(cut_by_server(self.run, targets))
        self.channel.tell_all(closing(summary))
        self.channel.end()
