"""What an explainer makes of a request before the engine starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.server.workers.quadrature import QuadratureRule
from ligserve.v1 import explanation_pb2, explanation_service_pb2


@dataclass(frozen=True)
class Explained:
    """One target of a path.

    Attributes:
        output: the function of the logits.
        target: how the header shows it.
        about: how warnings call it.
    """

    output: Output
    target: explanation_service_pb2.Target
    about: str


@dataclass(frozen=True)
class PathPlan:
    """One path of a request, with tokens of its own; it becomes one window of the answer.

    Attributes:
        spec: the path.
        rule: how it is integrated.
        tokens: its tokens.
        explained: from the input's logits, (C,) or (T, C), to what is explained.
        first_target: number of its first target, as the header counts them.
        hypothesis: for zero-shot classification, the second text, which the caller did not send.
    """

    spec: PathSpec
    rule: QuadratureRule
    tokens: explanation_service_pb2.Tokens
    explained: Callable[[Tensor], Sequence[Explained]]
    first_target: int = 0
    hypothesis: str = ""


@dataclass(frozen=True)
class Plan:
    """A request, understood: the paths to integrate over, and how to speak of the result.

    Attributes:
        model: the model that is explained.
        convention: whose habits are followed.
        paths: the paths, one or more.
        outcome: from the logits of each path's input, (C,) or (T, C), to the header's fields that they
            decide: prediction, token_predictions or answer.
        warnings: what is known to be odd before the work starts.
    """

    model: LoadedModel
    convention: "explanation_pb2.Convention.ValueType"
    paths: Sequence[PathPlan]
    outcome: Callable[[Sequence[Tensor]], explanation_service_pb2.Header]
    warnings: Sequence[explanation_service_pb2.Warning]
