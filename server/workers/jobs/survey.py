"""Forward passes over the windows of a document, and over the ends of their paths, before any gradient."""

import time
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.forward import (
    MOST_STARTS,
    end_logits,
    in_batches,
    in_halves,
    predicted_logits,
)
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers import PathPlan
from ligserve.server.workers.explainers.plans.document_outcome import WindowLogits


class Survey:
    """The logits of every window's input, and those at both ends of the paths that are to be integrated.

    Args:
        paths: the windows' paths.
        ends_of: from the inputs' logits to the windows whose paths' ends are wanted; None: every window's.

    Attributes:
        cost: what it has cost so far.
        seconds: what that has taken.
        predicted: number of windows whose logits are known.
    """

    def __init__(
        self,
        paths: Sequence[PathPlan],
        ends_of: Callable[[Sequence[Tensor]], Sequence[int]] | None = None,
    ) -> None:
        self._paths = paths
        self._ends_of = ends_of
        self.cost = PathCost()
        self.seconds = 0.0
        self.predicted = 0
        # In float32, the model's own arithmetic; of a head that judges each token, of the tokens that count.
        self._inputs: list[Tensor] = []
        self._starts: list[Tensor] = []
        self._ends: list[Tensor] = []
        self._known_starts: dict[bytes | int, Tensor] = {}

    def steps(self, budgets: Budgets) -> Iterator[None]:
        """One forward pass after the other, of at most so many rows x padded length each."""
        for batch in in_batches(self._paths, lambda path: path.spec, budgets):
            self._inputs += self._done(batch, predicted_logits)
            yield
            if self._ends_of is None:
                yield from self._both_ends(batch, self._inputs[-len(batch) :])
            self.predicted += len(batch)
            yield
        for window in () if self._ends_of is None else self._ends_of(self._inputs):
            yield from self._both_ends([self._paths[window]], [self._inputs[window]])

    def _both_ends(self, batch: Sequence[PathPlan], inputs: Sequence[Tensor]) -> Iterator[None]:
        """The ends of paths whose inputs' logits are known."""
        self._starts += self._starts_of(batch)
        if batch[0].spec.prediction_row is batch[0].spec.row:
            self._ends += inputs
        else:
            yield
            self._ends += self._done(batch, lambda some: end_logits(some, 1))

    def _starts_of(self, batch: Sequence[PathPlan]) -> list[Tensor]:
        """The starts of paths, each kind of start run once."""
        keys: list[bytes | int] = [path.spec.start_key or number for number, path in enumerate(batch)]
        fresh = {
            key: path.spec for key, path in zip(keys, batch, strict=True) if key not in self._known_starts
        }
        logits = self._run(list(fresh.values()), lambda some: end_logits(some, 0)) if fresh else []
        found = {**self._known_starts, **dict(zip(fresh, logits, strict=True))}
        for key in fresh:
            if isinstance(key, bytes) and len(self._known_starts) < MOST_STARTS:
                self._known_starts[key] = found[key].clone()
        return [_kept(path, found[key]) for path, key in zip(batch, keys, strict=True)]

    def logits(self) -> WindowLogits:
        """What was found, on the CPU."""
        return WindowLogits(self._inputs, self._starts, self._ends)

    def _done(
        self, batch: Sequence[PathPlan], run: Callable[[Sequence[PathSpec]], list[Tensor]]
    ) -> list[Tensor]:
        logits = self._run([path.spec for path in batch], run)
        return [_kept(path, each) for path, each in zip(batch, logits, strict=True)]

    def _run(
        self, specs: Sequence[PathSpec], run: Callable[[Sequence[PathSpec]], list[Tensor]]
    ) -> list[Tensor]:
        self.cost.rows += len(specs)
        self.cost.tokens += sum(spec.tokens for spec in specs)
        self.cost.batches += 1
        started = time.monotonic()
        logits = in_halves(specs, run)
        self.seconds += time.monotonic() - started
        return logits


def _kept(path: PathPlan, logits: Tensor) -> Tensor:
    """A copy of what counts: a view would keep the logits of all tokens."""
    own = logits if path.kept is None else logits[path.kept.start : path.kept.stop].clone()
    return own.float().cpu()
