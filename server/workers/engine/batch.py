"""One batch: a forward pass, and a backward pass for each target that its rows share."""

from collections.abc import Generator, Iterator, Sequence

import torch
from torch import Tensor, nn

from ligserve.server.workers.engine.gradient import gradient_of
from ligserve.server.workers.engine.node_values import node_values
from ligserve.server.workers.engine.path import Path, PointValue
from ligserve.server.workers.engine.scheduler import OUTPUTS_PER_TURN, Slice
from ligserve.server.workers.models.loaded import RowInputs
from ligserve.server.workers.models.precision import tensor_cores

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
        spec, inputs = self._spec, self._inputs()
        moved = [tensor.requires_grad_() for tensor in self._moved()]
        with torch.enable_grad(), tensor_cores(spec.precision):
            logits = spec.run(inputs, moved, spec.precision)
            values = [_target_values(piece, logits[rows]) for piece, rows in self._rows()]
        sums: list[list[Tensor]] = [[] for _ in self.slices]
        most = max(map(len, values))
        self.token_passes = (1 + most) * len(logits) * max(piece.path.spec.tokens for piece in self.slices)
        for number in range(most):
            if number and number % OUTPUTS_PER_TURN == 0:
                yield
            with tensor_cores(spec.precision):
                total = torch.stack([each[number].sum() for each in values if number < len(each)]).sum()
                gradient = gradient_of(total, logits, moved, spec.precision, last=number + 1 == most)
            for (piece, rows), value, kept in zip(self._rows(), values, sums, strict=True):
                if number < len(value):
                    # At once to one number per token: gradients of many targets would fill the memory.
                    products = _products(piece.path, [part[rows] for part in gradient])
                    kept.append(piece.path.spec.scores(products))
        return [
            node_values(piece, logits[rows].detach(), value, each, deployed)
            for (piece, rows), value, each, deployed in zip(
                self._rows(), values, sums, self._deployed(inputs, moved), strict=True
            )
        ]

    def _deployed(self, inputs: Sequence[RowInputs], moved: Sequence[Tensor]) -> Sequence[Tensor]:
        """For each slice the logits of its `ends` by the deployed model."""
        ends = [rows.start + end for piece, rows in self._rows() for end in piece.ends]
        if not ends:
            return [torch.empty(0, 0)] * len(self.slices)
        with torch.no_grad():
            logits = self._spec.run([inputs[row] for row in ends], [part.detach()[ends] for part in moved])
        return torch.split(logits, [len(piece.ends) for piece in self.slices])

    def _rows(self) -> Iterator[tuple[Slice, slice]]:
        start = 0
        for piece in self.slices:
            yield piece, slice(start, start + len(piece.alphas))
            start += len(piece.alphas)

    def _inputs(self) -> list[RowInputs]:
        return [piece.path.spec.row for piece in self.slices for _ in piece.alphas]

    def _moved(self) -> list[Tensor]:
        """Each moved tensor, (B, T, d): every row's place on its path; exact at both ends."""
        places = [_points_of(piece.path, piece.alphas) for piece in self.slices]
        return [stacked(tensors) for tensors in zip(*places, strict=True)]


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """(B, T, d) from parts of fewer rows, short ones padded on the right."""
    longest = max(tensor.shape[1] for tensor in tensors)
    return torch.cat([nn.functional.pad(each, (0, 0, 0, longest - each.shape[1])) for each in tensors])


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
