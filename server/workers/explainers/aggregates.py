"""From the outputs of a document's windows to its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ligserve.server.workers.explainers.document_outcome import DocumentOutcome
from ligserve.server.workers.explainers.plan import DocumentPlan, Explained
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_pb2, explanation_service_pb2

MAX = explanation_pb2.LongInput.Window.AGGREGATE_MAX
# A runner-up closer than this share of what the largest window has to explain makes the choice a chance.
NEAR_TIE = 0.05


@dataclass(frozen=True)
class WindowLogits:
    """Logits of W windows, (W, C) each.

    Attributes:
        inputs: of the windows as the model is deployed.
        starts: at the starts of their paths.
        ends: at the ends of their paths.
    """

    inputs: Tensor
    starts: Tensor
    ends: Tensor


def document_outcome(plan: DocumentPlan, logits: WindowLogits) -> DocumentOutcome:
    """The document's output and targets."""
    counts = np.array(plan.token_counts, dtype=np.float64)
    shares = _SHARES[plan.aggregate](counts)
    fold = _largest if plan.aggregate == MAX else _mean(shares)
    chances = fold(plan.targets.chances(logits.inputs))
    predicted = int(chances.argmax())
    explained = plan.targets.explained_of(predicted)
    f_input, f_baseline = (_values(explained, each) for each in (logits.ends, logits.starts))
    about = np.ones(f_input.shape, dtype=np.bool_)
    if plan.aggregate == MAX:
        explained, about = _of_largest(explained, f_input)
    outcome = DocumentOutcome(
        header=explanation_service_pb2.Header(
            prediction=plan.targets.prediction(fold(logits.inputs), chances, predicted)
        ),
        explained=explained,
        shares=shares,
        targets=np.nonzero(about)[1],
        first_pairs=np.concatenate(([0], about.sum(axis=1).cumsum())),
        f_input=f_input[about],
        f_baseline=f_baseline[about],
    )
    outcome.header.warnings.extend(_warnings(outcome))
    return outcome


def _warnings(outcome: DocumentOutcome) -> list[explanation_service_pb2.Warning]:
    """One for each target whose largest window is larger by next to nothing."""
    near = [
        f"{each.about}: the next largest window's output is only {each.target.runner_up_gap:.2g} less, so "
        "another window may say as much"
        for each, size in zip(outcome.explained, outcome.sizes, strict=True)
        if each.target.HasField("runner_up_gap") and each.target.runner_up_gap < NEAR_TIE * size
    ]
    return [explanation_service_pb2.Warning(code="WINDOWS_NEARLY_TIED", message=each) for each in near]


def _values(explained: Sequence[Explained], logits: Tensor) -> Floats:
    values: Floats = torch.stack([each.output(logits) for each in explained], dim=1).numpy()
    return values


def _largest(values: Tensor) -> Tensor:
    return values.amax(dim=0)


def _mean(shares: Floats) -> Callable[[Tensor], Tensor]:
    weights = torch.from_numpy(shares)
    return lambda values: weights @ values


def _of_largest(explained: Sequence[Explained], f_input: Floats) -> tuple[list[Explained], NDArray[np.bool_]]:
    """Each target with its largest window and how far ahead that is, and (W, K) which window that is."""
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
    MAX: _whole,
}
