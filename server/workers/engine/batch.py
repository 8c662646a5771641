"""One batch: a forward pass, and a backward pass for each target that its rows share.

Its work is queued on the device turn by turn. Nothing here waits for the device: a number of a tensor is not
looked at before it has arrived on the host.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor, nn

from ligserve.server.workers.engine.gradient import gradient_of
from ligserve.server.workers.engine.node_values import Columns, columns_of, node_values
from ligserve.server.workers.engine.passes import Passes, of_pass
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.point_value import PointValue
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.engine.self_prediction import OUTPUTS_PER_TURN
from ligserve.server.workers.models.loaded import RowInputs
from ligserve.server.workers.models.precision import tensor_cores
from ligserve.server.workers.models.transfer import Arrival

# For each slice its points' values.
Values = list[list[PointValue]]


class Batch:
    """Points of one or more paths of one model, as rows.

    Attributes:
        slices: the points.
        alone: whether nothing else may be on the device beside its turns.
        predicting: paths whose prediction arrives with the turn that was queued last, in this order; they
            must have it before the next one.
        holds_memory: whether it stands between two turns.
        queued: whether it has had its last turn.
        token_passes: rows x padded length, once for each forward or backward pass; 0 before the first turn.
        seconds: what its turns have taken.
    """

    def __init__(self, slices: Sequence[Slice], *, alone: bool = False) -> None:
        self.slices = slices
        self.alone = alone
        self._spec = slices[0].path.spec
        self._transfer = self._spec.model.transfer
        self.predicting: Sequence[Path] = ()
        self.holds_memory = False
        self.queued = False
        self.token_passes = 0
        self.seconds = 0.0
        self._turns = self._run()

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for any of its points."""
        return any(piece.wanted for piece in self.slices)

    def turn(self) -> Arrival:
        """Queue the forward pass where it tells predictions, else the next OUTPUTS_PER_TURN backward passes.

        What arrives are the logits of the inputs of `predicting`, each (1, C) or (1, T, C); after the last
        turn what `values` takes; after others, only that their work is done.
        """
        self.holds_memory = False
        try:
            arrival = next(self._turns)
        except StopIteration as done:
            self.queued = True
            arrival = done.value
        else:
            self.holds_memory = True
        return arrival

    def values(self, arrived: Sequence[Tensor]) -> Values:
        """The values of every point, from what has arrived after the last turn.

        Raises:
            FailedPreconditionError: a value or gradient is not finite.
        """
        width = len(Columns._fields)
        starts = range(0, len(arrived), width)
        columns = [Columns(*arrived[start : start + width]) for start in starts]
        return [node_values(piece, own) for piece, own in zip(self.slices, columns, strict=True)]

    def _run(self) -> Generator[Arrival, None, Arrival]:
        # Of a batch that had to wait, after a failure, calls may be cancelled by now.
        self.slices = [_knowing(piece) for piece in self.slices if piece.wanted] or self.slices
        spec, inputs = self._spec, self._inputs()
        moved = [tensor.requires_grad_() for tensor in self._moved()]
        with torch.enable_grad(), tensor_cores(spec.precision):
            logits = spec.run(inputs, moved, spec.precision)
        placed = list(self._placed())
        if unpredicted := [(piece, rows) for piece, rows in placed if not piece.outputs]:
            self.predicting = [piece.path for piece, _ in unpredicted]
            yield self._transfer.fetch([_prediction(piece, logits[rows]) for piece, rows in unpredicted])
            placed = [(_knowing(piece), rows) for piece, rows in placed if piece.wanted]
            self.slices = [piece for piece, _ in placed]
        return (yield from self._gradients(placed, logits, inputs, moved))

    def _gradients(
        self,
        placed: Sequence[tuple[Slice, slice]],
        logits: Tensor,
        inputs: Sequence[RowInputs],
        moved: Sequence[Tensor],
    ) -> Generator[Arrival, None, Arrival]:
        """The backward passes for slices, each of so many of the rows."""
        precision = self._spec.precision
        with torch.enable_grad(), tensor_cores(precision):
            passes = [Passes(piece, logits[rows]) for piece, rows in placed]
        sums: list[list[Tensor]] = [[] for _ in placed]
        most = max(each.count for each in passes)
        self.token_passes = (1 + most) * len(logits) * max(piece.path.spec.tokens for piece, _ in placed)
        for number in range(most):
            if number and number % OUTPUTS_PER_TURN == 0:
                yield self._transfer.fetch([])
            with tensor_cores(precision):
                total = of_pass(passes, number)
                gradient = gradient_of(total, logits, moved, precision, last=number + 1 == most)
            for (piece, rows), own, kept in zip(placed, passes, sums, strict=True):
                if number < own.count:
                    # At once to one number per token: gradients of many targets would fill the memory.
                    products = _products(piece.path, [part[rows] for part in gradient])
                    kept.append(piece.path.spec.scores(products))
        deployed = self._deployed(placed, inputs, moved)
        found = [
            columns_of(piece, logits[rows].detach(), own.values, each, ends)
            for (piece, rows), own, each, ends in zip(placed, passes, sums, deployed, strict=True)
        ]
        return self._transfer.fetch(list(chain.from_iterable(found)))

    def _deployed(
        self, placed: Sequence[tuple[Slice, slice]], inputs: Sequence[RowInputs], moved: Sequence[Tensor]
    ) -> Sequence[Tensor | None]:
        """For each slice the logits of its `ends` by the deployed model."""
        ends = [rows.start + end for piece, rows in placed for end in piece.ends]
        if not ends:
            return [None] * len(placed)
        with torch.no_grad():
            at_ends = [torch.stack([part[row] for row in ends]) for part in moved]
            logits = self._spec.run([inputs[row] for row in ends], at_ends)
        return torch.split(logits, [len(piece.ends) for piece, _ in placed])

    def _placed(self) -> Iterator[tuple[Slice, slice]]:
        start = 0
        for piece in self.slices:
            yield piece, slice(start, start + len(piece.alphas))
            start += len(piece.alphas)

    def _inputs(self) -> list[RowInputs]:
        return [piece.path.spec.row for piece in self.slices for _ in piece.alphas]

    def _moved(self) -> list[Tensor]:
        """Each moved tensor, (B, T, d): every row's place on its path; exact at both ends."""
        alphas = torch.tensor([each for piece in self.slices for each in piece.alphas], dtype=torch.float64)
        weights = self._transfer.send(alphas)[:, None, None]
        places = [_points_of(piece.path, weights[rows]) for piece, rows in self._placed()]
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


def _points_of(path: Path, alphas: Tensor) -> list[Tensor]:
    """(rows, T, d) each. In float64, then rounded once: steep paths turn a lost digit into a wrong score."""
    return [
        torch.lerp(start[None].double(), end[None].double(), alphas).to(start.dtype)
        for start, end in path.ends
    ]


def _prediction(piece: Slice, logits: Tensor) -> Tensor:
    """The logits of the slice's input, its first point, without those of padding."""
    return piece.path.spec.own(logits[:1]).detach()


def _knowing(piece: Slice) -> Slice:
    """The slice, with what is evaluated there if its path is predicted."""
    if piece.outputs or not piece.path.outputs:
        return piece
    return replace(piece, outputs=tuple(map(piece.path.needed, piece.alphas)))
