"""Zero-shot classification: candidate labels, each a hypothesis with a path of its own."""

from ligserve.server.workers.explainers.candidates import Candidates
from ligserve.server.workers.explainers.faithful_text import faithful_pair
from ligserve.server.workers.explainers.library_premise import library_premise
from ligserve.server.workers.explainers.plan import PathPlan, Plan
from ligserve.server.workers.explainers.setting import Setting, setting_of
from ligserve.server.workers.explainers.text_input import SourceText
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "zero_shot_classification"
DEFAULT_TEMPLATE = "this text is about {} ."


def plan_zero_shot_classification(request: ExplainRequest, model: TextModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a label does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.zero_shot_classification, setting_of(request, model, FIELD)
    candidates = Candidates(model, list(question.labels), setting.space, library=setting.library)
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[_path(setting, question, candidates, number) for number in range(len(question.labels))],
        outcome=candidates.outcome,
        warnings=[*setting.warnings, *candidates.warnings()],
    )


def _path(
    setting: Setting,
    question: explanation_pb2.ZeroShotClassification,
    candidates: Candidates,
    number: int,
) -> PathPlan:
    has_template = question.HasField("hypothesis_template")
    template = question.hypothesis_template if has_template else DEFAULT_TEMPLATE
    hypothesis = template.replace("{}", question.labels[number])
    premise = SourceText(question.text, f"{FIELD}.text")
    read = library_premise if setting.library else faithful_pair
    text = read(setting.model, premise, SourceText(hypothesis, f"{FIELD}.labels[{number}]"), setting.token)
    return setting.path(text, candidates.explained(number), number, hypothesis)
