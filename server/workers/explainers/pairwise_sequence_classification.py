"""Pairwise sequence classification: a cross-encoder's output for two texts."""

from ligserve.server.workers.explainers.classes import ClassTargets, chosen_labels
from ligserve.server.workers.explainers.faithful_text import faithful_pair
from ligserve.server.workers.explainers.library_pair import library_pair
from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.explainers.setting import setting_of
from ligserve.server.workers.explainers.text_input import SourceText
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "pairwise_sequence_classification"


def plan_pairwise_sequence_classification(request: ExplainRequest, model: TextModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: a text or a class does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.pairwise_sequence_classification, setting_of(request, model, FIELD)
    first = SourceText(question.text1, f"{FIELD}.text1")
    second = SourceText(question.text2, f"{FIELD}.text2")
    read = library_pair if setting.library else faithful_pair
    text = read(model, first, second, setting.token)
    labels = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    targets = ClassTargets(
        labels, question.targets, setting.space, f"{FIELD}.targets", flipped=question.flip_sign
    )
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[setting.path(text, targets.explained, targets.count)],
        outcome=targets.outcome,
        warnings=setting.warnings,
    )
