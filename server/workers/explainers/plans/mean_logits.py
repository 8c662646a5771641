"""Outputs of the mean of several windows' logits, and what of each window they take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2 as pb


class MeanLogits:
    """K functions of the mean over W windows of their logits (a Coupling of the windows' paths).

    Where n classes share out a probability only the differences of their logits count, so that n - 1 of them
    are followed through every window; a class that is judged by itself has one logit. A logit as a target
    beside others needs the last class's logit as well, to which the differences are.

    Args:
        outputs: the functions.
        classes: number of logits.

    Attributes:
        followed: the J outputs of a window whose means decide.
        reach: (K, J), which of them each function depends on.
    """

    def __init__(self, outputs: Sequence[ClassOutput], classes: int) -> None:
        parts = [_part(each, each.among or tuple(range(classes))) for each in outputs]
        followed = {part: part.followed() for part in dict.fromkeys(parts)}
        self.followed = list(dict.fromkeys(output for each in followed.values() for output in each))
        place = {output: number for number, output in enumerate(self.followed)}
        places = {part: [place[output] for output in each] for part, each in followed.items()}
        self._functions = [
            _Function(_among_its_own(output, part.classes), places[part], part.level)
            for output, part in zip(outputs, parts, strict=True)
        ]
        self.reach: NDArray[np.bool_] = np.zeros((len(outputs), len(self.followed)), dtype=np.bool_)
        for number, part in enumerate(parts):
            self.reach[number, places[part]] = True

    def __call__(self, followed: Floats) -> tuple[Floats, Floats, Floats]:
        """From what is followed, (W x J,), one window after the other, to what a Coupling gives."""
        windows = followed.reshape(-1, len(self.followed))
        mean = torch.from_numpy(windows.mean(axis=0))
        slopes = np.zeros(self.reach.shape)
        f, log_odds = np.empty((2, len(slopes)))
        for number, function in enumerate(self._functions):
            f[number], slopes[number, function.places], log_odds[number] = function.at(mean)
        return f, np.tile(slopes / len(windows), len(windows)), log_odds


@dataclass(frozen=True)
class _Part:
    """What of the logits a function depends on.

    Attributes:
        classes: those whose logits, or differences of logits, count.
        level: whether not the differences alone count.
    """

    classes: tuple[int, ...]
    level: bool

    def followed(self) -> list[ClassOutput]:
        """The differences to the last class's logit, then that logit where the level counts."""
        *others, last = self.classes
        differences = [ClassOutput(each, last, pb.OUTPUT_SPACE_LOGIT) for each in others]
        alone = [ClassOutput(last, None, pb.OUTPUT_SPACE_LOGIT)]
        return differences + (alone if self.level else [])


@dataclass(frozen=True)
class _Function:
    """A function of some of the means.

    Attributes:
        output: the function of the logits of its own classes.
        places: which of the means make these.
        level: whether the last of these is the last class's logit.
    """

    output: ClassOutput
    places: list[int]
    level: bool

    def at(self, mean: Tensor) -> tuple[float, Floats, float]:
        """Value, derivatives by its own means, and log-odds, at the means (J,)."""
        own = mean[self.places].requires_grad_()
        with torch.enable_grad():
            logits = self._logits(own)
            value = self.output(logits)
            (slopes,) = torch.autograd.grad(value.sum(), own)
        return float(value.detach()), slopes.numpy(), float(self.output.log_odds(logits.detach()))

    def _logits(self, own: Tensor) -> Tensor:
        """(1, n): those of the classes; but for a constant where that does not shift the output."""
        differences, level = (own[:-1], own[-1]) if self.level else (own, own.new_zeros(()))
        return (torch.cat([differences, own.new_zeros(1)]) + level)[None]


def mean_logits(explained: Sequence[Explained], classes: int) -> MeanLogits | None:
    """What couples the windows of a document whose output is that of the mean of C = `classes` logits.

    None where the function of the mean is the mean of the function: each window can be explained by itself.
    """
    outputs = class_outputs(explained)
    return None if all(_is_linear(each, classes) for each in outputs) else MeanLogits(outputs, classes)


def class_outputs(explained: Sequence[Explained]) -> list[ClassOutput]:
    """The functions of (B, C) logits that are explained."""
    outputs = [each.output for each in explained if isinstance(each.output, ClassOutput)]
    if len(outputs) < len(explained):
        raise RuntimeError("only outputs for a class follow from the mean of logits")
    return outputs


def _is_linear(output: ClassOutput, classes: int) -> bool:
    """Between two classes log-odds are the difference of their logits."""
    shared_by = classes if output.among is None else len(output.among)
    log_odds = output.space == pb.OUTPUT_SPACE_LOG_ODDS
    return output.space == pb.OUTPUT_SPACE_LOGIT or (log_odds and shared_by <= 2)


def _part(output: ClassOutput, group: tuple[int, ...]) -> _Part:
    """What a function depends on, of classes that share out a probability."""
    if output.space != pb.OUTPUT_SPACE_LOGIT or output.versus_index is not None:
        return _Part(group, level=len(group) == 1)
    return _Part(tuple(dict.fromkeys((output.class_index, group[-1]))), level=True)


def _among_its_own(output: ClassOutput, group: tuple[int, ...]) -> ClassOutput:
    """The same function of the logits of its classes alone."""
    versus = None if output.versus_index is None else group.index(output.versus_index)
    among = (0,) if len(group) == 1 else None
    return replace(output, class_index=group.index(output.class_index), versus_index=versus, among=among)
