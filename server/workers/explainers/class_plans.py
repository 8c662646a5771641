"""Plans of a classifier's output for one text or two: for one row, or for windows."""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ligserve.server.workers.explainers.documents.aggregates import (
    MAX,
    Aggregation,
    DocumentTargets,
    document_outcome,
)
from ligserve.server.workers.explainers.documents.long_input import Cut, cut_text
from ligserve.server.workers.explainers.documents.truncation import telling_the_loss
from ligserve.server.workers.explainers.documents.window_paths import WindowPaths
from ligserve.server.workers.explainers.documents.windows_in_step import outputs_in_step, rule_in_step
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.explainers.inputs.library_text import library_input
from ligserve.server.workers.explainers.inputs.text_input import SourceText, TextInput
from ligserve.server.workers.explainers.options.accuracy import asked_tolerance, window_rule
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.plans.plan import DocumentPlan, Plan, Planning
from ligserve.v1 import explanation_service_pb2


class TextTargets(DocumentTargets, Protocol):
    """What is asked of a classifier about a row of text, or about a document."""

    @property
    def count(self) -> int:
        """How many targets there are."""
        ...

    def explained(self, logits: Tensor) -> Sequence[Explained]:
        """What is explained, now that the model's output for the input, (C,), is known."""
        ...

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The prediction that the (C,) logits of the only path make."""
        ...


def plan_text(setting: Setting, source: SourceText, targets: TextTargets) -> Planning:
    """Explain a text as one row if it fits, else as the request's policy for long inputs has it.

    Raises:
        InvalidArgumentError: the text has no tokens, too many, or cannot be read; or the stride is longer
            than a window.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    cut = yield from cut_text(setting, source)
    if cut is not None:
        return plan_cut(setting, cut, targets)
    read = library_input if setting.library else faithful_input
    return plan_row(setting, read(setting.model, source.text, source.field, setting.token), targets)


def plan_row(setting: Setting, text: TextInput, targets: TextTargets) -> Plan:
    """Explain what fits into one row."""
    return Plan(
        model=setting.model,
        convention=setting.convention,
        paths=[setting.path(text, targets.explained, targets.count)],
        outcome=targets.outcome,
        warnings=setting.warnings,
    )


def plan_cut(setting: Setting, cut: Cut, targets: TextTargets) -> Plan:
    """Explain windows that make up a document, or what is left of it."""
    if cut.in_one_row:
        return telling_the_loss(plan_row(setting, cut.reader.read(*cut.spans[0]), targets), cut)
    options, convention = setting.options, setting.convention
    counts = [end - start for start, end in cut.spans]
    in_step = rule_in_step(setting, cut, targets.explained_of(0))
    outputs = targets.count if in_step is None else outputs_in_step(setting, targets.explained_of(0))
    asked = Aggregation(targets, options.long_input.window.aggregate, counts, in_step)
    document = DocumentPlan(
        outcome=lambda logits: document_outcome(asked, logits),
        first_tokens=[start for start, _ in cut.spans],
        token_counts=counts,
        rule=lambda change: window_rule(options, convention, change, shared=bool(setting.every_class)),
        tolerance=asked_tolerance(options, convention),
        targets=targets.count,
        targets_in=None if asked.aggregate == MAX else [outputs] * len(counts),
        winners=min(targets.count, len(counts)),
        segment=cut.reader.windowed,
    )
    return Plan(
        model=setting.model,
        convention=convention,
        paths=WindowPaths(setting, cut, targets.explained),
        outcome=targets.outcome,
        warnings=setting.warnings,
        document=document,
    )
