"""Token classification: the label that a model gives to each token, in one shared forward pass."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ligserve.server.workers.explainers.documents.long_input import Cut, cut_text
from ligserve.server.workers.explainers.documents.token_windows import TokenWindows
from ligserve.server.workers.explainers.documents.truncation import telling_the_loss
from ligserve.server.workers.explainers.documents.window_paths import WindowPaths, not_asked
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.explainers.inputs.library_text import library_input, library_text_row
from ligserve.server.workers.explainers.inputs.text_input import SourceText, TextInput
from ligserve.server.workers.explainers.options.accuracy import (
    WINDOWS_AT_ONCE,
    asked_tolerance,
    quadrature_rule,
)
from ligserve.server.workers.explainers.options.setting import Setting, setting_of
from ligserve.server.workers.explainers.plans.plan import DocumentPlan, Plan, Planning
from ligserve.server.workers.explainers.targets.token_labels import TokenQuestion, TokenTargets
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "token_classification"


def plan_token_classification(request: ExplainRequest, model: TextModel) -> Planning:
    """Understand a request.

    Raises:
        InvalidArgumentError: the text, an index or a label does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    question, setting = request.token_classification, setting_of(request, model, FIELD)
    source = SourceText(question.text, f"{FIELD}.text")
    asked = TokenQuestion(model.labels, question, setting.space, FIELD, library=setting.library)
    cut = yield from cut_text(setting, source)
    if cut is None:
        return _of_row(setting, _read(setting, source), asked)
    if setting.library:
        # The library gives token types to sequence classifiers alone.
        cut = replace(cut, reader=replace(cut.reader, make_row=partial(library_text_row, typed=False)))
    return _of_rest(setting, cut, asked) if cut.in_one_row else _of_windows(setting, cut, asked)


def _read(setting: Setting, source: SourceText) -> TextInput:
    if setting.library:
        return library_input(setting.model, source.text, source.field, setting.token, types=False)
    return faithful_input(setting.model, source.text, source.field, setting.token)


def _of_row(setting: Setting, text: TextInput, asked: TokenQuestion, lost: int = 0) -> Plan:
    """A text of one row; tokens that were cut off are no targets."""
    asked.check(len(text.tokens.ids) + lost)
    model, path_end = setting.model, None
    if _moves_positions(setting, text.row):
        path_end = _logits_of(model, text.row)
    targets = TokenTargets(asked, text.tokens, path_end)
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[setting.path(text, targets.explained, targets.most)],
        outcome=targets.outcome,
        warnings=setting.warnings,
        may_explain_less=asked.may_be_fewer,
    )


def _of_rest(setting: Setting, cut: Cut, asked: TokenQuestion) -> Plan:
    """All of a text, or what is left where its end was cut off."""
    plan = _of_row(setting, cut.reader.read(*cut.spans[0]), asked, cut.lost)
    return telling_the_loss(plan, cut)


def _of_windows(setting: Setting, cut: Cut, asked: TokenQuestion) -> Plan:
    """A text that is explained window by window."""
    options, convention = setting.options, setting.convention
    row = cut.reader.read(*cut.spans[0]).row
    windows = TokenWindows(asked, cut, tells_ends=_moves_positions(setting, row))
    spans, most = windows.cut.spans, windows.most()
    return Plan(
        model=setting.model,
        convention=convention,
        paths=WindowPaths(setting, windows.cut, not_asked, windows.own),
        outcome=not_asked,
        warnings=setting.warnings,
        document=DocumentPlan(
            outcome=windows.outcome,
            first_tokens=[start for start, _ in spans],
            token_counts=[end - start for start, end in spans],
            rule=lambda _: quadrature_rule(
                options, convention, paths=WINDOWS_AT_ONCE, separate=max(most, default=0)
            ),
            tolerance=asked_tolerance(options, convention),
            targets=sum(most),
            targets_in=most,
        ),
        may_explain_less=asked.may_be_fewer,
    )


def _moves_positions(setting: Setting, row: RowInputs) -> bool:
    """Whether the path gives the model other positions than the prediction does."""
    return setting.library and "position_ids" in row and setting.model.first_position > 0


def _logits_of(model: TextModel, row: RowInputs) -> Callable[[], Tensor]:
    def logits() -> Tensor:
        with torch.no_grad():
            return model.logits(model.batch([row]))[0]

    return logits
