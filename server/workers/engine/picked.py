"""Columns of logits, picked without a list of indexes: to bring one to a device is to wait for the device."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def picked(logits: Tensor, positions: Sequence[int]) -> Tensor:
    """The columns of (B, N, ...) logits at some positions, in their order."""
    runs = [logits[:, run.start : run.stop] for run in _runs(positions)]
    return torch.cat(runs, dim=1) if runs else logits[:, :0]


def _runs(positions: Sequence[int]) -> Iterator[range]:
    """Positions as few ranges: those of a text's tokens are next to each other, mostly."""
    start = 0
    for number in range(1, len(positions) + 1):
        if number == len(positions) or positions[number] != positions[number - 1] + 1:
            yield range(positions[start], positions[number - 1] + 1)
            start = number
