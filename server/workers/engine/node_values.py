"""What a batch's tensors say of each point of a path."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path import PointValue
from ligserve.server.workers.engine.rounding import ROUNDINGS
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.quadrature import EndValue, NodeValue
from ligserve.server.workers.quadrature.rule import Floats


def node_values(
    piece: Slice, logits: Tensor, values: Sequence[Tensor], sums: list[Tensor], deployed: Tensor
) -> list[PointValue]:
    """The values of the slice's points.

    Args:
        piece: the slice.
        logits: of its rows.
        values: of each distinct output that is evaluated, (rows,).
        sums: the token sums of each of them, (rows, T).
        deployed: logits of the slice's `ends` by the deployed model; none where its own are that.

    Raises:
        FailedPreconditionError: a value or gradient is not finite.
    """
    spec, evaluated = piece.path.spec, piece.path.evaluated
    distinct = list(dict.fromkeys(evaluated))
    places = {output: place for place, output in enumerate(distinct)}
    asked = [places[output] for output in evaluated]
    own, rounding = spec.own(logits), ROUNDINGS[spec.precision]
    columns = (
        torch.stack([value.detach() for value in values], dim=1)[:, asked],
        torch.stack(sums, dim=1)[:, asked],
        rounding.noise * torch.stack([output.noise(own) for output in distinct], dim=1)[:, asked],
        torch.stack([output.log_odds(own) for output in distinct], dim=1)[:, asked],
    )
    f, token_sums, noise, log_odds = (column.cpu().numpy() for column in columns)
    if not (np.isfinite(f).all() and np.isfinite(token_sums).all()):
        raise FailedPreconditionError(
            f"model '{spec.model.name}' puts out values or gradients that are not finite",
            reason="NOT_FINITE",
        )
    found = [
        NodeValue(f[row], token_sums[row].copy(), noise[row], log_odds[row], rounding.scores)
        for row in range(len(piece.alphas))
    ]
    for row, end in zip(piece.ends, _end_values(spec.own(deployed), evaluated), strict=True):
        found[row] = _with_end(found[row], end)
    return [PointValue(*point) for point in zip(piece.alphas, found, own.cpu(), strict=True)]


def _end_values(logits: Tensor, outputs: Sequence[Output]) -> list[EndValue]:
    if not len(logits):
        return []
    f, noise = (
        torch.stack(columns, dim=1).cpu().numpy()
        for columns in ([each(logits) for each in outputs], [each.noise(logits) for each in outputs])
    )
    return [EndValue(*row) for row in zip(f, noise, strict=True)]


def _with_end(value: NodeValue, end: EndValue) -> NodeValue:
    """An end whose own value is known to be so far from the deployed model's.

    Where that is further than this arithmetic's rounding usually is, the gradients are no better.
    """
    off = np.abs(value.f - end.f) + end.noise
    worse: Floats = np.divide(off, value.noise, out=np.ones_like(off), where=value.noise > 0)
    return NodeValue(
        f=value.f,
        token_sums=value.token_sums,
        noise=np.maximum(value.noise, off),
        log_odds=value.log_odds,
        score_noise=value.score_noise,
        worse=max(1.0, float(worse.max())),
        deployed=end,
    )
