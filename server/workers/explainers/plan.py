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
class Plan:
    """A request, understood: the path to integrate over, and how to speak of the result.

    Attributes:
        model: the model that is explained.
        convention: whose habits are followed.
        path: the path.
        rule: how it is integrated.
        tokens: the path's tokens.
        outputs: from the input's (C,) logits to what is explained.
        prediction: from the input's (C,) logits to the header's prediction.
        described: a target as the header shows it.
        warnings: what is known to be odd before the work starts.
    """

    model: LoadedModel
    convention: "explanation_pb2.Convention.ValueType"
    path: PathSpec
    rule: QuadratureRule
    tokens: explanation_service_pb2.Tokens
    outputs: Callable[[Tensor], Sequence[ClassOutput]]
    prediction: Callable[[Tensor], explanation_service_pb2.Prediction]
    described: Callable[[ClassOutput], explanation_service_pb2.Target]
    warnings: Sequence[explanation_service_pb2.Warning]
