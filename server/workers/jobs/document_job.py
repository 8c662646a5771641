"""A long text in a worker: one forward pass over all its windows, then one window after the other."""

from collections.abc import Iterator
from typing import TypedDict

from ligserve.internal.v1.frames_pb2 import RunJob
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.explainers import Plan
from ligserve.server.workers.explainers.plans.document_outcome import InStepOutcome, Outcome
from ligserve.server.workers.identity import WorkerIdentity
from ligserve.server.workers.jobs import document_events
from ligserve.server.workers.jobs.document_in_step import WindowsInStep
from ligserve.server.workers.jobs.document_windows import DocumentWindows
from ligserve.server.workers.jobs.job_channel import JobChannel
from ligserve.server.workers.jobs.survey import Survey
from ligserve.v1 import explanation_service_pb2 as pb


class _Common(TypedDict):
    """What the windows are told of their job."""

    run: RunJob
    plan: Plan
    worker: WorkerIdentity
    channel: JobChannel
    received: float
    survey_cost: PathCost


class DocumentJob:
    """A request about a long text on its way.

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
        if plan.document is None:
            raise RuntimeError("the plan is not a document's")
        self._run = run
        self._plan = plan
        self._document = plan.document
        self._worker = worker
        self._channel = channel
        self._received = received
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
            survey = Survey(self._plan.paths, self._document.ends_of)
            for _ in survey.steps(engine.budgets):
                self._tell_progress(survey)
                yield
                if not self._channel.open:
                    return
            outcome = self._document.outcome(survey.logits())
            for event in document_events.opening(self._run.request_id, self._plan, outcome):
                self._channel.tell(event)
                yield
            self._windows = self._windows_of(outcome, survey.cost)
            self._windows.start(engine)
        except Exception as error:
            self._channel.end(error)

    def _windows_of(self, outcome: Outcome, survey_cost: PathCost) -> DocumentWindows | WindowsInStep:
        common = _Common(
            run=self._run,
            plan=self._plan,
            worker=self._worker,
            channel=self._channel,
            received=self._received,
            survey_cost=survey_cost,
        )
        if isinstance(outcome, InStepOutcome):
            return WindowsInStep(outcome=outcome, **common)
        return DocumentWindows(outcome=outcome, **common)

    def _tell_progress(self, survey: Survey) -> None:
        self._channel.tell_progress(
            lambda: pb.Progress(windows=len(self._plan.paths), windows_predicted=survey.predicted)
        )
