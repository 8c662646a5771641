"""Which requests may be long, by what can be seen before a tokenizer has read their texts."""

from ligserve.server.pool.affinity import INPUT_FIELDS
from ligserve.v1 import explanation_service_pb2 as pb

# About one window of a usual model: 512 tokens of English.
WINDOW_BYTES = 2048
# Fields of the explainers' messages with an entry for each output that is explained; empty where the model's
# labels or its prediction decide.
ASKED_FIELDS = ("labels", "targets")


def is_long(request: pb.ExplainRequest) -> bool:
    """Whether its texts, read once for each label or target that it names, may need more than a window."""
    explainer = request.WhichOneof("explainer")
    if explainer is None:
        return False
    question = getattr(request, explainer)
    fields = question.DESCRIPTOR.fields_by_name
    size = sum(len(getattr(question, field).encode()) for field in INPUT_FIELDS & set(fields))
    asked = max(len(getattr(question, field)) if field in fields else 0 for field in ASKED_FIELDS)
    return size * max(1, asked) > WINDOW_BYTES
