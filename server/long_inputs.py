"""What each explainer does with texts that are longer than the model takes, for front and workers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import model_service_pb2

_WINDOW = pb.LongInput.Window


@dataclass(frozen=True)
class LongInputs:
    """What an explainer takes.

    Attributes:
        policies: names of fields of LongInput.
        aggregates: how the windows' outputs may be aggregated, the default first; none where each target is
            about one window.
    """

    policies: Sequence[str] = ("refuse", "window", "truncate")
    aggregates: Sequence["pb.LongInput.Window.Aggregate.ValueType"] = ()


_CLASSES = LongInputs(
    aggregates=(
        _WINDOW.AGGREGATE_MEAN,
        _WINDOW.AGGREGATE_TOKEN_WEIGHTED_MEAN,
        _WINDOW.AGGREGATE_MAX,
        _WINDOW.AGGREGATE_MEAN_LOGITS,
    )
)
# Images are not long.
LONG_INPUTS: Mapping[str, LongInputs] = {
    "sequence_classification": _CLASSES,
    "pairwise_sequence_classification": _CLASSES,
    "multi_label_classification": _CLASSES,
    "zero_shot_classification": _CLASSES,
    "token_classification": LongInputs(),
    "question_answering": LongInputs(),
}


def takes(explainer: str, policy: str) -> bool:
    """Whether an explainer takes a policy."""
    return explainer in LONG_INPUTS and policy in LONG_INPUTS[explainer].policies


def default_policy(convention: "pb.Convention.ValueType") -> str:
    """What is meant where a request names no policy."""
    return "refuse" if convention == pb.CONVENTION_LIBRARY else "window"


def long_input_support(
    explainer: str, convention: "pb.Convention.ValueType"
) -> model_service_pb2.LongInputSupport:
    """What ModelService tells of an explainer of texts."""
    known, default = LONG_INPUTS[explainer], default_policy(convention)
    return model_service_pb2.LongInputSupport(
        convention=convention,
        policies=known.policies,
        default_policy=default if default in known.policies else "refuse",
        aggregates=known.aggregates,
    )
