"""What is known of a document before any gradient, and how much there is to explain in each window."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_service_pb2 as pb

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class WindowLogits:
    """Logits of W windows: (C,) each, or (T, C) of a head that judges each token.

    Attributes:
        inputs: of the windows as the model is deployed.
        starts: at the starts of their paths, or of those that the document's plan wants the ends of.
        ends: at the ends of these paths.
    """

    inputs: Sequence[Tensor]
    starts: Sequence[Tensor]
    ends: Sequence[Tensor]


def _nothing(_window: int) -> pb.Window:
    return pb.Window()


@dataclass(frozen=True)
class DocumentOutcome:
    """W windows and K targets, and the N pairs of a window and a target that is about it.

    There may be as many targets as tokens, each about one window: so nothing here has W x K values.

    Attributes:
        header: the document's output, and what is odd about it.
        explained: the K targets.
        shares: (W,), each window's share in the document.
        targets: (N,), the pairs' targets; window by window, in ascending order.
        first_pairs: (W + 1,), where each window's pairs start, and the last one's end.
        f_input: (N,), the targets' values for the windows, without share.
        f_baseline: (N,), their values for the windows' baselines.
        told: what is told of a window beside its tokens and changes.
    """

    header: pb.Header
    explained: Sequence[Explained]
    shares: Floats
    targets: Numbers
    first_pairs: Numbers
    f_input: Floats
    f_baseline: Floats
    told: Callable[[int], pb.Window] = _nothing

    def pairs(self, window: int) -> slice:
        """A window's pairs."""
        return slice(int(self.first_pairs[window]), int(self.first_pairs[window + 1]))

    def changes_in(self, window: int) -> list[float]:
        """What there is to explain in a window."""
        changes: list[float] = self.changes[self.pairs(window)].tolist()
        return changes

    def targets_of(self, window: int) -> list[int]:
        """Numbers of the targets that are about a window."""
        numbers: list[int] = self.targets[self.pairs(window)].tolist()
        return numbers

    @cached_property
    def windows(self) -> Numbers:
        """(N,), the pairs' windows."""
        return np.repeat(np.arange(len(self.shares)), np.diff(self.first_pairs))

    @cached_property
    def changes(self) -> Floats:
        """(N,): what there is to explain: share x (f(input) - f(baseline))."""
        changes: Floats = self.shares[self.windows] * (self.f_input - self.f_baseline)
        return changes

    @cached_property
    def sizes(self) -> Floats:
        """(K,): the sum of the windows' |changes|."""
        return self.summed(np.abs(self.changes))

    def summed(self, values: Floats) -> Floats:
        """(N,) values of pairs to (K,) sums over the windows."""
        sums = np.zeros(len(self.explained))
        np.add.at(sums, self.targets, values)
        return sums

    def by_size(self) -> list[int]:
        """The windows that a target is about, by how much there is to explain in them.

        Those come first that hold most of the change of one target; where each target is about one window,
        those that hold most of all.
        """
        parts = np.abs(self.changes) / np.maximum(self.sizes[self.targets], np.finfo(np.float64).tiny)
        largest, whole = np.zeros((2, len(self.shares)))
        np.maximum.at(largest, self.windows, parts)
        np.add.at(whole, self.windows, np.abs(self.changes))
        order: list[int] = np.lexsort((-whole, -largest)).tolist()
        return [window for window in order if self.first_pairs[window] < self.first_pairs[window + 1]]


class WindowCoupling(Protocol):
    """From the outputs of windows that move together to targets (a Coupling)."""

    @property
    def followed(self) -> Sequence[Output]:
        """The J outputs of each window."""
        ...

    @property
    def reach(self) -> NDArray[np.bool_]:
        """(K, J), which of them each target depends on."""
        ...

    def __call__(self, followed: Floats) -> tuple[Floats, Floats, Floats]:
        """From (W x J,), one window after the other, to what a Coupling gives."""
        ...


@dataclass(frozen=True)
class InStep:
    """Windows that move together, and the targets that each are about all of them.

    Attributes:
        windows: the windows' numbers, ascending.
        targets: the targets' numbers, ascending.
        coupling: from the windows to the targets.
        rule: integrates over all these windows.
    """

    windows: range
    targets: range
    coupling: WindowCoupling
    rule: QuadratureRule


@dataclass(frozen=True)
class InStepOutcome:
    """W windows in groups that move together; K targets, each about all windows of one group.

    Attributes:
        header: the document's output, and what is odd about it.
        explained: the K targets.
        shares: (W,), each window's share in the document.
        groups: of all windows and targets, in the targets' order.
        f_input: (K,), the targets' values for the document.
        f_baseline: (K,), their values for the document's baseline.
        told: what is told of a window beside its tokens.
    """

    header: pb.Header
    explained: Sequence[Explained]
    shares: Floats
    groups: Sequence[InStep]
    f_input: Floats
    f_baseline: Floats
    told: Callable[[int], pb.Window] = _nothing

    @property
    def change(self) -> Floats:
        """(K,), the document's f(input) - f(baseline)."""
        changes: Floats = self.f_input - self.f_baseline
        return changes

    def changes_in(self, _window: int) -> list[float]:
        """Nothing: it is not known before all is explained."""
        return []


Outcome = DocumentOutcome | InStepOutcome
OutcomeSteps = Generator[None, None, Outcome]
