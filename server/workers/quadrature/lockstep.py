"""One quadrature rule over several paths that move together, for functions of all their outputs.

A target f depends on the outputs of L paths at the same alpha, J of each path. So its integrand for a token
of a path is the sum over the path's outputs z of df/dz times that token's integrand for z: J backward passes
for each path, however many targets there are.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ligserve.server.workers.quadrature.forecast import PointsForecast
from ligserve.server.workers.quadrature.rule import (
    EndValue,
    Floats,
    NodeValue,
    PathEstimate,
    QuadratureRule,
)
from ligserve.v1 import explanation_service_pb2 as pb

# From the paths' outputs, (L x J,), one path after the other, to the targets' values, (K,), their derivatives
# by the outputs, (K, L x J), and the log-odds of those that are probabilities, (K,), NaN of others.
Coupling = Callable[[Floats], tuple[Floats, Floats, Floats]]


class LockStep:
    """A rule whose nodes are put together from the nodes of L paths, each with J outputs of its own.

    Args:
        rule: integrates the K targets over the tokens of all paths, one path after the other.
        coupling: from the paths' outputs to the targets.
        lengths: number of tokens of each path.
        reach: (K, J), whether a target depends on an output, the same for every path; None: each on all. An
            output is evaluated while a target that depends on it goes on; after that the coupling is given 0.

    Attributes:
        members: the rules to give to the paths, in order.
    """

    def __init__(
        self,
        rule: QuadratureRule,
        coupling: Coupling,
        lengths: Sequence[int],
        reach: NDArray[np.bool_] | None = None,
    ) -> None:
        self._rule = rule
        self._coupling = coupling
        self._ends = list(accumulate(lengths, initial=0))
        self._reach = reach
        self._first = rule.start()
        self._waiting: dict[float, dict[int, NodeValue]] = {}
        self._closed: set[int] = set()
        self._estimate: PathEstimate | None = None
        self.members = [LockStepRule(self, number) for number in range(len(lengths))]

    def start(self) -> list[float]:
        """The first round's alphas, the same for every path."""
        return list(self._first)

    def forecast(self, targets: int) -> PointsForecast:
        """How many points each path will take."""
        return self._rule.forecast(targets)

    def needed(self, count: int, alpha: float) -> Sequence[int]:
        """Which of a path's `count` outputs the targets that a point is for depend on."""
        if self._reach is None:
            return range(count)
        going_on = list(self._rule.needed(len(self._reach), alpha))
        needed: list[int] = np.flatnonzero(self._reach[going_on].any(axis=0)).tolist()
        return needed

    def add(self, number: int, alpha: float, value: NodeValue) -> None:
        """Take the value of a path's point; the last path's completes the node."""
        values = self._waiting.setdefault(alpha, {})
        values[number] = value
        if len(values) == len(self.members):
            del self._waiting[alpha]
            self._rule.add(alpha, self._joined(alpha, [values[each] for each in range(len(self.members))]))

    def advance(self, number: int) -> list[float] | None:
        """Close the round when the last path is done with it; None for those before."""
        self._closed.add(number)
        if len(self._closed) < len(self.members):
            return None
        self._closed.clear()
        due = self._rule.advance()
        if due is None:
            raise RuntimeError("a rule in lock-step waits for paths of its own")
        self._estimate = self._rule.estimate()
        for each in self.members:
            if each is not self.members[number]:
                each.resume(list(due))
        return due

    def cut(self) -> None:
        """Make do with the nodes that are there; of some only the points of a few paths are."""
        self._rule.cut()
        self._estimate = self._rule.estimate()

    def estimate(self) -> PathEstimate | None:
        """The attributions of all targets over the tokens of all paths; a point is a row of one path."""
        whole = self._estimate
        return whole and replace(whole, points=whole.points * len(self.members))

    def estimate_of(self, number: int) -> PathEstimate | None:
        """The attributions over the tokens of one path; the values and bounds are those of the whole."""
        whole = self.estimate()
        if whole is None:
            return None
        own = slice(self._ends[number], self._ends[number + 1])
        errors = None if whole.score_errors is None else whole.score_errors[:, own]
        return replace(whole, scores=whole.scores[:, own], score_errors=errors)

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """Why each target's work ended."""
        return self._rule.stop_reasons()

    def _joined(self, alpha: float, values: Sequence[NodeValue]) -> NodeValue:
        known = len(values[0].f)
        count = known if self._reach is None else self._reach.shape[1]
        taken = list(self.needed(count, alpha))
        outputs = np.zeros((len(values), count))
        outputs[:, taken] = [value.f for value in values]
        f, slopes, log_odds = self._coupling(outputs.ravel())
        needed = list(self._rule.needed(len(f), alpha))
        slopes = slopes.reshape(len(f), len(values), count)[needed][:, :, taken]
        noise = np.einsum("klj,lj->k", np.abs(slopes), np.stack([value.noise for value in values]))
        sums = [slopes[:, number] @ value.token_sums for number, value in enumerate(values)]
        deployed = self._deployed(values, needed, count, taken)
        if deployed is not None:
            noise = np.maximum(noise, deployed.noise + np.abs(f[needed] - deployed.f))
        return NodeValue(
            f=f[needed],
            token_sums=np.concatenate(sums, axis=1),
            noise=noise,
            log_odds=log_odds[needed],
            score_noise=max(value.score_noise for value in values),
            worse=max(value.worse for value in values),
            deployed=deployed,
        )

    def _deployed(
        self, values: Sequence[NodeValue], needed: list[int], count: int, taken: list[int]
    ) -> EndValue | None:
        if all(value.deployed is None for value in values):
            return None
        # A path that stands still is as exact as the deployed model is.
        ends = [value.end for value in values]
        outputs = np.zeros((len(values), count))
        outputs[:, taken] = [end.f for end in ends]
        f, slopes, _ = self._coupling(outputs.ravel())
        slopes = np.abs(slopes.reshape(len(f), len(values), count)[needed][:, :, taken])
        noise: Floats = np.einsum("klj,lj->k", slopes, np.stack([end.noise for end in ends]))
        return EndValue(f[needed], noise)


