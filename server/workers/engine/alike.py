"""How many points of a path, at which not equally many outputs are evaluated, share a batch."""

from collections.abc import Sequence
from itertools import takewhile

# A row costs as many backward passes as the one of its batch for which most outputs are evaluated. So for
# others at least this share of so many are,
ALIKE = 0.7
# but for those that fill this part of the room: with fewer rows passes are no faster.
ENOUGH = 1 / 8


def alike_rows(evaluations: Sequence[int], room: int) -> int:
    """How many of the first rows go into a batch together.

    Args:
        evaluations: how many outputs are evaluated for each row, most first.
        room: how many rows the batch has room for, at least 1.
    """
    least, enough = ALIKE * evaluations[0], ENOUGH * room
    rows = range(min(room, len(evaluations)))
    return sum(1 for _ in takewhile(lambda row: row < enough or evaluations[row] >= least, rows))
