"""What is worked out at every point so that later requests may ask about other classes."""

from collections.abc import Sequence

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.models.head import SEQUENCE
from ligserve.server.workers.models.loaded import LoadedModel
from ligserve.v1 import explanation_pb2

FIELD = "options.retargetable"
# Each is a backward pass at every point.
MAX_CLASSES = 8


def every_class(model: LoadedModel) -> Sequence[Output]:
    """The logits of all classes: every output of a classifier follows from them.

    Raises:
        InvalidArgumentError: the model has too many, or is no classifier of texts.
    """
    if model.head is not SEQUENCE:
        raise _refused(f"is for classifiers of texts and pairs; model '{model.name}' is a {model.head.name}")
    if model.num_logits > MAX_CLASSES:
        raise _refused(
            f"is for models of at most {MAX_CLASSES} classes; model '{model.name}' has {model.num_logits}. "
            "Ask for all the targets that you want in one request; they share their forward passes"
        )
    space = explanation_pb2.OUTPUT_SPACE_LOGIT
    return [ClassOutput(index, None, space) for index in range(model.num_logits)]


def refuse_retargetable(model: LoadedModel, options: explanation_pb2.ExplainOptions) -> None:
    """Refuse what an explainer cannot do.

    Raises:
        InvalidArgumentError: it is asked for.
    """
    if options.retargetable:
        raise _refused(f"is for classifiers of texts and pairs; model '{model.name}' is a {model.head.name}")


def _refused(message: str) -> InvalidArgumentError:
    return InvalidArgumentError([FieldViolation(FIELD, message)], reason="NOT_RETARGETABLE")
