"""The smallest request of each explainer, to try it on a model when it is loaded."""

from collections.abc import Mapping

from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1.explanation_service_pb2 import ExplainRequest

_TEXT = "a probe"
_SECOND = "two probes"
# Large enough for any crop; every value differs from its neighbours.
_SIDE = 32
_PIXELS = bytes(7 * n % 256 for n in range(_SIDE * _SIDE * 3))

# By the name of the explainer's field.
PROBE_REQUESTS: Mapping[str, ExplainRequest] = {
    "sequence_classification": ExplainRequest(sequence_classification=pb.SequenceClassification(text=_TEXT)),
    "pairwise_sequence_classification": ExplainRequest(
        pairwise_sequence_classification=pb.PairwiseSequenceClassification(text1=_TEXT, text2=_SECOND)
    ),
    "multi_label_classification": ExplainRequest(
        multi_label_classification=pb.MultiLabelClassification(text=_TEXT)
    ),
    "zero_shot_classification": ExplainRequest(
        zero_shot_classification=pb.ZeroShotClassification(text=_TEXT, labels=[_SECOND], multi_label=True)
    ),
    "token_classification": ExplainRequest(token_classification=pb.TokenClassification(text=_TEXT)),
    "question_answering": ExplainRequest(
        question_answering=pb.QuestionAnswering(question=_TEXT, context=_SECOND)
    ),
    "image_classification": ExplainRequest(
        image_classification=pb.ImageClassification(
            array=pb.ImageArray(height=_SIDE, width=_SIDE, channels=3, values=_PIXELS)
        )
    ),
}
