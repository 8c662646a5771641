"""The windows of a document that move together: all are open until every one is done."""

import time
from collections.abc import Iterator

from ligserve.internal.v1.frames_pb2 import RunJob
from ligserve.server.errors import DeadlineExceededError
from ligserve.server.large_messages import closing
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import PathPlan, Plan
from ligserve.server.workers.explainers.plans.document_outcome import InStepOutcome
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs import events
from ligserve.server.workers.jobs.document_windows import MOST_TOLD_TARGETS
from ligserve.server.workers.jobs.job_channel import EstimatePace, JobChannel, deadline_of
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.quadrature import LockStep, NodeValue
from ligserve.v1 import explanation_service_pb2 as pb

# Windows that are read before others have their turn; some milliseconds' work.
READ_AT_ONCE = 16


class WindowsInStep:
    """Opens all windows under one rule; hears from them and tells the front (a PartListener).

    Args:
        run: the front's order.
        plan: what the explainer made of it.
        outcome: what is known of the document.
        worker: who computes.
        channel: the way to the front.
        received: time.monotonic() when the order arrived; the deadline counts from there.
        survey_cost: what it has cost so far.
    """

    def __init__(
        self,
        *,
        run: RunJob,
        plan: Plan,
        outcome: InStepOutcome,
        worker: WorkerIdentity,
        channel: JobChannel,
        received: float,
        survey_cost: PathCost,
    ) -> None:
        self._run = run
        self._plan = plan
        self._outcome = outcome
        self._worker = worker
        self._channel = channel
        self._received = received
        self._survey_cost = survey_cost
        self._parts: list[Part] = []
        self._paces: list[EstimatePace] = []
        self._windows_done = 0

    def start(self, engine: Engine) -> None:
        """Read the windows once more, then open them. From the engine's thread."""
        engine.submit_work(self._steps(engine))

    def cancel(self) -> None:
        """Stop; windows that are not open yet stay closed once the channel has ended. From any thread."""
        for part in tuple(self._parts):
            part.path.cancel()

    def part_predicted(self) -> None:
        """Not heard of: the document was predicted before."""

    def part_moved(self) -> None:
        """A sign of life."""
        self._channel.tell_progress(self._progress)

    def part_previewed(self, part: Part, value: NodeValue) -> None:
        """Not heard of: what a window's own point tells of the document, all the others' tell too."""

    def part_refined(self, part: Part) -> None:
        """An estimate, if one is wanted and the window's last one is old enough."""
        if self._paces[part.window].due():
            self._tell_estimates(part)

    def part_finished(self, part: Part) -> None:
        """The window's last estimates, if there are any; after the last window the summary, and the end."""
        self._tell_estimates(part)
        self._windows_done += 1
        if self._windows_done == len(self._parts):
            self._finish()

    def failed(self, error: Exception) -> None:
        """The front hears why; the other windows are for nobody."""
        self._channel.end(error)
        self.cancel()

    def _steps(self, engine: Engine) -> Iterator[None]:
        paths: list[PathPlan] = []
        try:
            for first in range(0, len(self._plan.paths), READ_AT_ONCE):
                paths += self._plan.paths[first : first + READ_AT_ONCE]
                yield
                if not self._channel.open:
                    return
            self._open(paths, engine)
        except Exception as error:
            self.failed(error)

    def _open(self, paths: list[PathPlan], engine: Engine) -> None:
        coupling = self._outcome.coupling
        lengths = [path.spec.length for path in paths]
        self._whole = LockStep(self._outcome.rule, coupling, lengths, coupling.reach)
        deadline, targets = deadline_of(self._run, self._received), range(len(self._outcome.explained))
        for window, (path, member) in enumerate(zip(paths, self._whole.members, strict=True)):
            plan = path.in_lock_step(member, *coupling.followed)
            part = Part(self, window, plan, deadline, dispensable=True)
            # The coupling has the share in it.
            part.know(targets, self._outcome.explained, 1.0)
            self._parts.append(part)
            self._paces.append(EstimatePace(self._run))
        for part in self._parts:
            engine.schedule(part.path)
        if not self._channel.open:
            self.cancel()  # a cancel that came meanwhile did not see them

    def _finish(self) -> None:
        estimate = self._whole.estimate()
        if estimate is None:
            message = "the deadline came before the windows of the text were explained"
            self.failed(DeadlineExceededError(message, reason="DEADLINE"))
            return
        last = self._parts[-1]
        reached = events.target_summaries(estimate, last.targets, events.stop_reasons(last.path))
        summary = events.summary_of(
            self._plan,
            self._outcome.explained,
            list(reached),
            [self._survey_cost, *(part.path.cost for part in self._parts)],
            self._worker,
            time.monotonic() - self._received,
        )
        self._channel.tell_all(closing(summary))
        self._channel.end()

    def _tell_estimates(self, part: Part) -> None:
        self._channel.tell_all(pb.StreamExplainResponse(estimate=each) for each in events.estimates(part))

    def _progress(self) -> pb.Progress:
        paths, windows = [part.path for part in self._parts], len(self._plan.paths)
        change = self._outcome.change
        return pb.Progress(
            points_done=sum(path.cost.points + path.cost.reused for path in paths),
            points_planned=sum(path.planned for path in paths),
            windows=windows,
            windows_predicted=windows,
            windows_done=self._windows_done,
            unexplained=change.tolist() if len(change) <= MOST_TOLD_TARGETS else (),
        )
