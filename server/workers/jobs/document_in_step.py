"""The windows of a document that move together: all are open until every one is done."""

from collections.abc import Iterator

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import PathPlan
from ligserve.server.workers.explainers.plans.document_outcome import InStepOutcome
from ligserve.server.workers.jobs import events
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.document_windows import MOST_TOLD_TARGETS
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.jobs.summary import stop_reasons, target_summaries
from ligserve.server.workers.jobs.time_limits import too_late
from ligserve.server.workers.quadrature import LockStep, NodeValue
from ligserve.v1 import explanation_service_pb2 as pb

# Windows that are read before others have their turn; some milliseconds' work.
READ_AT_ONCE = 16


class WindowsInStep:
    """Opens all windows under one rule; hears from them and tells the front (a PartListener).

    Args:
        assignment: the document's.
        outcome: what is known of the document.
        survey_cost: what it has cost so far.
    """

    def __init__(self, assignment: Assignment, outcome: InStepOutcome, survey_cost: PathCost) -> None:
        self._assignment = assignment
        self._paths = assignment.plan.paths
        self._channel = assignment.channel
        self._outcome = outcome
        self._survey_cost = survey_cost
        self._parts: list[Part] = []
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
        if part.pace.due():
            self._channel.tell_estimates(events.estimates(part))

    def part_finished(self, part: Part) -> None:
        """The window's last estimates, if there are any; after the last window the summary, and the end."""
        self._channel.tell_estimates(events.estimates(part))
        self._windows_done += 1
        if self._windows_done == len(self._parts):
            self._channel.tell_progress(self._progress, at_once=True)
            self._finish()

    def failed(self, error: Exception) -> None:
        """The front hears why; the other windows are for nobody."""
        self._channel.end(error)
        self.cancel()

    def _steps(self, engine: Engine) -> Iterator[None]:
        paths: list[PathPlan] = []
        try:
            for first in range(0, len(self._paths), READ_AT_ONCE):
                paths += self._paths[first : first + READ_AT_ONCE]
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
        targets = range(len(self._outcome.explained))
        for window, (path, member) in enumerate(zip(paths, self._whole.members, strict=True)):
            plan = path.in_lock_step(member, *coupling.followed)
            part = Part(self, window, plan, self._assignment, dispensable=True)
            # The coupling has the share in it.
            part.know(targets, self._outcome.explained, 1.0)
            self._parts.append(part)
        for part in self._parts:
            engine.schedule(part.path)
        if not self._channel.open:
            self.cancel()  # a cancel that came meanwhile did not see them

    def _finish(self) -> None:
        estimate = self._whole.estimate()
        if estimate is None:
            self.failed(too_late(self._assignment.run, "before the windows of the text were explained"))
            return
        last = self._parts[-1]
        reached = list(target_summaries(estimate, last.targets, stop_reasons(last.path)))
        costs = [self._survey_cost, *(part.path.cost for part in self._parts)]
        self._assignment.finish(self._outcome.explained, reached, costs)

    def _progress(self) -> pb.Progress:
        paths, windows = [part.path for part in self._parts], len(self._paths)
        change = self._outcome.change * (self._windows_done < windows)
        return pb.Progress(
            points_done=sum(path.cost.points_there for path in paths),
            points_planned=sum(path.planned for path in paths),
            windows=windows,
            windows_predicted=windows,
            windows_done=self._windows_done,
            unexplained=change.tolist() if len(change) <= MOST_TOLD_TARGETS else (),
        )
