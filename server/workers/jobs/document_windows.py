"""The windows of a document whose output is known: explained by how much there is to explain."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import PathPlan
from ligserve.server.workers.explainers.options.accuracy import WINDOWS_AT_ONCE
from ligserve.server.workers.explainers.plans.document_outcome import DocumentOutcome
from ligserve.server.workers.jobs import events
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.document_totals import DocumentTotals
from ligserve.server.workers.jobs.job_channel import EstimatePace
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.jobs.time_limits import too_late
from ligserve.server.workers.quadrature import NodeValue, whole_estimate
from ligserve.v1 import explanation_service_pb2 as pb

# As many windows are open at a time as fill a batch with about so many points of each, but two at least.
POINTS_AT_ONCE = 8
# Progress tells of each target how much is unexplained, but not of more than these.
MOST_TOLD_TARGETS = 1000


class DocumentWindows:
    """Opens windows as others are finished; hears from them and tells the front (a PartListener).

    Only some windows are open at a time: memory does not grow with the text but for its tokens. Those that
    are explained together are opened together.

    Args:
        assignment: the document's.
        outcome: what is known of the document.
        survey_cost: what it has cost so far.
    """

    def __init__(self, assignment: Assignment, outcome: DocumentOutcome, survey_cost: PathCost) -> None:
        self._assignment = assignment
        self._plan = assignment.plan
        self._document = assignment.document
        self._channel = assignment.channel
        self._outcome = outcome
        self._survey_cost = survey_cost
        self._past = PathCost()
        together = self._document.together
        self._size = together.size if together else 1
        self._totals = DocumentTotals(outcome, self._document.tolerance, self._size)
        self._waiting = deque(outcome.by_size())
        self._longest = max(self._document.token_counts)
        self._deadline: float | None = None
        self._open: dict[int, Part] = {}
        # By the place among those that are explained together, and the first target.
        self._paces: dict[tuple[int, int], EstimatePace] = {}

    def start(self, engine: Engine) -> None:
        """Open the first windows; where there is nothing to explain, finish. From the engine's thread."""
        self._engine = engine
        self._deadline = engine.ends.before(self._assignment.deadline, len(self._outcome.explained))
        self._open_windows()
        if not self._open:
            self._finish()

    def cancel(self) -> None:
        """Stop the open windows; no more are opened once the channel has ended. From any thread."""
        for part in tuple(self._open.values()):
            part.path.cancel()

    def part_predicted(self) -> None:
        """Not heard of: the document was predicted before."""

    def part_moved(self) -> None:
        """A sign of life."""
        self._channel.tell_progress(self._progress)

    def part_previewed(self, part: Part, value: NodeValue) -> None:
        """Not heard of: no preview is asked for."""

    def part_refined(self, part: Part) -> None:
        """An estimate, if one is wanted and the targets' last one, of any window, is old enough."""
        if part.pace.due():
            self._channel.tell_estimates(events.estimates(part))

    def part_finished(self, part: Part) -> None:
        """The window's last estimates, if there are any; after the last window the summary, and the end."""
        self._channel.tell_estimates(events.estimates(part))
        self._close(part)
        first = part.window - part.window % self._size
        if any(window in self._open for window in range(first, first + self._size)):
            return
        estimate = whole_estimate(part.path.rule)
        if estimate is None:
            self._totals.leave_out(part.targets)
        else:
            self._totals.add(first, part, estimate)
        self._channel.tell_progress(self._progress, at_once=True)
        if part.path.cut_by_deadline:
            self._leave_out_the_rest()
        self._open_windows()
        if not self._open:
            self._finish()

    def failed(self, error: Exception) -> None:
        """The front hears why; the other windows are for nobody."""
        self._channel.end(error)
        self.cancel()

    def _open_windows(self) -> None:
        budget = self._engine.budgets.of(self._plan.model)
        most = max(WINDOWS_AT_ONCE, -(-budget // (POINTS_AT_ONCE * self._longest)))
        while self._channel.open and self._waiting and len(self._open) < most:
            parts = list(self._parts(self._waiting.popleft()))
            self._open.update({part.window: part for part in parts})
            for part in parts:
                self._engine.schedule(part.path)
            if not self._channel.open:
                self.cancel()  # a cancel that came meanwhile did not see them

    def _parts(self, first: int) -> Iterator[Part]:
        """A window, or those that are explained together with it."""
        targets = self._outcome.targets_of(first)
        explained = [self._outcome.explained[target] for target in targets]
        for window, plan in enumerate(self._plans(first, targets), first):
            part = Part(self, window, plan, self._assignment, dispensable=True, deadline=self._deadline)
            part.know(targets, explained, float(self._outcome.shares[window]))
            # Else the first estimates of thousands of windows would come at once.
            part.pace = self._paces.setdefault((window - first, targets[0]), part.pace)
            yield part

    def _plans(self, first: int, targets: Sequence[int]) -> Sequence[PathPlan]:
        rule, together = self._document.rule(self._outcome.sizes[targets]), self._document.together
        if together is None:
            return [replace(self._plan.paths[first], rule=rule)]
        return together.tie(self._plan.paths[first : first + together.size], rule, targets)

    def _close(self, part: Part) -> None:
        del self._open[part.window]
        self._past += part.path.cost

    def _leave_out_the_rest(self) -> None:
        waiting = np.isin(self._outcome.windows, list(self._waiting))
        self._totals.leave_out(self._outcome.targets[waiting])
        self._waiting.clear()

    def _finish(self) -> None:
        complete = self._totals.windows_done == len(self._plan.paths)
        if not complete and not self._totals.any_explained:
            self.failed(too_late(self._assignment.run, "before a window of the text was explained"))
            return
        explained = self._outcome.explained
        with self._engine.ends.ending(len(explained)):
            targets = list(self._totals.summaries(complete=complete))
            self._assignment.finish(explained, targets, [self._survey_cost, self._past])

    def _progress(self) -> pb.Progress:
        paths = [part.path for part in self._open.values()]
        windows, unexplained = len(self._plan.paths), self._totals.unexplained
        return pb.Progress(
            points_done=self._past.points_there + sum(path.cost.points_there for path in paths),
            points_planned=self._past.points_there + sum(path.planned for path in paths),
            windows=windows,
            windows_predicted=windows,
            windows_done=self._totals.windows_done,
            unexplained=unexplained.tolist() if len(unexplained) <= MOST_TOLD_TARGETS else (),
        )
