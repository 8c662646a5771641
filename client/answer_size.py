"""A guess of how large an answer will be, before the server has counted its tokens."""

from collections.abc import Iterable
from typing import Final

from ligserve.v1 import explanation_service_pb2 as service_pb

# The server's reason for refusing an answer in one message; nothing of it is computed by then.
ANSWER_TOO_LARGE: Final = "ANSWER_TOO_LARGE"
# A token for each character, each in four windows and with a score of one target: 12 MiB at most.
LONGEST_UNARY_CHARS: Final = 1 << 16
# A token whose label is explained has scores for its whole window, of 512 tokens as a rule, but for no other.
SCORES_FOR_TOKEN_LABEL: Final = 32


def may_be_large(request: service_pb.ExplainRequest, texts: Iterable[str]) -> bool:
    """Whether an answer may be too large for one message, and so is better read as a stream.

    Only a guess, which spares most large answers their refusal: of a classifier's labels nothing is known.
    """
    return sum(map(len, texts)) * _scores_of_token(request) > LONGEST_UNARY_CHARS


def _scores_of_token(request: service_pb.ExplainRequest) -> int:
    """How many scores a token may have in a window."""
    match request.WhichOneof("explainer"):
        case "sequence_classification":
            return max(1, len(request.sequence_classification.targets))
        case "pairwise_sequence_classification":
            return max(1, len(request.pairwise_sequence_classification.targets))
        case "multi_label_classification":
            task = request.multi_label_classification
            return len(task.labels) or len(task.custom_labels) or 1
        case "zero_shot_classification":
            # Each label has windows of its own; where labels compete, each is explained in all of them.
            zero_shot = request.zero_shot_classification
            count = max(1, len(zero_shot.labels))
            return count if zero_shot.multi_label else count**2
        case "token_classification":
            return SCORES_FOR_TOKEN_LABEL
    return 1
