"""Question answering: the start and the end of the answer that a model picks from a context."""

from ligserve.server.workers.explainers.documents.answer_windows import AnswerWindows
from ligserve.server.workers.explainers.documents.long_input import Cut, PairLayout, cut_pair
from ligserve.server.workers.explainers.documents.truncation import telling_the_loss
from ligserve.server.workers.explainers.documents.window_paths import WindowPaths, not_asked
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_question, faithful_row
from ligserve.server.workers.explainers.inputs.frame import library_question_frame, question_frame
from ligserve.server.workers.explainers.inputs.library_question import library_question, library_question_row
from ligserve.server.workers.explainers.inputs.text_input import SourceText, TextInput
from ligserve.server.workers.explainers.options.accuracy import asked_tolerance, window_rule
from ligserve.server.workers.explainers.options.setting import Setting, setting_of
from ligserve.server.workers.explainers.plans.plan import DocumentPlan, Plan, Planning
from ligserve.server.workers.explainers.targets.answers import (
    ANSWER_TARGETS,
    AnswerRule,
    BestSpan,
    LargestLogits,
    places_in,
)
from ligserve.server.workers.explainers.targets.passage import Passage
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_pb2 import QuestionAnswering
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "question_answering"
DEFAULT_MAX_ANSWER_TOKENS = 30
_CONTEXT = 1


def plan_question_answering(request: ExplainRequest, model: TextModel) -> Planning:
    """Understand a request.

    Raises:
        InvalidArgumentError: a text does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    asked, setting = request.question_answering, setting_of(request, model, FIELD)
    question = SourceText(asked.question, f"{FIELD}.question")
    context = SourceText(asked.context, f"{FIELD}.context")
    cut = yield from cut_pair(setting, (question, context), _layout(setting), windowed=_CONTEXT)
    if cut is None:
        read = library_question if setting.library else faithful_question
        return _of_row(setting, read(model, question, context, setting.token), asked)
    return _of_rest(setting, cut, asked) if cut.in_one_row else _of_windows(setting, cut, asked)


def _layout(setting: Setting) -> PairLayout:
    if setting.library:
        return PairLayout(library_question_frame, library_question_row)
    return PairLayout(question_frame, faithful_row)


def _rule(setting: Setting, asked: QuestionAnswering) -> AnswerRule:
    if setting.library:
        return LargestLogits()
    longest = asked.max_answer_tokens if asked.HasField("max_answer_tokens") else DEFAULT_MAX_ANSWER_TOKENS
    return BestSpan(longest, setting.space)


def _of_row(setting: Setting, text: TextInput, asked: QuestionAnswering) -> Plan:
    """A question and a context of one row."""
    places = places_in(text.tokens, setting.model.tokenizer.cls_token_id)
    passage = Passage(text.tokens, asked.context, places, _rule(setting, asked))
    return Plan(
        model=setting.model,
        convention=setting.convention,
        paths=[setting.path(text, passage.explained, ANSWER_TARGETS)],
        outcome=passage.outcome,
        warnings=setting.warnings,
    )


def _of_rest(setting: Setting, cut: Cut, asked: QuestionAnswering) -> Plan:
    """All of a context, or what is left where its end was cut off."""
    plan = _of_row(setting, cut.reader.read(*cut.spans[0]), asked)
    return telling_the_loss(plan, cut)


def _of_windows(setting: Setting, cut: Cut, asked: QuestionAnswering) -> Plan:
    """A context that is searched window by window; the window of the answer is explained."""
    options, convention = setting.options, setting.convention
    windows = AnswerWindows(cut, asked.context, _rule(setting, asked), setting.model.tokenizer.cls_token_id)
    return Plan(
        model=setting.model,
        convention=convention,
        paths=WindowPaths(setting, cut, not_asked),
        outcome=not_asked,
        warnings=setting.warnings,
        document=DocumentPlan(
            outcome=windows.outcome,
            first_tokens=[start for start, _ in cut.spans],
            token_counts=[end - start for start, end in cut.spans],
            rule=lambda change: window_rule(options, convention, change),
            tolerance=asked_tolerance(options, convention),
            targets=ANSWER_TARGETS,
            targets_in=None,
            winners=1,
            segment=_CONTEXT,
            ends_of=windows.best,
        ),
    )
