"""Sequence classification: a classifier's output for one text."""

from ligserve.server.workers.explainers.classes import ClassTargets, chosen_labels
from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.explainers.setting import setting_of
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "sequence_classification"


def plan_sequence_classification(request: ExplainRequest, model: TextModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a class does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.sequence_classification, setting_of(request, model, FIELD)
    read = library_input if setting.library else faithful_input
    text = read(model, question.text, f"{FIELD}.text", setting.token)
    labels = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    targets = ClassTargets(labels, question.targets, setting.space, f"{FIELD}.targets")
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[setting.path(text, targets.explained)],
        outcome=targets.outcome,
        warnings=setting.warnings,
    )
