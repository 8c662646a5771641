"""One path of a job, and what is known of it so far."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import Explained, PathPlan
from ligserve.server.workers.explainers.options.accuracy import refuse_too_many_scores
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.job_channel import EstimatePace
from ligserve.server.workers.quadrature import LockStepRule, NodeValue


class PartListener(Protocol):
    """The job that a part belongs to; called in the engine's thread."""

    def part_predicted(self) -> None:
        """One more part knows its logits."""
        ...

    def part_moved(self) -> None:
        """Points of a part are done."""
        ...

    def part_previewed(self, part: "Part", value: NodeValue) -> None:
        """The value of a part at its input, where a preview is wanted."""
        ...

    def part_refined(self, part: "Part") -> None:
        """A part has a new estimate; more rounds follow."""
        ...

    def part_finished(self, part: "Part") -> None:
        """A part's estimate is final."""
        ...

    def failed(self, error: Exception) -> None:
        """A part cannot be finished, and so the job cannot."""
        ...


class Part:
    """A path of a job; hears from the engine (a PathListener).

    Args:
        job: hears of it.
        window: position among the job's paths.
        plan: what the explainer made of it.
        assignment: the job's.
        dispensable: whether an answer can do without it.
        preview: whether the value at its input is told first.
        deadline: time.monotonic() at which its estimate must be there; None: the answer's own deadline.

    Attributes:
        window: position among the job's paths.
        plan: what the explainer made of it.
        path: the path.
        pace: how often its estimates are told before the final one.
        logits: logits of the input, (C,) or (T, C); None until they are known.
        explained: what is explained; empty until the logits are known.
        share: what its scores are multiplied by; below 1 for a window of a document.
        finished_already: whether its estimate is final.
    """

    def __init__(
        self,
        job: PartListener,
        window: int,
        plan: PathPlan,
        assignment: Assignment,
        *,
        dispensable: bool = False,
        preview: bool = False,
        deadline: float | None = None,
    ) -> None:
        self.window = window
        self.plan = plan
        self.path = Path(
            plan.spec,
            plan.rule,
            self,
            assignment.deadline if deadline is None else deadline,
            owner=job,
            dispensable=dispensable,
            basis=plan.basis,
            preview=preview and not isinstance(plan.rule, LockStepRule),
            most_outputs=plan.most_targets,
        )
        self.pace = EstimatePace(assignment.run)
        self.logits: Tensor | None = None
        self.explained: Sequence[Explained] = ()
        self.share = 1.0
        self.finished_already = False
        self._job = job
        self._targets: Sequence[int] | None = None

    @property
    def targets(self) -> Sequence[int]:
        """Numbers of its targets, as the header counts them."""
        first = self.plan.first_target
        return range(first, first + len(self.explained)) if self._targets is None else self._targets

    def know(self, targets: Sequence[int], explained: Sequence[Explained], share: float) -> None:
        """Take what a document's prediction told of it already, in place of a prediction of its own."""
        self._targets = targets
        self.explained = explained
        self.share = share
        self.path.outputs = self.plan.outputs or [each.output for each in explained]
        self._check()

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        """Keep the logits; the job waits for those of every part."""
        self.logits = logits
        self.explained = self.plan.explained(logits)
        self._check()
        self._job.part_predicted()
        return self.plan.outputs or [each.output for each in self.explained]

    def points_done(self, path: Path) -> None:
        """Pass it on."""
        self._job.part_moved()

    def previewed(self, path: Path, value: NodeValue) -> None:
        """Pass it on."""
        self._job.part_previewed(self, value)

    def round_done(self, path: Path) -> None:
        """Pass it on."""
        self._job.part_refined(self)

    def finished(self, path: Path) -> None:
        """Pass it on."""
        self.finished_already = True
        self._job.part_finished(self)

    def failed(self, error: Exception) -> None:
        """Pass it on."""
        self._job.failed(error)

    def _check(self) -> None:
        refuse_too_many_scores(self.path.rule, len(self.explained), self.path.spec.length)
