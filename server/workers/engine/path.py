"""A path and its points: the unit that the engine schedules."""

import time
from collections.abc import Sequence

from torch import Tensor

from ligserve.server.workers.engine.alike import alike_rows
from ligserve.server.workers.engine.evaluations import Evaluations
from ligserve.server.workers.engine.kept_path import KeptPath
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.path_listener import PathListener
from ligserve.server.workers.engine.point_value import PointValue
from ligserve.server.workers.engine.self_prediction import predicts_itself
from ligserve.server.workers.engine.spec import Ends, PathSpec
from ligserve.server.workers.quadrature import LockStepRule, NodeValue, QuadratureRule

FLOAT32_BYTES = 4


class Path:
    """A path on its way: which points are due, which are done.

    Args:
        spec: what it moves.
        rule: how it is integrated.
        listener: hears of it.
        deadline: time.monotonic() at which an answer must be out; None for none.
        owner: takes turns with other owners, with all its paths together; None: the path by itself.
        dispensable: whether an answer can do without it, if there is no estimate near the deadline.
        basis: outputs that are evaluated in place of those that are explained, which follow from them, where
            points are kept; empty for none.
        preview: whether the input's own point is worked out first, before all others.
        most_outputs: how many outputs are explained at most; None where only the prediction tells.

    Attributes:
        planned: points done and asked for so far.
        predicts_itself: whether its first batch of points may tell its prediction, which then costs nothing:
            the input's own point is one of them.
    """

    def __init__(
        self,
        spec: PathSpec,
        rule: QuadratureRule,
        listener: PathListener,
        deadline: float | None,
        *,
        owner: object = None,
        dispensable: bool = False,
        basis: Sequence[Output] = (),
        preview: bool = False,
        most_outputs: int | None = None,
    ) -> None:
        self.spec = spec
        self.rule = rule
        self.listener = listener
        self.deadline = deadline
        self.owner = self if owner is None else owner
        self.dispensable = dispensable
        self.cost = PathCost()
        self.outputs: Sequence[Output] = ()
        self.cut_by_deadline = False
        self.predicts_itself = most_outputs is not None and predicts_itself(spec, rule, most_outputs, basis)
        self._most_outputs = most_outputs or 1
        self._awaits_prediction = False
        self._evaluations = Evaluations(spec, basis)
        self._ends: Sequence[Ends] | None = None
        self._due = rule.start()
        self.planned = 1 if spec.stands_still else len(self._due)
        self._missing = set(self._due)
        self._held_back: list[float] = []
        self._first: NodeValue | None = None
        self._preview = preview
        # The one value of all points, once it is known.
        self._still: NodeValue | None = None
        self._stands_still = spec.stands_still
        if preview or self._stands_still:
            self._due, self._held_back = self._due[:1], self._due[1:]
        self._waits = False
        # What closing its last round took, and telling of it: about as long takes its answer.
        self.closing_seconds = 0.0
        self.cancelled_at: float | None = None
        if isinstance(rule, LockStepRule):
            rule.resume = self._start_round

    @property
    def ends(self) -> Sequence[Ends]:
        """Start and end of every tensor that it moves; they take memory until the batch is delivered."""
        if self._ends is None:
            self._ends = self.spec.ends()
        return self._ends

    @property
    def due(self) -> Sequence[float]:
        """Alphas that wait for a batch; none while the one under way is to tell the prediction."""
        return () if self._awaits_prediction else self._due

    def needed(self, alpha: float) -> tuple[Output, ...]:
        """What a point that is due is wanted for: the outputs whose work goes on there."""
        return tuple(self.outputs[number] for number in self.rule.needed(len(self.outputs), alpha))

    @property
    def evaluations(self) -> int:
        """How many outputs a batch works out at the points that `take` gives next, at most."""
        return len(self._evaluated(self._due[0])) if self.outputs else self._most_outputs

    @property
    def least_bytes(self) -> int:
        """What the token sums of its first round take at least."""
        evaluations = sum(len(self.needed(alpha)) for alpha in self._missing)
        return evaluations * self.spec.length * FLOAT32_BYTES

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for this path any more."""
        return self.cancelled_at is not None

    def cancel(self) -> None:
        """Give the path up; its points leave at the next batch. From any thread."""
        self.cancelled_at = self.cancelled_at or time.monotonic()

    def predict(self, logits: Tensor) -> None:
        """Take the logits of the input, (C,) or (T, C): what is explained follows from them."""
        self._awaits_prediction = False
        self.outputs = self.listener.predicted(logits)

    def begin(self, kept: KeptPath | None) -> None:
        """Start with the points that are known from before; `kept` takes all that follow."""
        self._evaluations.keep(kept)
        self._take_known()

    def take(self, count: int) -> tuple[list[float], tuple[tuple[Output, ...], ...]]:
        """The next alphas, for a batch, at most `count`, and what is evaluated at each: about as much."""
        outputs = [self._evaluated(alpha) for alpha in self._due[:count]]
        rows = alike_rows([len(each) for each in outputs], count)
        taken, self._due = self._due[:rows], self._due[rows:]
        self._awaits_prediction = not self.outputs
        return taken, tuple(outputs[:rows]) if self.outputs else ()

    def give_back(self, alphas: list[float]) -> None:
        """Have these taken again, once there is a prediction: their batch could not tell it."""
        self._due = alphas + self._due
        self.predicts_itself = False

    def deliver(self, values: Sequence[PointValue], outputs: Sequence[tuple[Output, ...]]) -> None:
        """Take a batch's values, of each point's own outputs; tell the listener what follows from them."""
        self.cost.add_gradients(sum(len(set(each)) for each in outputs), self.spec.tokens)
        self.cost.points += len(values)
        self._ends = None
        for alpha, value in self._evaluations.explained(values, outputs, self.needed).items():
            if isinstance(value, NodeValue):
                self._add(alpha, value)
            else:
                # What is known there tells too little; then all that is needed is evaluated.
                self._evaluations.lack(alpha, self.needed(alpha))
                self._due.insert(0, alpha)
        self._points_done()

    def _evaluated(self, alpha: float) -> tuple[Output, ...]:
        return self._evaluations.at(alpha, self.needed(alpha))

    def _take_known(self) -> None:
        """Points that are due and need no batch; of others, what they lack."""
        if self._still is not None:
            self._stay()
            return
        found = self._evaluations.known(self._due, self.needed)
        due = (alpha for alpha in self._due if alpha not in found)
        self._due = sorted(due, key=lambda alpha: -len(self._evaluated(alpha)))
        for alpha, value in found.items():
            self._add(alpha, value)
        self.cost.reused += len(found)
        if found:
            self._points_done()

    def _stay(self) -> None:
        """Every point that is due is like the first."""
        due, self._due = self._due, []
        if self._still is not None and due:
            for alpha in due:
                self._add(alpha, self._still.of(self.rule.needed(len(self.outputs), alpha)))
            self._points_done()

    def _add(self, alpha: float, value: NodeValue) -> None:
        if self._stands_still and self._still is None:
            value = self._still = value.at_rest()
        self.rule.add(alpha, value)
        self._missing.discard(alpha)
        if self._held_back:
            self._first = value

    def _points_done(self) -> None:
        if self._held_back and self._first is not None:
            self._due, self._held_back = self._held_back, []
            self.listener.points_done(self)
            if self._preview:
                self.listener.previewed(self, self._first)
            self._take_known()
        elif self._missing:
            self.listener.points_done(self)
        else:
            started = time.monotonic()
            self._close_round()
            self.closing_seconds = time.monotonic() - started

    def _close_round(self) -> None:
        if (due := self.rule.advance()) is None:
            self._waits = True
            self.listener.points_done(self)
        else:
            self._start_round(due)

    def _start_round(self, due: list[float]) -> None:
        self._waits = False
        self._due = due
        self.planned += 0 if self._stands_still else len(self._due)
        self._missing = set(self._due)
        self.listener.points_done(self)
        if self._due:
            self.listener.round_done(self)
            self._take_known()
        else:
            self.listener.finished(self)

    @property
    def finished(self) -> bool:
        """Whether no point is left, nor any to come."""
        return not self._missing and not self._waits

    def skip(self) -> None:
        """Nothing is explained: no point is computed."""
        self._due, self._missing = [], set()
        self.planned = 0
        self.listener.finished(self)

    def stop_early(self) -> None:
        """The deadline is near: what is known is the answer; else a dispensable path has none."""
        if self.finished:
            return
        self.rule.cut()
        if not (self.dispensable or self.rule.estimate() is not None):
            return
        self.cut_by_deadline = True
        self._due, self._missing = [], set()
        self._waits = False
        self.listener.finished(self)
