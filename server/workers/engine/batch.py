"""One batch: a forward pass, and a backward pass for each target that its rows share."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.engine.spec import Ends
from ligserve.server.workers.quadrature import NodeValue


class Batch:
    """Points of one or more paths of one model, as rows."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._slices = slices
        self._spec = slices[0].path.spec

    def run(self) -> list[list[tuple[float, NodeValue]]]:
        """Evaluate every point; for each slice its alphas and values."""
        moved = [tensor.requires_grad_() for tensor in self._moved()]
        with torch.enable_grad():
            logits = self._spec.run(self._inputs(), moved)
            values = [_target_values(piece, logits[rows]) for piece, rows in self._rows()]
            gradients = _gradients(values, moved)
        return [
            _node_values(piece, logits[rows].detach(), value, [[t[rows] for t in part] for part in gradients])
            for (piece, rows), value in zip(self._rows(), values, strict=True)
        ]

    def _rows(self) -> Iterator[tuple[Slice, slice]]:
        start = 0
        for piece in self._slices:
            yield piece, slice(start, start + len(piece.alphas))
            start += len(piece.alphas)

    def _inputs(self) -> list[dict[str, Tensor]]:
        return [dict(piece.path.spec.row) for piece in self._slices for _ in piece.alphas]

    def _moved(self) -> list[Tensor]:
        """Each moved tensor, (B, T, d): every row's place on its path; exact at both ends."""
        places = [_points_of(piece.path, piece.alphas) for piece in self._slices]
        return [_stacked(tensors) for tensors in zip(*places, strict=True)]


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    longest = max(tensor.shape[1] for tensor in tensors)
    return torch.cat([nn.functional.pad(each, (0, 0, 0, longest - each.shape[1])) for each in tensors])


def _node_values(
    piece: Slice, logits: Tensor, values: Tensor, gradients: Sequence[Sequence[Tensor]]
) -> list[tuple[float, NodeValue]]:
    """For each of the slice's points its alpha and value.

    Args:
        piece: the slice.
        logits: of its rows.
        values: (rows, distinct targets).
        gradients: for each target number the gradient of every moved tensor, each (rows, T of the batch, d).
    """
    spec = piece.path.spec
    distinct = list(dict.fromkeys(piece.path.outputs))
    sums = [spec.scores(_products(piece.path, gradient)) for gradient in gradients[: len(distinct)]]
    asked = [distinct.index(output) for output in piece.path.outputs]
    own = spec.own(logits)
    columns = (
        values.detach()[:, asked],
        torch.stack(sums, dim=1)[:, asked],
        torch.stack([output.noise(own) for output in distinct], dim=1)[:, asked],
    )
    f, token_sums, noise = (column.cpu().numpy() for column in columns)
    if not (np.isfinite(f).all() and np.isfinite(token_sums).all()):
        raise FailedPreconditionError(
            f"model '{spec.model.name}' puts out values or gradients that are not finite",
            reason="NOT_FINITE",
        )
    return [
        (alpha, NodeValue(f[row].copy(), token_sums[row].copy(), noise[row].copy()))
        for row, alpha in enumerate(piece.alphas)
    ]


def _products(path: Path, gradient: Sequence[Tensor]) -> list[Tensor]:
    """Gradient x (end - start) of each moved tensor, (rows, T, d), padding cut off."""
    return [
        part[:, : len(end)] * (end - start) for part, (start, end) in zip(gradient, _ends(path), strict=True)
    ]


def _points_of(path: Path, alphas: Sequence[float]) -> list[Tensor]:
    """(rows, T, d) each. In float64, then rounded once: steep paths turn a lost digit into a wrong score."""
    places = []
    for start, end in _ends(path):
        weights = torch.tensor(alphas, dtype=torch.float64, device=start.device)[:, None, None]
        places.append(torch.lerp(start[None].double(), end[None].double(), weights).to(start.dtype))
    return places


def _ends(path: Path) -> Sequence[Ends]:
    if path.ends is None:
        raise RuntimeError("a path was scheduled before it was admitted")
    return path.ends


def _target_values(piece: Slice, logits: Tensor) -> Tensor:
    """(rows, distinct targets): f of every target; one that is asked for twice is computed once."""
    own = piece.path.spec.own(logits)
    return torch.stack([output(own) for output in dict.fromkeys(piece.path.outputs)], dim=1)


def _gradients(values: Sequence[Tensor], moved: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    """For each target number its gradient, (B, T, d) for each moved tensor.

    One backward pass serves that target of every row.
    """
    most = max(value.shape[1] for value in values)
    gradients: list[Sequence[Tensor]] = []
    for number in range(most):
        total = torch.stack([value[:, number].sum() for value in values if value.shape[1] > number]).sum()
        gradients.append(torch.autograd.grad(total, moved, retain_graph=number + 1 < most))
    return gradients
