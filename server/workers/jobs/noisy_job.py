"""A request about noisy copies of an image: one prediction, then copy after copy, folded into one."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import torch
from torch import Tensor

from ligserve.server.errors import DeadlineExceededError
from ligserve.server.large_messages import opening
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.forward import end_logits, in_batches, in_halves, predicted_logits
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.jobs import events
from ligserve.server.workers.jobs.assignment import Assignment
from ligserve.server.workers.jobs.part import Part
from ligserve.server.workers.jobs.summary import stop_reasons, target_summaries
from ligserve.server.workers.quadrature import CombinedCopies, FixedRule, NodeValue, QuadratureRule
from ligserve.v1 import explanation_service_pb2 as pb

START, END = 0, 1


class NoisyJob:
    """A request on its way; hears from the copies' parts and tells the front (a PartListener).

    Only some copies are open at a time: memory does not grow with their number.
    """

    def __init__(self, assignment: Assignment) -> None:
        plan = assignment.plan
        if plan.copies is None:
            raise RuntimeError("the plan has no noisy copies")
        self._assignment = assignment
        self._channel = assignment.channel
        self._copies = plan.copies
        self._specs = iter(plan.copies.specs)
        # The image itself: it is predicted, and integrated by nobody; the answer's estimates are about it.
        self._image = Part(self, 0, plan.paths[0], assignment)
        self._combined = CombinedCopies(plan.copies.kind)
        self._past = PathCost()
        self._baseline: Tensor | None = None
        self._open: list[Part] = []
        # Copies taken from the plan, and those of them that are not yet open.
        self._opened = 0
        self._pending = 0
        self._cut = False

    def start(self, engine: Engine) -> None:
        """Have the image predicted, then the copies integrated."""
        self._engine = engine
        engine.submit_work(self._steps())

    def cancel(self) -> None:
        """Stop; the front hears that the job ended. From any thread."""
        self._channel.end()
        for part in tuple(self._open):
            part.path.cancel()

    def part_predicted(self) -> None:
        """The header, before the first gradient."""
        header = events.header(self._assignment, [self._image])
        self._channel.tell_all(opening(header))

    def part_moved(self) -> None:
        """A sign of life."""
        self._channel.tell_progress(self._progress)

    def part_previewed(self, part: Part, value: NodeValue) -> None:
        """Not heard of: no preview is asked for."""

    def part_refined(self, part: Part) -> None:
        """Not told: a copy counts once it is done."""

    def part_finished(self, part: Part) -> None:
        """Fold the copy in, if it came to an estimate; open others, or finish."""
        self._open.remove(part)
        self._past += part.path.cost
        self._cut = self._cut or part.path.cut_by_deadline
        estimate = part.path.rule.estimate()
        if estimate is not None:
            self._combined.add(estimate, stop_reasons(part.path))
        more = not self._cut and self._opened < self._copies.samples
        if more:
            self._engine.submit_work(self._opening())
        if not (more or self._open or self._pending):
            self._finish()
        elif self._image.pace.due():
            self._tell_estimates(final=False)

    def failed(self, error: Exception) -> None:
        """The front hears why; the other copies are for nobody."""
        self._channel.end(error)
        self.cancel()

    def _steps(self) -> Iterator[None]:
        """What comes before the first gradient; between two steps others have their turn."""
        image = [self._image.plan.spec]
        try:
            (logits,) = self._forward(image, predicted_logits)
            self._image.predicted(logits)
            yield
            if self._knows_ends:
                (self._baseline,) = self._forward(image, lambda some: end_logits(some, START))
                yield
        except Exception as error:
            self.failed(error)
            return
        yield from self._opening()

    def _opening(self) -> Iterator[None]:
        """Open as many copies as there is room for."""
        try:
            specs = list(islice(self._specs, self._room))
            self._opened += len(specs)
            self._pending += len(specs)
            for batch in in_batches(specs, lambda spec: spec, self._engine.budgets):
                if not self._channel.open:
                    return
                for spec, rule in zip(batch, self._rules(batch), strict=True):
                    self._open_copy(spec, rule)
                yield
        except Exception as error:
            self.failed(error)

    @property
    def _room(self) -> int:
        """How many copies may be opened now."""
        wanted = self._channel.open and not self._cut
        return max(0, self._copies.at_once - len(self._open) - self._pending) if wanted else 0

    def _open_copy(self, spec: PathSpec, rule: QuadratureRule) -> None:
        plan = replace(self._image.plan, spec=spec, rule=rule)
        part = Part(self, 0, plan, self._assignment, dispensable=True)
        part.know(self._image.targets, self._image.explained, 1.0)
        self._open.append(part)
        self._pending -= 1
        # Cancelled meanwhile, from another thread.
        if not self._channel.open:
            part.path.cancel()
        self._engine.schedule(part.path)

    def _rules(self, specs: Sequence[PathSpec]) -> list[QuadratureRule]:
        """A rule for each copy; a fixed one needs no gradient at the ends: it is told their outputs."""
        rules = [copy.deepcopy(self._image.plan.rule) for _ in specs]
        if self._baseline is not None:
            ends = self._forward(specs, lambda some: end_logits(some, END))
            for rule, end in zip(rules, ends, strict=True):
                self._know_end(rule, float(START), self._baseline)
                self._know_end(rule, float(END), end)
        return rules

    def _know_end(self, rule: QuadratureRule, alpha: float, logits: Tensor) -> None:
        if isinstance(rule, FixedRule):
            outputs, row = [each.output for each in self._image.explained], logits[None]
            values, noise = (
                torch.cat(columns).cpu().numpy()
                for columns in ([each(row) for each in outputs], [each.noise(row) for each in outputs])
            )
            rule.know(alpha, values, noise)

    @property
    def _knows_ends(self) -> bool:
        return isinstance(self._image.plan.rule, FixedRule)

    def _forward(
        self, specs: Sequence[PathSpec], run: Callable[[Sequence[PathSpec]], list[Tensor]]
    ) -> list[Tensor]:
        logits = in_halves(specs, run)
        tokens = sum(spec.tokens for spec in specs)
        self._past += PathCost(rows=len(specs), tokens=tokens, batches=1)
        return logits

    def _finish(self) -> None:
        estimate = self._combined.estimate()
        if estimate is None:
            message = "the deadline came before a noisy copy was explained"
            self.failed(DeadlineExceededError(message, reason="DEADLINE"))
            return
        self._tell_estimates(final=True)
        reasons = self._combined.stop_reasons()
        if self._combined.count < self._copies.samples:
            reasons = [pb.STOP_REASON_DEADLINE] * len(reasons)
        targets = list(target_summaries(estimate, self._image.targets, reasons))
        self._assignment.finish(self._image.explained, targets, [self._past])

    def _tell_estimates(self, *, final: bool) -> None:
        estimate = self._combined.estimate()
        if estimate is not None:
            self._channel.tell_estimates(events.estimates_of(estimate, self._image, final=final))

    def _progress(self) -> pb.Progress:
        paths = [part.path for part in self._open]
        first_round = len(self._image.plan.rule.start()) - 2 * self._knows_ends
        to_come = first_round * (self._copies.samples - self._opened + self._pending)
        return pb.Progress(
            points_done=self._past.points_there + sum(path.cost.points_there for path in paths),
            points_planned=self._past.points_there + sum(path.planned for path in paths) + to_come,
        )
