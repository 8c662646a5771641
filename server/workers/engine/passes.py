"""The backward passes over rows of a path: in each, every row's next output, whatever the others' are."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ligserve.server.workers.engine.scheduler import Slice

# In place of an output, where a row has no more.
_NONE = -1


class Passes:
    """What the backward passes of a slice start from.

    Args:
        piece: the slice.
        logits: of its R rows.

    Attributes:
        values: of every distinct output f of the slice, (R,): apart, so that no gradient of one passes
            through the others.
        count: how many passes there are.
    """

    def __init__(self, piece: Slice, logits: Tensor) -> None:
        spec = piece.path.spec
        own = spec.own(logits)
        self.values = [output(own) for output in piece.distinct]
        rows = piece.places
        self.count = max(map(len, rows))
        passes = [
            [row[number] if number < len(row) else _NONE for row in rows] for number in range(self.count)
        ]
        # The outputs of each pass; and which of them is each row's, unless all have the same.
        self._used = [[place for place in dict.fromkeys(each) if place != _NONE] for each in passes]
        self._chosen: Tensor | None = None
        if any(row != rows[0] for row in rows):
            chosen = [
                [used.index(place) if place != _NONE else _NONE for place in each]
                for each, used in zip(passes, self._used, strict=True)
            ]
            self._chosen = spec.model.transfer.send(torch.tensor(chosen))

    def total(self, number: int) -> Tensor:
        """The sum over the rows of what a pass starts from."""
        values = [self.values[place] for place in self._used[number]]
        if self._chosen is None:
            return values[0].sum()
        chosen = self._chosen[number]
        picked = torch.stack(values).gather(0, chosen.clamp_min(0)[None])[0]
        return torch.where(chosen == _NONE, 0.0, picked).sum()


def of_pass(passes: Sequence[Passes], number: int) -> Tensor:
    """The sum over the rows of all slices of what a pass starts from."""
    return torch.stack([each.total(number) for each in passes if number < each.count]).sum()
