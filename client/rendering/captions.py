"""What a target is about, and what the model answered there: the same words on a terminal and on a page."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ligserve.client.rendering.pieces import one_line
from ligserve.client.types.enums import AnswerEnd
from ligserve.client.types.targets import target_name
from ligserve.client.types.words import slice_of

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation
    from ligserve.client.types.inputs import Answer
    from ligserve.client.types.targets import Target

NO_ANSWER = "no span of the context"


def caption(explanation: "Explanation", position: int) -> str:
    """A target's class, label or end of an answer, with the token that it is about, if any; not escaped.

    Classes have their output spaces beside them where these differ.
    """
    target = explanation.targets[position].target
    place = _place(explanation, target)
    tokens = () if place is None else explanation.tokens[place : place + 1]
    if not tokens:
        return target_name(explanation.targets, position)
    # A special token stands for nothing in the text; its own spelling is shown.
    spelt = tokens[0].text if tokens[0].special else slice_of(tokens, explanation.texts).text
    return f"{replace(target, token=None)}: {one_line(spelt)} (token {place})"


def outcome(explanation: "Explanation", position: int) -> tuple[str, float | None]:
    """What the model answered where a target asks, and its probability where there is one; not escaped."""
    token = explanation.targets[position].target.token
    if explanation.answer is not None:
        return answer_text(explanation.answer), explanation.answer.probability
    if token is not None and explanation.token_predictions:
        prediction = explanation.token_predictions[token]
    elif explanation.prediction is not None:
        prediction = explanation.prediction
    else:
        return "", None
    return prediction.label, prediction.probability


def answer_text(answer: "Answer") -> str:
    """The answer, or that there is none."""
    return answer.text or NO_ANSWER


def _place(explanation: "Explanation", target: "Target") -> int | None:
    if explanation.answer is None or target.answer_end is AnswerEnd.UNSPECIFIED:
        return target.token
    start = target.answer_end is AnswerEnd.START
    return explanation.answer.first_token if start else explanation.answer.last_token
