"""Forward passes over both ends of every window of a document, before any gradient."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ligserve.server.workers.engine.forward import end_logits, in_batches, in_halves, predicted_logits
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers import PathPlan
from ligserve.server.workers.explainers.aggregates import WindowLogits


class Survey:
    """The logits of every window's input and baseline.

    Args:
        paths: the windows' paths; each is asked for once.

    Attributes:
        cost: what it has cost so far.
        predicted: number of windows whose logits are known.
    """

    def __init__(self, paths: Sequence[PathPlan]) -> None:
        self._paths = paths
        self.cost = PathCost()
        self.predicted = 0
        # In float32, the model's own arithmetic.
        self._columns: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])

    def steps(self, token_budget: int) -> Iterator[None]:
        """One forward pass after the other, of at most so many rows x padded length each."""
        inputs, starts, ends = self._columns
        for batch in in_batches(self._paths, lambda path: path.spec, token_budget):
            specs = [path.spec for path in batch]
            inputs += self._done(specs, predicted_logits)
            yield
            starts += self._done(specs, lambda some: end_logits(some, 0))
            if specs[0].prediction_row is specs[0].row:
                ends += inputs[-len(specs) :]
            else:
                yield
                ends += self._done(specs, lambda some: end_logits(some, 1))
            self.predicted += len(specs)
            yield

    def logits(self) -> WindowLogits:
        """What was found, in float64 on the CPU."""
        return WindowLogits(*(torch.stack(column).double() for column in self._columns))

    def _done(
        self, specs: Sequence[PathSpec], run: Callable[[Sequence[PathSpec]], list[Tensor]]
    ) -> list[Tensor]:
        logits = in_halves(specs, run)
        self.cost.rows += len(specs)
        self.cost.tokens += sum(spec.tokens for spec in specs)
        self.cost.batches += 1
        return [each.float().cpu() for each in logits]
