"""From the outputs of a document's windows to its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.workers.explainers.plans.document_outcome import (
    DocumentOutcome,
    InStep,
    InStepOutcome,
    Outcome,
    WindowLogits,
)
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.mean_logits import MeanLogits, class_outputs
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2, explanation_service_pb2

MAX = explanation_pb2.LongInput.Window.AGGREGATE_MAX
MEAN_LOGITS = explanation_pb2.LongInput.Window.AGGREGATE_MEAN_LOGITS
# A runner-up closer than this share of what the largest window has to explain makes the choice a chance.
NEAR_TIE = 0.05


class DocumentTargets(Protocol):
    """What is asked of a classifier about a whole document."""

    def chances(self, logits: Tensor) -> Tensor:
        """(B, C) logits to probabilities."""
        ...

    def prediction(
        self, logits: Tensor, chances: Tensor, predicted: int
    ) -> explanation_service_pb2.Prediction:
        """A prediction as the header shows it, from (C,) logits and probabilities and the class predicted."""
        ...

    def explained_of(self, predicted: int) -> Sequence[Explained]:
        """What is explained, now that the predicted class is known."""
        ...


@dataclass(frozen=True)
class Aggregation:
    """How a classifier's output for a document follows from those for its W windows.

    Attributes:
        targets: what is asked.
        aggregate: how the document's output follows from the windows'.
        token_counts: (W,), each window's tokens, special ones not counted.
        rule_in_step: where the windows move together, the rule over all of them; None: each has its own.
    """

    targets: DocumentTargets
    aggregate: "explanation_pb2.LongInput.Window.Aggregate.ValueType"
    token_counts: Sequence[int]
    rule_in_step: QuadratureRule | None = None


def document_outcome(asked: Aggregation, logits: WindowLogits) -> Outcome:
    """The document's output and targets, from (C,) logits of every window."""
    inputs, starts, ends = (
        torch.stack(list(each)).double() for each in (logits.inputs, logits.starts, logits.ends)
    )
    shares, fold = shares_and_fold(asked.aggregate, asked.token_counts)
    folded, chances_of = fold(inputs), asked.targets.chances
    chances = chances_of(folded[None])[0] if asked.aggregate == MEAN_LOGITS else fold(chances_of(inputs))
    predicted = int(chances.argmax())
    header = explanation_service_pb2.Header(prediction=asked.targets.prediction(folded, chances, predicted))
    explained = asked.targets.explained_of(predicted)
    if asked.rule_in_step is not None:
        coupling = MeanLogits(class_outputs(explained), inputs.shape[1])
        group = InStep(range(len(inputs)), range(len(explained)), coupling, asked.rule_in_step)
        values = _values(explained, torch.stack([fold(ends), fold(starts)]))
        return InStepOutcome(header, explained, shares, [group], *values)
    f_input, f_baseline = (_values(explained, each) for each in (ends, starts))
    about = np.ones(f_input.shape, dtype=np.bool_)
    if asked.aggregate == MAX:
        explained, about = of_largest(explained, f_input)
    outcome = DocumentOutcome(
        header=header,
        explained=explained,
        shares=shares,
        targets=np.nonzero(about)[1],
        first_pairs=np.concatenate(([0], about.sum(axis=1).cumsum())),
        f_input=f_input[about],
        f_baseline=f_baseline[about],
    )
    outcome.header.warnings.extend(tie_warnings(outcome))
    return outcome


def tie_warnings(outcome: DocumentOutcome) -> list[explanation_service_pb2.Warning]:
    """One for each target whose largest window is larger by next to nothing."""
    near = [
        f"{each.about}: the next largest window's output is only {each.target.runner_up_gap:.2g} less, so "
        "another window may say as much"
        for each, size in zip(outcome.explained, outcome.sizes, strict=True)
        if each.target.HasField("runner_up_gap") and each.target.runner_up_gap < NEAR_TIE * size
    ]
    return [explanation_service_pb2.Warning(code="WINDOWS_NEARLY_TIED", message=each) for each in near]


def shares_and_fold(
    aggregate: "explanation_pb2.LongInput.Window.Aggregate.ValueType", token_counts: Sequence[int]
) -> tuple[Floats, Callable[[Tensor], Tensor]]:
    """Each window's share, (W,), and from the windows' values, (W, ...), to the document's."""
    shares = _SHARES[aggregate](np.array(token_counts, dtype=np.float64))
    return shares, _largest if aggregate == MAX else _mean(shares)


def _values(explained: Sequence[Explained], logits: Tensor) -> Floats:
    values: Floats = torch.stack([each.output(logits) for each in explained], dim=1).numpy()
    return values


def _largest(values: Tensor) -> Tensor:
    return values.amax(dim=0)


def _mean(shares: Floats) -> Callable[[Tensor], Tensor]:
    weights = torch.from_numpy(shares)
    return lambda values: weights @ values


def of_largest(explained: Sequence[Explained], f_input: Floats) -> tuple[list[Explained], NDArray[np.bool_]]:
    """Each target with its largest window and how far ahead that is, and (W, K) which window that is.

    Args:
        explained: the K targets.
        f_input: (W, K), their values for the windows.
    """
    ranked = np.sort(f_input, axis=0)
    largest = f_input.argmax(axis=0)
    chosen = []
    for number, each in enumerate(explained):
        target = explanation_service_pb2.Target()
        target.CopyFrom(each.target)
        target.window = int(largest[number])
        target.runner_up_gap = float(ranked[-1, number] - ranked[-2, number])
        chosen.append(replace(each, target=target))
    return chosen, np.arange(len(f_input))[:, None] == largest


def _equal(counts: Floats) -> Floats:
    return np.full(len(counts), 1 / len(counts))


def _by_tokens(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum()
    return shares


def _whole(counts: Floats) -> Floats:
    return np.ones(len(counts))


_SHARES: Mapping["explanation_pb2.LongInput.Window.Aggregate.ValueType", Callable[[Floats], Floats]] = {
    explanation_pb2.LongInput.Window.AGGREGATE_UNSPECIFIED: _equal,
    explanation_pb2.LongInput.Window.AGGREGATE_MEAN: _equal,
    explanation_pb2.LongInput.Window.AGGREGATE_TOKEN_WEIGHTED_MEAN: _by_tokens,
    MEAN_LOGITS: _equal,
    MAX: _whole,
}
