"""Zero-shot classification: candidate labels, each a hypothesis with paths of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.documents.premise_plans import (
    plan_windows_by_label,
    plan_windows_of_competition,
)
from ligserve.server.workers.explainers.documents.premise_windows import cut_premise
from ligserve.server.workers.explainers.documents.truncation import telling_the_loss
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_pair
from ligserve.server.workers.explainers.inputs.library_premise import library_premise
from ligserve.server.workers.explainers.inputs.text_input import SourceText, TextInput
from ligserve.server.workers.explainers.options.accuracy import quadrature_rule
from ligserve.server.workers.explainers.options.setting import Setting, setting_of
from ligserve.server.workers.explainers.plans.plan import Plan, Planning
from ligserve.server.workers.explainers.targets.candidates import Candidates
from ligserve.server.workers.explainers.targets.competing_labels import CompetingLabels
from ligserve.server.workers.explainers.targets.entailment import entailment_index
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "zero_shot_classification"
LABELS_FIELD = f"{FIELD}.labels"
DEFAULT_TEMPLATE = "this text is about {} ."


def plan_zero_shot_classification(request: ExplainRequest, model: TextModel) -> Planning:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text or a label does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.zero_shot_classification, setting_of(request, model, FIELD)
    premise, hypotheses = SourceText(question.text, f"{FIELD}.text"), _hypotheses(question)
    # As the pipeline does, a single label is judged by itself: a softmax over it alone would always be 1.
    compete = not setting.library and not question.multi_label and len(question.labels) > 1
    kind = _Competing if compete else _ByThemselves
    labels = kind(setting, list(question.labels), [hypothesis.text for hypothesis in hypotheses])
    cuts = yield from cut_premise(setting, premise, hypotheses)
    if cuts is None:
        read = library_premise if setting.library else faithful_pair
        return labels.plan([read(model, premise, hypothesis, setting.token) for hypothesis in hypotheses])
    if not cuts[0].in_one_row:
        return labels.plan_windows(cuts)
    plan = labels.plan([cut.reader.read(*cut.spans[0]) for cut in cuts])
    return telling_the_loss(plan, cuts[0])


def _hypotheses(question: explanation_pb2.ZeroShotClassification) -> list[SourceText]:
    has_template = question.HasField("hypothesis_template")
    template = question.hypothesis_template if has_template else DEFAULT_TEMPLATE
    return [
        SourceText(template.replace("{}", label), f"{LABELS_FIELD}[{number}]")
        for number, label in enumerate(question.labels)
    ]


@dataclass(frozen=True)
class _ByThemselves:
    """Labels that are judged by themselves, with the hypothesis of each."""

    setting: Setting
    labels: Sequence[str]
    hypotheses: Sequence[str]

    def plan(self, texts: Sequence[TextInput]) -> Plan:
        """A path for each label."""
        setting, candidates = replace(self.setting, paths=len(texts)), self._candidates()
        return Plan(
            model=setting.model,
            convention=setting.convention,
            paths=[
                setting.path(text, candidates.explained(number), 1, number, self.hypotheses[number])
                for number, text in enumerate(texts)
            ],
            outcome=candidates.outcome,
            warnings=[*setting.warnings, *candidates.warnings()],
        )

    def plan_windows(self, cuts: Sequence[Cut]) -> Plan:
        """Windows for each label."""
        return plan_windows_by_label(self.setting, cuts, self.hypotheses, self._candidates())

    def _candidates(self) -> Candidates:
        setting = self.setting
        return Candidates(setting.model, self.labels, setting.space, library=setting.library)


@dataclass(frozen=True)
class _Competing:
    """Labels that share one probability, with the hypothesis of each."""

    setting: Setting
    labels: Sequence[str]
    hypotheses: Sequence[str]

    def plan(self, texts: Sequence[TextInput]) -> Plan:
        """A path for each label, all under one rule."""
        setting, competing = self.setting, self._competing()
        paths = [
            setting.path(text, competing.explained, len(self.labels), 0, hypothesis)
            for text, hypothesis in zip(texts, self.hypotheses, strict=True)
        ]
        competing.check([path.spec.length for path in paths], LABELS_FIELD)
        return Plan(
            model=setting.model,
            convention=setting.convention,
            paths=competing.in_step(paths, quadrature_rule(setting.options, setting.convention)),
            outcome=competing.outcome,
            warnings=setting.warnings,
        )

    def plan_windows(self, cuts: Sequence[Cut]) -> Plan:
        """Windows for each label; those on one part of the text share a rule."""
        competing = self._competing()
        return plan_windows_of_competition(self.setting, cuts, self.hypotheses, competing, LABELS_FIELD)

    def _competing(self) -> CompetingLabels:
        entailment = entailment_index(self.setting.model.labels)
        if entailment is None:
            raise RuntimeError("a model without an entailment label was not refused")
        return CompetingLabels(self.labels, entailment, self.setting.space)
