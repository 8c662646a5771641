"""Pairwise sequence classification: a cross-encoder's output for two texts."""

from ligserve.server.workers.explainers.class_plans import plan_cut, plan_row
from ligserve.server.workers.explainers.documents.long_input import PairLayout, cut_pair
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_pair, faithful_row
from ligserve.server.workers.explainers.inputs.frame import pair_frame
from ligserve.server.workers.explainers.inputs.library_pair import library_pair, library_pair_row
from ligserve.server.workers.explainers.inputs.text_input import SourceText
from ligserve.server.workers.explainers.options.setting import setting_of
from ligserve.server.workers.explainers.plans.plan import Planning
from ligserve.server.workers.explainers.targets.classes import ClassTargets, chosen_labels
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "pairwise_sequence_classification"


def plan_pairwise_sequence_classification(request: ExplainRequest, model: TextModel) -> Planning:
    """Understand a request.

    Raises:
        InvalidArgumentError: a text or a class does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.pairwise_sequence_classification, setting_of(request, model, FIELD)
    labels = chosen_labels(model.labels, question.custom_labels, f"{FIELD}.custom_labels")
    targets = ClassTargets(
        labels, question.targets, setting.space, f"{FIELD}.targets", flipped=question.flip_sign
    )
    first = SourceText(question.text1, f"{FIELD}.text1")
    second = SourceText(question.text2, f"{FIELD}.text2")
    layout = PairLayout(pair_frame, library_pair_row if setting.library else faithful_row)
    cut = yield from cut_pair(setting, (first, second), layout)
    if cut is not None:
        return plan_cut(setting, cut, targets)
    read = library_pair if setting.library else faithful_pair
    return plan_row(setting, read(model, first, second, setting.token), targets)
