"""Question answering: the start and the end of the answer that a model picks from a context."""

from ligserve.server.workers.explainers.answers import ANSWER_TARGETS, BestSpan, LargestLogits, Passage
from ligserve.server.workers.explainers.faithful_text import faithful_question
from ligserve.server.workers.explainers.library_question import library_question
from ligserve.server.workers.explainers.plan import Plan
from ligserve.server.workers.explainers.setting import setting_of
from ligserve.server.workers.explainers.text_input import SourceText
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1.explanation_service_pb2 import ExplainRequest

FIELD = "question_answering"
DEFAULT_MAX_ANSWER_TOKENS = 30


def plan_question_answering(request: ExplainRequest, model: TextModel) -> Plan:
    """Understand a request.

    Raises:
        InvalidArgumentError: a text does not fit the model.
        FailedPreconditionError: the model cannot be explained in this way.
    """
    asked, setting = request.question_answering, setting_of(request, model, FIELD)
    question = SourceText(asked.question, f"{FIELD}.question")
    context = SourceText(asked.context, f"{FIELD}.context")
    read = library_question if setting.library else faithful_question
    text = read(model, question, context, setting.token)
    passage = Passage(text.tokens, asked.context)
    longest = asked.max_answer_tokens if asked.HasField("max_answer_tokens") else DEFAULT_MAX_ANSWER_TOKENS
    answer = (
        LargestLogits(passage)
        if setting.library
        else BestSpan(passage, model.tokenizer.cls_token_id, longest, setting.space)
    )
    return Plan(
        model=model,
        convention=setting.convention,
        paths=[setting.path(text, answer.explained, ANSWER_TARGETS)],
        outcome=answer.outcome,
        warnings=setting.warnings,
    )
