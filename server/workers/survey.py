"""Forward passes over both ends of every window of a document, before any gradient."""

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from ligserve.server.workers.engine.forward import end_logits, in_batches, in_halves, predicted_logits
from ligserve.server.workers.engine.path_cost import PathCost
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers import PathPlan
from ligserve.server.workers.explainers.document_outcome import WindowLogits


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
        # In float32, the model's own arithmetic; of a head that judges each token, of the tokens that count.
        self._columns: tuple[list[Tensor], list[Tensor], list[Tensor]] = ([], [], [])

    def steps(self, token_budget: int) -> Iterator[None]:
        """One forward pass after the other, of at most so many rows x padded length each."""
        inputs, starts, ends = self._columns
        for batch in in_batches(self._paths, lambda path: path.spec, token_budget):
            inputs += self._done(batch, predicted_logits)
            yield
            starts += self._done(batch, lambda some: end_logits(some, 0))
            if batch[0].spec.prediction_row is batch[0].spec.row:
                ends += inputs[-len(batch) :]
            else:
                yield
                ends += self._done(batch, lambda some: end_logits(some, 1))
            self.predicted += len(batch)
            yield

    def logits(self) -> WindowLogits:
        """What was found, on the CPU."""
        return WindowLogits(*self._columns)

    def _done(
        self, batch: Sequence[PathPlan], run: Callable[[Sequence[PathSpec]], list[Tensor]]
    ) -> list[Tensor]:
        specs = [path.spec for path in batch]
        logits = in_halves(specs, run)
        self.cost.rows += len(specs)
        self.cost.tokens += sum(spec.tokens for spec in specs)
        self.cost.batches += 1
        # Copies: a view would keep the logits of all tokens.
        kept = [
            each if path.kept is None else each[path.kept.start : path.kept.stop].clone()
            for path, each in zip(batch, logits, strict=True)
        ]
        return [each.float().cpu() for each in kept]
