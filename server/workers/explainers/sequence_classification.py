"""Sequence classification: a classifier's output for one text."""

from ligserve.server.workers.explainers.class_plans import plan_text
from ligserve.server.workers.explainers.inputs.text_input import SourceText
from ligserve.server.workers.explainers.options.setting import setting_of
from ligserve.server.workers.explainers.plans.plan import Planning
from ligserve.server.workers.explainers.targets.classes import ClassTargets, chosen_labels
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "sequence_classification"


def plan_sequence_classification(request: ExplainRequest, model: TextModel) -> Planning:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a class does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.sequence_classification, setting_of(request, model, FIELD)
    labels = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    targets = ClassTargets(labels, question.targets, setting.space, f"{FIELD}.targets")
    return plan_text(setting, SourceText(question.text, f"{FIELD}.text"), targets)
