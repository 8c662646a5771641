"""The windows of a document that move together: all are open until every one is done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import PathPlan
from ligserve.server.workers.explainers.plans.document_outcome import InStep, InStepOutcome
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


@dataclass(frozen=True)
class _Group:
    """Windows under one rule."""

    plan: InStep
    whole: LockStep
    parts: Sequence[Part]

    @property
    def finished_already(self) -> bool:
        """Whether the estimates of all its windows are final."""
        return all(part.finished_already for part in self.parts)


class WindowsInStep:
    """Opens all windows, a group under one rule; hears from them and tells the front (a PartListener).

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
        self._groups: list[_Group] = []
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
        # Every window's estimates come at the end.
        told = sum((1 + len(group.windows)) * len(group.targets) for group in self._outcome.groups)
        deadline = engine.ends.before(self._assignment.deadline, told)
        for group in self._outcome.groups:
            own = [paths[window] for window in group.windows]
            lengths = [path.spec.length for path in own]
            whole = LockStep(group.rule, group.coupling, lengths, group.coupling.reach)
            self._groups.append(_Group(group, whole, list(self._tied(group, own, whole, deadline))))
        self._parts = [part for group in self._groups for part in group.parts]
        # No window tells its change: what there is to explain is known from here alone.
        self._channel.tell_progress(self._progress, at_once=True)
        for part in self._parts:
            engine.schedule(part.path)
        if not self._channel.open:
            self.cancel()  # a cancel that came meanwhile did not see them

    def _tied(
        self, group: InStep, paths: Sequence[PathPlan], whole: LockStep, deadline: float | None
    ) -> Iterator[Part]:
        explained = [self._outcome.explained[target] for target in group.targets]
        for window, path, member in zip(group.windows, paths, whole.members, strict=True):
            plan = path.in_lock_step(member, *group.coupling.followed)
            part = Part(self, window, plan, self._assignment, dispensable=True, deadline=deadline)
            # The coupling has the share in it.
            part.know(group.targets, explained, 1.0)
            yield part

    def _finish(self) -> None:
        if all(group.whole.estimate() is None for group in self._groups):
            self.failed(too_late(self._assignment.run, "before the windows of the text were explained"))
            return
        reached = [target for group in self._groups for target in self._reached(group)]
        costs = [self._survey_cost, *(part.path.cost for part in self._parts)]
        self._assignment.finish(self._outcome.explained, reached, costs)

    def _reached(self, group: _Group) -> Iterator[pb.TargetSummary]:
        """What was reached for a group's targets: nothing where the deadline came before the first round."""
        estimate, targets = group.whole.estimate(), group.plan.targets
        if estimate is not None:
            return target_summaries(estimate, targets, stop_reasons(group.parts[-1].path))
        return map(self._left_out, targets)

    def _left_out(self, target: int) -> pb.TargetSummary:
        change = float(self._outcome.change[target])
        return pb.TargetSummary(
            target=target,
            f_input=float(self._outcome.f_input[target]),
            f_baseline=float(self._outcome.f_baseline[target]),
            convergence_delta=-change,
            error_bound=abs(change),
            stop_reason=pb.STOP_REASON_DEADLINE,
            unexplained=change,
        )

    def _progress(self) -> pb.Progress:
        paths, windows = [part.path for part in self._parts], len(self._paths)
        change = self._outcome.change
        for group in self._groups:
            change[list(group.plan.targets)] *= not group.finished_already
        return pb.Progress(
            points_done=sum(path.cost.points_there for path in paths),
            points_planned=sum(path.planned for path in paths),
            windows=windows,
            windows_predicted=windows,
            windows_done=self._windows_done,
            unexplained=change.tolist() if len(change) <= MOST_TOLD_TARGETS else (),
        )
