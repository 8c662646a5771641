"""A path and its points: the unit that the engine schedules."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ligserve.server.workers.engine.kept_points import KeptPath
from ligserve.server.workers.engine.known_points import KnownPoints
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.spec import Ends, PathSpec
from ligserve.server.workers.quadrature import LockStepRule, NodeValue, QuadratureRule


class PathListener(Protocol):
    """Whoever asked for a path; called in the engine's thread."""

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        """Before the path's first gradient: logits of the input, (C,) or (T, C); returns what is explained.

        May raise ServeError, which ends the path.
        """
        ...

    def points_done(self, path: "Path") -> None:
        """A batch with points of the path is done, and what it calls for is planned."""
        ...

    def previewed(self, path: "Path", value: NodeValue) -> None:
        """The input's own point is done, where a preview is wanted."""
        ...

    def round_done(self, path: "Path") -> None:
        """A round is closed and its estimate is there; more rounds follow."""
        ...

    def finished(self, path: "Path") -> None:
        """The estimate is final; there may be none if the path is dispensable and was cut by the deadline."""
        ...

    def failed(self, error: Exception) -> None:
        """The path cannot be finished."""
        ...


class PointValue(NamedTuple):
    """What a batch gives for one point.

    Attributes:
        alpha: the point.
        value: of the outputs that were evaluated.
        logits: (C,) or (T, C), float64.
    """

    alpha: float
    value: NodeValue
    logits: Tensor


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
        self._basis = basis
        self._kept: KeptPath | None = None
        self._ends: Sequence[Ends] | None = None
        self._due = rule.start()
        self._planned = len(self._due)
        self._missing = set(self._due)
        self._held_back: list[float] = []
        self._first: NodeValue | None = None
        if preview:
            self._due, self._held_back = self._due[:1], self._due[1:]
        self._waits = False
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
        """Alphas that wait for a batch."""
        return self._due

    @property
    def needed(self) -> list[Output]:
        """What the points that are due are evaluated for: the outputs whose work goes on."""
        return [self.outputs[number] for number in self.rule.needed(len(self.outputs))]

    @property
    def evaluated(self) -> Sequence[Output]:
        """What a batch works out at the points that are due."""
        return self._basis if self._basis and self._kept is not None else self.needed

    @property
    def planned(self) -> int:
        """Points done and asked for so far."""
        return self._planned

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for this path any more."""
        return self.cancelled_at is not None

    def cancel(self) -> None:
        """Give the path up; its points leave at the next batch. From any thread."""
        self.cancelled_at = self.cancelled_at or time.monotonic()

    def begin(self, kept: KeptPath | None) -> None:
        """Start with the points that are known from before; `kept` takes all that follow."""
        self._kept = kept
        self._take_known()

    def take(self, count: int) -> list[float]:
        """The next `count` alphas, for a batch."""
        taken, self._due = self._due[:count], self._due[count:]
        return taken

    def deliver(self, values: Sequence[PointValue]) -> None:
        """Take the values of a batch; tell the listener what follows from them."""
        self.cost.add_gradients(len(values) * len(set(self.evaluated)), self.spec.tokens)
        if self._kept is not None:
            for alpha, value, logits in values:
                self._kept.put(alpha, logits, self.evaluated, value.token_sums)
        for alpha, value in self._explained(values):
            self._add(alpha, value)
        self.cost.points += len(values)
        self._ends = None
        self._points_done()

    def _explained(self, values: Sequence[PointValue]) -> Iterator[tuple[float, NodeValue]]:
        """The values of what is explained, from those of what was evaluated."""
        if self.evaluated is not self._basis:
            yield from ((point.alpha, point.value) for point in values)
            return
        logits = torch.stack([point.logits for point in values])
        sums = np.stack([point.value.token_sums for point in values])
        own = KnownPoints(logits, self._basis, sums).values(self.needed)
        for point, value in zip(values, own, strict=True):
            if value is None:
                raise RuntimeError("what is explained does not follow from its basis")
            yield point.alpha, value

    def _take_known(self) -> None:
        """Points that are due and need no batch."""
        if self._kept is None or not self._due:
            return
        known = self._kept.values(self._due, self.needed)
        self._due = [alpha for alpha in self._due if alpha not in known]
        for alpha, value in known.items():
            self._add(alpha, value)
        self.cost.reused += len(known)
        if known:
            self._points_done()

    def _add(self, alpha: float, value: NodeValue) -> None:
        self.rule.add(alpha, value)
        self._missing.discard(alpha)
        if self._held_back:
            self._first = value

    def _points_done(self) -> None:
        if self._held_back and self._first is not None:
            self._due, self._held_back = self._held_back, []
            self.listener.points_done(self)
            self.listener.previewed(self, self._first)
            self._take_known()
        elif self._missing:
            self.listener.points_done(self)
        elif (due := self.rule.advance()) is None:
            self._waits = True
            self.listener.points_done(self)
        else:
            self._start_round(due)

    def _start_round(self, due: list[float]) -> None:
        self._waits = False
        self._due = due
        self._planned += len(self._due)
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
        self._planned = 0
        self.listener.finished(self)

    def stop_early(self) -> None:
        """The deadline is near: what is known is the answer; else a dispensable path has none."""
        if self.finished or not (self.dispensable or self.rule.estimate() is not None):
            return
        self.cut_by_deadline = True
        self.rule.cut()
        self._due, self._missing = [], set()
        self._waits = False
        self.listener.finished(self)
