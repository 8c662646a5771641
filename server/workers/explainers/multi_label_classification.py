"""Multi-label classification: every label's own output for one text, in one shared forward pass."""

from ligserve.server.workers.explainers.class_plans import plan_text
from ligserve.server.workers.explainers.inputs.text_input import SourceText
from ligserve.server.workers.explainers.options.setting import setting_of
from ligserve.server.workers.explainers.plans.plan import Planning
from ligserve.server.workers.explainers.targets.classes import chosen_labels
from ligserve.server.workers.explainers.targets.labels import LabelTargets
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "multi_label_classification"


def plan_multi_label_classification(request: ExplainRequest, model: TextModel) -> Planning:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a label does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.multi_label_classification, setting_of(request, model, FIELD)
    names = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    labels = LabelTargets(names, question.labels, setting.space, f"{FIELD}.labels")
    return plan_text(setting, SourceText(question.text, f"{FIELD}.text"), labels)