class LockStepRule:
    """A path's view of the rule (a QuadratureRule); the path explains its outputs.

    Attributes:
        whole: the rule of all paths.
        resume: takes the alphas of a round that another path has closed; the path sets it.
    """

    def __init__(self, whole: LockStep, number: int) -> None:
        self.whole = whole
        self.resume: Callable[[list[float]], None] = _nobody
        self._number = number

    @property
    def is_first(self) -> bool:
        """Whether this is the first path's."""
        return self._number == 0

    def start(self) -> list[float]:
        """The first round's alphas."""
        return self.whole.start()

    def forecast(self, targets: int) -> PointsForecast:
        """Those of the rule of all paths."""
        return self.whole.forecast(targets)

    def needed(self, count: int, alpha: float) -> Sequence[int]:
        """The path's outputs that a target which the point is for depends on."""
        return self.whole.needed(count, alpha)

    def add(self, alpha: float, value: NodeValue) -> None:
        """Take the value of one of the path's points."""
        self.whole.add(self._number, alpha, value)

    def advance(self) -> list[float] | None:
        """The next round's alphas, or None until the other paths are done with this one."""
        return self.whole.advance(self._number)

    def cut(self) -> None:
        """Make do with the nodes that are there, for all paths: they are cut one after the other."""
        self.whole.cut()

    def estimate(self) -> PathEstimate | None:
        """The attributions of all targets over this path's tokens."""
        return self.whole.estimate_of(self._number)

    def stop_reasons(self) -> list["pb.StopReason.ValueType"]:
        """Why each target's work ended."""
        return self.whole.stop_reasons()


def whole_estimate(rule: QuadratureRule) -> PathEstimate | None:
    """The estimate of a path's rule; of all paths where it is one of several in lock-step."""
    return rule.whole.estimate() if isinstance(rule, LockStepRule) else rule.estimate()


def _nobody(_alphas: list[float]) -> None:
    raise RuntimeError("a rule in lock-step was given to no path")
