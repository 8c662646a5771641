"""One batch: a forward pass, and a backward pass for each target that its rows share."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.path import Path, PathSpec
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.models.layers import layer_output, replaced_output
from ligserve.server.workers.quadrature import NodeValue


def path_ends(spec: PathSpec) -> tuple[Tensor, Tensor]:
    """Start and end of a path: the layer's output for the baseline and for the input, each (T, d)."""
    model = spec.model
    start, end = (
        layer_output(model.network, spec.layer, model.batch([row])) for row in (spec.baseline_row, spec.row)
    )
    if spec.zeroed is not None:
        start = torch.where(spec.zeroed.to(start.device)[:, None], torch.zeros_like(start), start)
    return start, end


def predict(spec: PathSpec) -> Tensor:
    """(C,) logits of the input, nothing replaced.

    Raises:
        FailedPreconditionError: the tokenizer gives a token that the model has no embedding for.
    """
    _check_vocabulary(spec)
    with torch.no_grad():
        return spec.model.logits(spec.model.batch([spec.prediction_row]))[0]


def _check_vocabulary(spec: PathSpec) -> None:
    table = spec.model.network.get_input_embeddings()
    largest = int(spec.row["input_ids"].max())
    if isinstance(table, nn.Embedding) and largest >= table.num_embeddings:
        raise FailedPreconditionError(
            f"the tokenizer of model '{spec.model.name}' gives token {largest} "
            f"({spec.model.tokenizer.convert_ids_to_tokens(largest)!r}), "
            f"the model has only {table.num_embeddings} embeddings",
            reason="TOKENIZER_MISMATCH",
        )


class Batch:
    """Points of one or more paths of one model, as rows."""

    def __init__(self, slices: Sequence[Slice]) -> None:
        self._slices = slices
        self._model = slices[0].path.spec.model
        self._layer = slices[0].path.spec.layer

    def run(self) -> list[list[tuple[float, NodeValue]]]:
        """Evaluate every point; for each slice its alphas and values."""
        moved = self._moved_embeddings().requires_grad_()
        with torch.enable_grad():
            logits = self._logits(moved)
            values = [_target_values(piece, logits[rows]) for piece, rows in self._rows()]
            gradients = _gradients(values, moved)
        return [
            _node_values(piece, logits[rows].detach(), value, [part[rows] for part in gradients])
            for (piece, rows), value in zip(self._rows(), values, strict=True)
        ]

    def _rows(self) -> Iterator[tuple[Slice, slice]]:
        start = 0
        for piece in self._slices:
            yield piece, slice(start, start + len(piece.alphas))
            start += len(piece.alphas)

    def _moved_embeddings(self) -> Tensor:
        """(B, T, d): each row's place on its path; exact at both ends."""
        parts = [_points_of(piece.path, piece.alphas) for piece in self._slices]
        longest = max(part.shape[1] for part in parts)
        padded = [nn.functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts]
        return torch.cat(padded)

    def _logits(self, moved: Tensor) -> Tensor:
        rows = [piece.path.spec.row for piece in self._slices for _ in piece.alphas]
        inputs = self._model.batch(rows)
        with replaced_output(self._layer, moved):
            return self._model.logits(inputs)


def _node_values(
    piece: Slice, logits: Tensor, values: Tensor, gradients: Sequence[Tensor]
) -> list[tuple[float, NodeValue]]:
    """For each of the slice's points its alpha and value; gradients are (rows, T of the batch, d)."""
    start, end = _ends(piece.path)
    length = piece.path.spec.length
    distinct = list(dict.fromkeys(piece.path.outputs))
    sums = [
        (gradient[:, :length] * (end - start)).sum(dim=-1, dtype=torch.float64)
        for gradient in gradients[: len(distinct)]
    ]
    asked = [distinct.index(output) for output in piece.path.outputs]
    columns = (
        values.detach()[:, asked],
        torch.stack(sums, dim=1)[:, asked],
        torch.stack([output.noise(logits) for output in distinct], dim=1)[:, asked],
    )
    f, token_sums, noise = (column.cpu().numpy() for column in columns)
    if not (np.isfinite(f).all() and np.isfinite(token_sums).all()):
        raise FailedPreconditionError(
            f"model '{piece.path.spec.model.name}' puts out values or gradients that are not finite",
            reason="NOT_FINITE",
        )
    return [
        (alpha, NodeValue(f[row].copy(), token_sums[row].copy(), noise[row].copy()))
        for row, alpha in enumerate(piece.alphas)
    ]


def _points_of(path: Path, alphas: Sequence[float]) -> Tensor:
    """(rows, T, d). In float64, then rounded once: steep paths turn a lost digit into a wrong score."""
    start, end = _ends(path)
    weights = torch.tensor(alphas, dtype=torch.float64, device=start.device)[:, None, None]
    return torch.lerp(start[None].double(), end[None].double(), weights).to(start.dtype)


def _ends(path: Path) -> tuple[Tensor, Tensor]:
    if path.ends is None:
        raise RuntimeError("a path was scheduled before it was admitted")
    return path.ends


def _target_values(piece: Slice, logits: Tensor) -> Tensor:
    """(rows, distinct targets): f of every target; one that is asked for twice is computed once."""
    return torch.stack([output(logits) for output in dict.fromkeys(piece.path.outputs)], dim=1)


def _gradients(values: Sequence[Tensor], moved: Tensor) -> list[Tensor]:
    """For each target number its gradient, (B, T, d); one backward pass serves that target of every row."""
    most = max(value.shape[1] for value in values)
    gradients = []
    for number in range(most):
        total = torch.stack([value[:, number].sum() for value in values if value.shape[1] > number]).sum()
        (gradient,) = torch.autograd.grad(total, moved, retain_graph=number + 1 < most)
        gradients.append(gradient)
    return gradients
