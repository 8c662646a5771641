"""What a batch's tensors say of each point of a path: first on the device, then on the host."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.point_value import PointValue
from ligserve.server.workers.engine.rounding import ROUNDINGS
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.quadrature import EndValue, NodeValue
from ligserve.server.workers.quadrature.rule import Floats


class Columns(NamedTuple):
    """What a batch finds at R points of a path, of the K distinct outputs that are evaluated there.

    Attributes:
        f: (R, K).
        token_sums: (R, P, T), of each point's own outputs, P at most; 0 where it has fewer.
        noise: (R, K), how far f may move by rounding.
        log_odds: (R, K).
        logits: (R, C) or (R, T, C).
        end_f: (E, K), f of the deployed model at the slice's E `ends`.
        end_noise: (E, K).
    """

    f: Tensor
    token_sums: Tensor
    noise: Tensor
    log_odds: Tensor
    logits: Tensor
    end_f: Tensor
    end_noise: Tensor


def columns_of(
    piece: Slice, logits: Tensor, values: Sequence[Tensor], sums: list[Tensor], deployed: Tensor | None
) -> Columns:
    """The columns of a slice, on the device.

    Args:
        piece: the slice.
        logits: of its rows.
        values: of each distinct output that is evaluated, (R,).
        sums: the token sums that each backward pass has found, (R, T).
        deployed: logits of the slice's `ends` by the deployed model; None where it has none.
    """
    spec, distinct = piece.path.spec, piece.distinct
    own = spec.own(logits)
    none = own.new_empty(0, len(distinct))
    ends = None if deployed is None else spec.own(deployed)
    return Columns(
        f=torch.stack([value.detach() for value in values], dim=1),
        token_sums=torch.stack(sums, dim=1),
        noise=ROUNDINGS[spec.precision].noise * torch.stack([each.noise(own) for each in distinct], dim=1),
        log_odds=torch.stack([each.log_odds(own) for each in distinct], dim=1),
        logits=own,
        end_f=none if ends is None else torch.stack([each(ends) for each in distinct], dim=1),
        end_noise=none if ends is None else torch.stack([each.noise(ends) for each in distinct], dim=1),
    )


def node_values(piece: Slice, columns: Columns) -> list[PointValue]:
    """The values of the slice's points, from its columns on the host; copies, since the host needs the room.

    Raises:
        FailedPreconditionError: a value or gradient is not finite.
    """
    spec, token_sums, f = piece.path.spec, columns.token_sums.numpy(), columns.f.numpy()
    if not (np.isfinite(f).all() and np.isfinite(token_sums).all()):
        raise FailedPreconditionError(
            f"model '{spec.model.name}' puts out values or gradients that are not finite",
            reason="NOT_FINITE",
        )
    of_scores, noise, log_odds = (
        ROUNDINGS[spec.precision].scores,
        columns.noise.numpy(),
        columns.log_odds.numpy(),
    )
    places, passes = _places(piece)
    found = [
        NodeValue(f[row, own], token_sums[row, passes[row]], noise[row, own], log_odds[row, own], of_scores)
        for row, own in enumerate(places)
    ]
    end_f, end_noise = columns.end_f.numpy(), columns.end_noise.numpy()
    for number, row in enumerate(piece.ends):
        end = EndValue(end_f[number, places[row]], end_noise[number, places[row]])
        found[row] = _with_end(found[row], end)
    return [PointValue(*point) for point in zip(piece.alphas, found, columns.logits.clone(), strict=True)]


def _places(piece: Slice) -> tuple[list[list[int]], list[list[int]]]:
    """For each point and each of its outputs, where it is among the distinct, and its backward pass."""
    number = {output: place for place, output in enumerate(piece.distinct)}
    places = [[number[output] for output in outputs] for outputs in piece.outputs]
    of_place = [{place: each for each, place in enumerate(own)} for own in piece.places]
    return places, [[of_place[row][place] for place in own] for row, own in enumerate(places)]


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
