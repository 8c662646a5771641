"""A long text in a worker: one forward pass over all its windows, then one window after the other."""

import time
from collections.abc import Generator, Iterator

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers.plans.document_outcome import InStepOutcome, Outcome
from ligserve.server.workers.jobs import document_events
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.document_in_step import WindowsInStep
from ligserve.server.workers.jobs.document_windows import DocumentWindows
from ligserve.server.workers.jobs.survey import Survey
from ligserve.server.workers.jobs.time_limits import Countdown, too_late, too_little_time
from ligserve.v1 import explanation_service_pb2 as pb


class DocumentJob:
    """A request about a long text on its way."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._document = assignment.document
        self._paths = assignment.plan.paths
        self._channel = assignment.channel
        self._windows: DocumentWindows | WindowsInStep | None = None

    def start(self, engine: Engine) -> None:
        """Have the windows predicted, then explained."""
        engine.submit_work(self._steps(engine))

    def cancel(self) -> None:
        """Stop; the front hears that the job ended. From any thread."""
        self._channel.end()
        if self._windows is not None:
            self._windows.cancel()

    def _steps(self, engine: Engine) -> Iterator[None]:
        """What comes before the first gradient; between two steps others have their turn."""
        try:
            survey = Survey(self._paths, self._document.ends_of)
            countdown = Countdown(self._assignment.deadline)
            for _ in survey.steps(engine.budgets):
                self._tell_progress(survey)
                yield
                if not self._channel.open:
                    return
                if countdown.up:
                    raise too_late(self._assignment.run, _predicted(survey, len(self._paths)))
            outcome = yield from self._outcome(survey, countdown)
            if outcome is None:
                return
            for event in document_events.opening(self._assignment, outcome, self._warnings(survey)):
                self._channel.tell(event)
                yield
                if not self._channel.open:
                    return
            self._windows = self._windows_of(outcome, survey.cost)
            self._windows.start(engine)
        except Exception as error:
            self._channel.end(error)
            self.cancel()  # windows that are open already are for nobody

    def _outcome(self, survey: Survey, countdown: Countdown) -> Generator[None, None, Outcome | None]:
        """What is known of the document; None where nobody wants it any more."""
        steps = self._document.outcome_steps(survey.logits())
        while True:
            try:
                next(steps)
            except StopIteration as done:
                outcome: Outcome = done.value
                return outcome
            self._tell_progress(survey)
            yield
            if not self._channel.open:
                return None
            if countdown.up:
                raise too_late(self._assignment.run, _predicted(survey, len(self._paths)))

    def _windows_of(self, outcome: Outcome, survey_cost: PathCost) -> DocumentWindows | WindowsInStep:
        if isinstance(outcome, InStepOutcome):
            return WindowsInStep(self._assignment, outcome, survey_cost)
        return DocumentWindows(self._assignment, outcome, survey_cost)

    def _warnings(self, survey: Survey) -> Iterator[pb.Warning]:
        """Of the time that is left for the windows."""
        assignment = self._assignment
        if assignment.deadline is None:
            return iter(())
        expected_s = assignment.explaining_s(survey.seconds / survey.cost.tokens)
        left_s = assignment.deadline - time.monotonic()
        return too_little_time(assignment.run, len(self._paths), expected_s, left_s)

    def _tell_progress(self, survey: Survey) -> None:
        self._channel.tell_progress(
            lambda: pb.Progress(windows=len(self._paths), windows_predicted=survey.predicted)
        )


def _predicted(survey: Survey, windows: int) -> str:
    return f"when {survey.predicted} of the text's {windows} windows were predicted, and none was explained"
