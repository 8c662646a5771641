"""Multi-label classification: every label's own output for one text, in one shared forward pass."""

from ligserve.server.workers.explainers.classes import chosen_labels
from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.labels import LabelTargets
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.explainers.setting import setting_of
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "multi_label_classification"


def plan_multi_label_classification(request: ExplainRequest, model: TextModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a label does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.multi_label_classification, setting_of(request, model, FIELD)
    read = library_input if setting.library else faithful_input
    text = read(model, question.text, f"{FIELD}.text", setting.token)
    names = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    labels = LabelTargets(names, question.labels, setting.space, f"{FIELD}.labels")
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[setting.path(text, labels.explained)],
        outcome=labels.outcome,
        warnings=setting.warnings,
    )
