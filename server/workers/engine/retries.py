"""What is tried in place of a batch that has failed."""

from collections.abc import Sequence

from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.scheduler import Slice


def parts_of(slices: Sequence[Slice], *, halve: bool) -> list[Batch]:
    """Smaller batches of the same points; none where a batch cannot be smaller.

    Path by path, so that one cannot fail another; a path's own points in halves only where asked for.
    """
    if len(slices) > 1:
        return [Batch([piece]) for piece in slices]
    (piece,) = slices
    middle = len(piece.alphas) // 2
    if not (halve and middle):
        return []
    return [Batch([half]) for half in (piece.part(0, middle), piece.part(middle, len(piece.alphas)))]
