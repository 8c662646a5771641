"""What the public interface offers and this version does not build yet: one table."""

from collections.abc import Callable, Mapping

from ligserve.server.errors import UnimplementedError
from ligserve.server.long_inputs import takes
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb

_BUILT_EXPLAINERS = frozenset(
    {
        "sequence_classification",
        "pairwise_sequence_classification",
        "multi_label_classification",
        "zero_shot_classification",
        "token_classification",
        "question_answering",
        "image_classification",
    }
)

# The part's name, and whether a request's options ask for it.
_UNBUILT_OPTIONS: Mapping[str, Callable[[pb.ExplainOptions], bool]] = {
    "options.baselines.reference_text": lambda o: any(b.HasField("reference_text") for b in o.baselines),
    "more than one of options.baselines": lambda o: len(o.baselines) > 1,
}


def refuse_unbuilt(request: service_pb.ExplainRequest) -> None:
    """Let a request pass if everything that it asks for is built.

    Raises:
        UnimplementedError: naming the first part that is not.
    """
    explainer = request.WhichOneof("explainer")
    if explainer is not None and explainer not in _BUILT_EXPLAINERS:
        raise UnimplementedError(explainer)
    policy = request.options.long_input.WhichOneof("policy")
    if explainer is not None and policy in ("window", "truncate") and not takes(explainer, policy):
        raise UnimplementedError(f"options.long_input.{policy} of {explainer}")
    for part, asks_for in _UNBUILT_OPTIONS.items():
        if asks_for(request.options):
            raise UnimplementedError(part)
