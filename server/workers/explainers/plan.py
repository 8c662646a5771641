"""What an explainer makes of a request before the engine starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import PathSpec
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.v1 import explanation_pb2, explanation_service_pb2


@dataclass(frozen=True)
class PathPlan:
    """One path of a request, with tokens of its own; it becomes one window of the answer.

    Attributes:
        spec: the path.
        rule: how it is integrated.
        tokens: its tokens.
        targets: numbers of the targets that it explains, as the header counts them.
        outputs: from the input's (C,) logits to what is explained, one for each of `targets`.
        described: a target as the header shows it.
        hypothesis: for zero-shot classification, the second text, which the caller did not send.
    """

    spec: PathSpec
    rule: QuadratureRule
    tokens: explanation_service_pb2.Tokens
    targets: Sequence[int]
    outputs: Callable[[Tensor], Sequence[ClassOutput]]
    described: Callable[[ClassOutput], explanation_service_pb2.Target]
    hypothesis: str = ""


@dataclass(frozen=True)
class Plan:
    """A request, understood: the paths to integrate over, and how to speak of the result.

    Attributes:
        model: the model that is explained.
        convention: whose habits are followed.
        paths: the paths, one or more.
        prediction: from each path's input's (C,) logits to the header's prediction.
        warnings: what is known to be odd before the work starts.
    """

    model: LoadedModel
    convention: "explanation_pb2.Convention.ValueType"
    paths: Sequence[PathPlan]
    prediction: Callable[[Sequence[Tensor]], explanation_service_pb2.Prediction]
    warnings: Sequence[explanation_service_pb2.Warning]
