"""One batch: a forward pass, and a backward pass for each target that its rows share."""

from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.path import Path, PointValue
from ligserve.server.workers.engine.scheduler import OUTPUTS_PER_TURN, Slice
from ligserve.server.workers.quadrature import NodeValue

# For each slice its points' values.
Values = list[list[PointValue]]


class Batch:
    """Points of one or more paths of one model, as rows.

    Attributes:
        slices: the points.
        holds_memory: whether it stands between two turns.
        token_passes: rows x padded length, once for each forward or backward pass; 0 before the first turn.
        seconds: what its turns have taken.
    """

    def __init__(self, slices: Sequence[Slice]) -> None:
        self.slices = slices
        self._spec = slices[0].path.spec
        self.holds_memory = False
        self.token_passes = 0
        self.seconds = 0.0
        self._turns = self._run()

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for any of its points."""
        return any(piece.wanted for piece in self.slices)

    def turn(self) -> Values | None:
        """Go on for OUTPUTS_PER_TURN backward passes; after the last one the values of every point."""
        self.holds_memory = False
        try:
            next(self._turns)
        except StopIteration as done:
            values: Values = done.value
            return values
        self.holds_memory = True
        return None

    def _run(self) -> Generator[None, None, Values]:
        moved = [tensor.requires_grad_() for tensor in self._moved()]
        with torch.enable_grad():
            logits = self._spec.run(self._inputs(), moved)
            values = [_target_values(piece, logits[rows]) for piece, rows in self._rows()]
        sums: list[list[Tensor]] = [[] for _ in self.slices]
        most = max(map(len, values))
        self.token_passes = (1 + most) * len(logits) * max(piece.path.spec.tokens for piece in self.slices)
        for number in range(most):
            if number and number % OUTPUTS_PER_TURN == 0:
                yield
            gradient = _gradient(values, moved, number, last=number + 1 == most)
            for (piece, rows), value, kept in zip(self._rows(), values, sums, strict=True):
                if number < len(value):
                    # At once to one number per token: gradients of many targets would fill the memory.
                    products = _products(piece.path, [part[rows] for part in gradient])
                    kept.append(piece.path.spec.scores(products))
        return [
            _node_values(piece, logits[rows].detach(), value, each)
            for (piece, rows), value, each in zip(self._rows(), values, sums, strict=True)
        ]

    def _rows(self) -> Iterator[tuple[Slice, slice]]:
        start = 0
        for piece in self.slices:
            yield piece, slice(start, start + len(piece.alphas))
            start += len(piece.alphas)

    def _inputs(self) -> list[dict[str, Tensor]]:
        return [dict(piece.path.spec.row) for piece in self.slices for _ in piece.alphas]

    def _moved(self) -> list[Tensor]:
        """Each moved tensor, (B, T, d): every row's place on its path; exact at both ends."""
        places = [_points_of(piece.path, piece.alphas) for piece in self.slices]
        return [stacked(tensors) for tensors in zip(*places, strict=True)]


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """(B, T, d) from parts of fewer rows, short ones padded on the right."""
    longest = max(tensor.shape[1] for tensor in tensors)
    return torch.cat([nn.functional.pad(each, (0, 0, 0, longest - each.shape[1])) for each in tensors])


def _node_values(
    piece: Slice, logits: Tensor, values: Sequence[Tensor], sums: list[Tensor]
) -> list[PointValue]:
    """The values of the slice's points.

    Args:
        piece: the slice.
        logits: of its rows.
        values: of each distinct output that is evaluated, (rows,).
        sums: the token sums of each of them, (rows, T).
    """
    spec, evaluated = piece.path.spec, piece.path.evaluated
    distinct = list(dict.fromkeys(evaluated))
    places = {output: place for place, output in enumerate(distinct)}
    asked = [places[output] for output in evaluated]
    own = spec.own(logits)
    columns = (
        torch.stack([value.detach() for value in values], dim=1)[:, asked],
        torch.stack(sums, dim=1)[:, asked],
        torch.stack([output.noise(own) for output in distinct], dim=1)[:, asked],
        torch.stack([output.log_odds(own) for output in distinct], dim=1)[:, asked],
    )
    f, token_sums, noise, log_odds = (column.cpu().numpy() for column in columns)
    if not (np.isfinite(f).all() and np.isfinite(token_sums).all()):
        raise FailedPreconditionError(
            f"model '{spec.model.name}' puts out values or gradients that are not finite",
            reason="NOT_FINITE",
        )
    return [
        PointValue(alpha, NodeValue(f[row], token_sums[row].copy(), noise[row], log_odds[row]), own[row])
        for row, alpha in enumerate(piece.alphas)
    ]


def _products(path: Path, gradient: Sequence[Tensor]) -> list[Tensor]:
    """Gradient x (end - start) of each moved tensor, (rows, T, d), padding cut off."""
    return [
        part[:, : len(end)] * (end - start) for part, (start, end) in zip(gradient, path.ends, strict=True)
    ]


def _points_of(path: Path, alphas: Sequence[float]) -> list[Tensor]:
    """(rows, T, d) each. In float64, then rounded once: steep paths turn a lost digit into a wrong score."""
    places = []
    for start, end in path.ends:
        weights = torch.tensor(alphas, dtype=torch.float64, device=start.device)[:, None, None]
        places.append(torch.lerp(start[None].double(), end[None].double(), weights).to(start.dtype))
    return places


def _target_values(piece: Slice, logits: Tensor) -> list[Tensor]:
    """Of every distinct output f, (rows,): apart, so that no gradient of one passes through the others."""
    own = piece.path.spec.own(logits)
    return [output(own) for output in dict.fromkeys(piece.path.evaluated)]


def _gradient(
    values: Sequence[Sequence[Tensor]], moved: Sequence[Tensor], number: int, *, last: bool
) -> Sequence[Tensor]:
    """The gradient of one target number of every row, (B, T, d) for each moved tensor: one backward pass."""
    total = torch.stack([value[number].sum() for value in values if number < len(value)]).sum()
    return torch.autograd.grad(total, moved, retain_graph=not last)
