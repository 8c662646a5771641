"""What is known of the points of one path."""

import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ligserve.server.workers.engine.known_points import Floats, KnownPoints, Lacking
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.quadrature import EndValue, NodeValue

# Outputs with the values that one batch gave them.
Part = tuple[tuple[Output, ...], NodeValue]

# What a path, an output's name, and a part of a point take beside their numbers.
PATH_BYTES = 2048
OUTPUT_BYTES = 512
# One of many outputs that were evaluated together, named before.
PLACE_BYTES = 8
PART_BYTES = 1024
# An output may name all tokens of its row.
NAMED_TOKEN_BYTES = 40


@dataclass(frozen=True, slots=True, eq=False)
class KnownPoint:
    """What is known at one point.

    Attributes:
        logits: (C,); None where no output follows from others.
        parts: what was evaluated.
    """

    logits: Floats | None
    parts: tuple[Part, ...] = ()

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What was evaluated, each once."""
        return tuple(dict.fromkeys(output for outputs, _ in self.parts for output in outputs))

    def of(self, needed: tuple[Output, ...]) -> NodeValue | Lacking:
        """The values of outputs that were evaluated, or those that were not."""
        for outputs, value in self.parts:
            if outputs == needed:
                return value
        places = {output: (value, row) for outputs, value in self.parts for row, output in enumerate(outputs)}
        lacking = tuple(output for output in needed if output not in places)
        return lacking or _together([places[output] for output in needed])

    def sums(self, outputs: Sequence[Output]) -> list[Floats]:
        """The token sums, (T,), of outputs that were evaluated."""
        rows = {output: value.token_sums[row] for own, value in self.parts for row, output in enumerate(own)}
        return [rows[output] for output in outputs]


class KeptPath:
    """The points of one path, by alpha.

    Args:
        grew: told whenever it takes more memory, and how many bytes more; may close it.

    Attributes:
        bytes: about what they take.
        closed: whether nothing more is kept.
        owner: who asked about it last.
    """

    def __init__(self, grew: Callable[["KeptPath", int], None]) -> None:
        self.bytes = 0
        self.closed = False
        self.owner: weakref.ref[object] | None = None
        self._grew = grew
        self._points: dict[float, KnownPoint] = {}
        # Equal outputs of many points are kept once, one by one and together.
        self._each: dict[Output, Output] = {}
        self._outputs: dict[tuple[Output, ...], tuple[Output, ...]] = {}

    def put(
        self, alpha: float, logits: Tensor | None, outputs: tuple[Output, ...], value: NodeValue
    ) -> KnownPoint:
        """Keep the values of some outputs at a point, unless it is closed; all that is known there."""
        known = self._points.get(alpha)
        if known is not None and any(outputs == each for each, _ in known.parts):
            # Of two equal requests at once, both computed them.
            return known
        size = PART_BYTES + _bytes(value)
        if known is None:
            known = KnownPoint(None if logits is None else logits.numpy().copy())
            size += 0 if known.logits is None else known.logits.nbytes
        shared = self._outputs.get(outputs)
        if shared is None:
            new = dict.fromkeys(output for output in outputs if output not in self._each)
            named = NAMED_TOKEN_BYTES * value.token_sums.shape[1] * (logits is None)
            size += PLACE_BYTES * len(outputs) + len(new) * (OUTPUT_BYTES + named)
            shared = tuple(self._each.get(output, output) for output in outputs)
        point = KnownPoint(known.logits, (*known.parts, (shared, value)))
        if not self.closed:
            self._outputs[shared] = shared
            self._each.update(zip(shared, shared, strict=True))
            self._points[alpha] = point
            self._grew(self, size if self.bytes else size + PATH_BYTES)
        return point

    def close(self) -> None:
        """Forget all, and keep nothing more."""
        self.closed = True
        self._points.clear()
        self._outputs.clear()
        self._each.clear()

    def values(
        self, alphas: Sequence[float], needed: Callable[[float], tuple[Output, ...]]
    ) -> dict[float, NodeValue | Lacking]:
        """The values of the outputs needed at a point, or those that are lacking, where points are known."""
        return values_at({alpha: self._points[alpha] for alpha in alphas if alpha in self._points}, needed)


def values_at(
    points: Mapping[float, KnownPoint], needed: Callable[[float], tuple[Output, ...]]
) -> dict[float, NodeValue | Lacking]:
    """The values of the outputs needed at points, or those that do not follow from what is known."""
    found = {alpha: point.of(needed(alpha)) for alpha, point in points.items()}
    alike: dict[tuple[tuple[Output, ...], tuple[Output, ...]], dict[float, Floats]] = defaultdict(dict)
    for alpha, value in found.items():
        logits = points[alpha].logits
        if not isinstance(value, NodeValue) and logits is not None:
            alike[points[alpha].outputs, needed(alpha)][alpha] = logits
    for (outputs, wanted), those in alike.items():
        sums = np.stack([np.stack(points[alpha].sums(outputs)) for alpha in those])
        known = KnownPoints(torch.from_numpy(np.stack(list(those.values()))), outputs, sums)
        found.update(zip(those, known.values(wanted), strict=True))
    return found


def _together(rows: Sequence[tuple[NodeValue, int]]) -> NodeValue:
    """The values of outputs, each from a row of some value."""
    ends = [(value.deployed, row) for value, row in rows if value.deployed is not None]
    deployed = None
    if len(ends) == len(rows):
        deployed = EndValue(
            np.array([end.f[row] for end, row in ends]), np.array([end.noise[row] for end, row in ends])
        )
    return NodeValue(
        f=np.array([value.f[row] for value, row in rows]),
        token_sums=np.stack([value.token_sums[row] for value, row in rows]),
        noise=np.array([value.noise[row] for value, row in rows]),
        log_odds=np.array([value.log_odds[row] for value, row in rows]),
        score_noise=max(value.score_noise for value, _ in rows),
        worse=max(value.worse for value, _ in rows),
        deployed=deployed,
    )


def _bytes(value: NodeValue) -> int:
    """What the numbers of a value take."""
    ends = () if value.deployed is None else (value.deployed.f, value.deployed.noise)
    return sum(array.nbytes for array in (value.f, value.token_sums, value.noise, value.log_odds, *ends))
