"""The backward pass of a batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ligserve.server.workers.models.precision import Precision
from ligserve.v1 import explanation_pb2 as pb

# Size of the largest derivative that a row's backward pass starts from in float16: its smallest numbers are
# 6e-8, its largest 65504.
_FLOAT16_START = 2.0**6


def gradient_of(
    total: Tensor, logits: Tensor, moved: Sequence[Tensor], precision: Precision, *, last: bool
) -> Sequence[Tensor]:
    """The gradient by each moved tensor, (B, T, d), of a sum over rows of functions of their logits.

    Args:
        total: the sum.
        logits: (B, ...).
        moved: what the logits depend on.
        precision: the arithmetic of the pass.
        last: whether no other backward pass follows.
    """
    if precision != pb.PRECISION_FLOAT16:
        return torch.autograd.grad(total, moved, retain_graph=not last)
    (slopes,) = torch.autograd.grad(total, logits, retain_graph=True)
    steepest = slopes.flatten(1).abs().amax(dim=1).clamp_min(torch.finfo(slopes.dtype).tiny)
    # Powers of two, so that scaling rounds nothing.
    scale = torch.exp2(torch.floor(torch.log2(_FLOAT16_START / steepest)).clamp(-120, 120))
    scaled = slopes * scale.view(-1, *[1] * (slopes.ndim - 1))
    gradient = torch.autograd.grad(logits, moved, scaled, retain_graph=not last)
    return [part / scale.to(part.dtype).view(-1, 1, 1) for part in gradient]
