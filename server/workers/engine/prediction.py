"""The forward passes that come before the points of paths."""

from collections.abc import Generator, Iterable, Sequence

from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.forward import in_batches, in_halves, predicted_logits
from ligserve.server.workers.engine.path import Path


def predicted(paths: Sequence[Path], budgets: Budgets) -> Generator[None, None, list[Path]]:
    """Predict paths, some at a time; returns those that are wanted and with which nothing was wrong."""
    good: list[Path] = []
    for number, batch in enumerate(_batches(paths, budgets)):
        if number:
            yield
        wanted = [path for path in batch if not path.cancelled]
        if wanted and _predict(wanted):
            good += wanted
    return good


def _batches(paths: Sequence[Path], budgets: Budgets) -> Iterable[Sequence[Path]]:
    """One by one where company moves a model's probabilities by more than predictions may be off."""
    if all(path.spec.model.same_in_batches for path in paths):
        return in_batches(paths, lambda path: path.spec, budgets)
    return ([path] for path in paths)


def _predict(paths: Sequence[Path]) -> bool:
    """Tell the listeners of paths of one kind their logits; whether nothing was wrong with any."""
    try:
        logits = in_halves([path.spec for path in paths], predicted_logits)
        for path, own in zip(paths, logits, strict=True):
            path.cost.add_rows(1, path.spec.tokens)
            path.predict(own)
    except Exception as error:
        for path in paths:
            path.listener.failed(error)
        return False
    return True
