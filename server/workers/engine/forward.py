"""Forward passes without gradients: predictions, and the outputs at the ends of paths."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from ligserve.server.workers.engine.batch import stacked
from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.scheduler import may_share
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.failures import is_out_of_memory

T = TypeVar("T")
R = TypeVar("R")
# Of a text's windows so many different starts are run once each: those of equal lengths share theirs.
MOST_STARTS = 64


def predicted_logits(specs: Sequence[PathSpec]) -> list[Tensor]:
    """Logits of each path's input, nothing replaced: (C,), or (T, C) of a head that judges each token.

    They are on the host.

    Raises:
        FailedPreconditionError: a row does not fit the model.
    """
    for spec in specs:
        spec.check()
    model = specs[0].model
    with torch.no_grad():
        logits = model.logits(model.batch([spec.prediction_row for spec in specs]))
    return _own_logits(specs, logits)


def end_logits(specs: Sequence[PathSpec], end: int) -> list[Tensor]:
    """Logits at one end of each path, 0 its start or 1 its end; shapes as in `predicted_logits`."""
    every = [spec.ends() for spec in specs]
    moved = [stacked([ends[end][None] for ends in each]) for each in zip(*every, strict=True)]
    with torch.no_grad():
        logits = specs[0].run([spec.row for spec in specs], moved)
    return _own_logits(specs, logits)


def _own_logits(specs: Sequence[PathSpec], logits: Tensor) -> list[Tensor]:
    """Each path's own, waited for: what is computed next depends on them."""
    (arrived,) = specs[0].model.transfer.fetch([logits]).tensors()
    return [spec.own(each[None])[0].clone() for spec, each in zip(specs, arrived, strict=True)]


def in_halves(items: Sequence[T], run: Callable[[Sequence[T]], list[R]]) -> list[R]:
    """What `run` gives for the items; where memory is too small for all at once, in halves."""
    try:
        return run(items)
    except Exception as error:
        if len(items) == 1 or not is_out_of_memory(error):
            raise
    middle = len(items) // 2
    return in_halves(items[:middle], run) + in_halves(items[middle:], run)


def in_batches(items: Sequence[T], spec: Callable[[T], PathSpec], budgets: Budgets) -> Iterator[list[T]]:
    """The items in order, in batches of paths that may share one; each item is looked at once.

    Args:
        items: paths, or what has one.
        spec: the path of an item.
        budgets: most rows x padded length; one row always goes.
    """
    batch: list[T] = []
    first: PathSpec | None = None
    longest = 0
    for item in items:
        own = spec(item)
        longest = max(longest, own.tokens)
        full = (len(batch) + 1) * longest > budgets.of(own.model)
        if first is not None and (full or not may_share(first, own)):
            yield batch
            batch, first, longest = [], None, own.tokens
        first = first or own
        batch.append(item)
    if batch:
        yield batch
