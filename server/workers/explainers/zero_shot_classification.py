"""Zero-shot classification: candidate labels, each a hypothesis with a path of its own."""

from collections.abc import Callable, Sequence

from torch import Tensor

from ligserve.server.workers.explainers.accuracy import quadrature_rule
from ligserve.server.workers.explainers.candidates import Candidates
from ligserve.server.workers.explainers.competing_labels import CompetingLabels
from ligserve.server.workers.explainers.entailment import entailment_index
from ligserve.server.workers.explainers.faithful_text import faithful_pair
from ligserve.server.workers.explainers.library_premise import library_premise
from ligserve.server.workers.explainers.plan import Explained, PathPlan, Plan
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
    # As the pipeline does, a single label is judged by itself: a softmax over it alone would always be 1.
    if not setting.library and not question.multi_label and len(question.labels) > 1:
        return _competing(setting, question)
    candidates = Candidates(model, list(question.labels), setting.space, library=setting.library)
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[
            _path(setting, question, candidates.explained(number), 1, number, first_target=number)
            for number in range(len(question.labels))
        ],
        outcome=candidates.outcome,
        warnings=[*setting.warnings, *candidates.warnings()],
    )


def _competing(setting: Setting, question: explanation_pb2.ZeroShotClassification) -> Plan:
    """The labels share one probability."""
    entailment = entailment_index(setting.model.labels)
    if entailment is None:
        raise RuntimeError("a model without an entailment label was not refused")
    labels = CompetingLabels(list(question.labels), entailment, setting.space)
    count = len(question.labels)
    paths = [_path(setting, question, labels.explained, count, number) for number in range(count)]
    rule = quadrature_rule(setting.options, setting.convention)
    return Plan(
        model=setting.model,
        convention=setting.convention,
        paths=labels.in_step(paths, rule, f"{FIELD}.labels"),
        outcome=labels.outcome,
        warnings=setting.warnings,
    )


def _path(
    setting: Setting,
    question: explanation_pb2.ZeroShotClassification,
    explained: Callable[[Tensor], Sequence[Explained]],
    most_targets: int,
    number: int,
    first_target: int = 0,
) -> PathPlan:
    has_template = question.HasField("hypothesis_template")
    template = question.hypothesis_template if has_template else DEFAULT_TEMPLATE
    hypothesis = template.replace("{}", question.labels[number])
    premise = SourceText(question.text, f"{FIELD}.text")
    read = library_premise if setting.library else faithful_pair
    text = read(setting.model, premise, SourceText(hypothesis, f"{FIELD}.labels[{number}]"), setting.token)
    return setting.path(text, explained, most_targets, first_target, hypothesis)
