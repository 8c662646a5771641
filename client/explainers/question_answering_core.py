"""What the drop-ins for question answering share."""

from pathlib import Path

from ligserve.client.explainers.attributions import LIGAttributions
from ligserve.client.explainers.core import ExplainerCore
from ligserve.client.explainers.errors import InputIdsNotCalculatedError
from ligserve.client.explainers.last_answer import NOT_CALCULATED
from ligserve.client.explainers.question import CallOptions, Question
from ligserve.client.rendering.html import Html, Row
from ligserve.client.rendering.pieces import token_pieces
from ligserve.client.tasks import Task
from ligserve.client.types.enums import AnswerEnd, Convention, EmbeddingLayer
from ligserve.client.types.explanation import Explanation
from ligserve.client.types.inputs import Answer

ALL_EMBEDDINGS = 2
Scores = dict[str, list[tuple[str, float]]]


class QuestionAnsweringCore(ExplainerCore):
    """State and rules of the drop-in, with the attributes of transformers-interpret's explainer.

    Attributes:
        start_attributions: those of the answer's start; None before the first call.
        end_attributions: those of the answer's end; None before the first call.
    """

    start_attributions: LIGAttributions | None = None
    end_attributions: LIGAttributions | None = None

    @property
    def attributions(self) -> list[LIGAttributions] | None:
        """Those of the answer's start and end; None before the first call."""
        if self.start_attributions is None or self.end_attributions is None:
            return None
        return [self.start_attributions, self.end_attributions]

    @property
    def word_attributions(self) -> Scores:
        """The tokens of the last call with their normalised scores, for the answer's "start" and "end".

        Raises:
            ValueError: there was no call yet.
        """
        if self.attributions is None:
            raise ValueError(NOT_CALCULATED)
        start, end = self.attributions
        return {"start": start.word_attributions, "end": end.word_attributions}

    @property
    def question(self) -> str:
        """The question of the last call.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().texts[0]

    @property
    def text(self) -> str:
        """The context of the last call.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._last().texts[1]

    @property
    def start_pos(self) -> int:
        """Position of the answer's first token; in LIBRARY the likeliest start, wherever it is.

        Of a long context the position among the tokens of the answer's window, which the attributions are of.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._in_window(self._answer().first_token)

    @property
    def end_pos(self) -> int:
        """Position of the answer's last token; in LIBRARY the likeliest end, even before the start.

        Counted as `start_pos`.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        return self._in_window(self._answer().last_token)

    @property
    def predicted_answer(self) -> str:
        """The answer: in LIBRARY its tokens with a space between them, as the tokenizer spells them.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
        """
        answer, explanation = self._answer(), self._last()
        if explanation.convention is Convention.FAITHFUL:
            return answer.text
        return " ".join(token.text for token in explanation.answer_tokens)

    def visualize(self, html_filepath: str | Path | None = None) -> Html:
        """The last call's table, rows for start and end; written to a file too, where a path is given.

        Raises:
            InputIdsNotCalculatedError: there was no call yet.
            OSError: the file cannot be written.
        """
        positions = {AnswerEnd.START: self.start_pos, AnswerEnd.END: self.end_pos}
        return self._written((self._row(end, place) for end, place in positions.items()), html_filepath)

    def _row(self, end: AnswerEnd, place: int) -> Row:
        explanation, words = self._last(), self.word_attributions[end]
        label = f"{words[place][0]} ({place})"
        return Row(
            true_label=label,
            predicted_label=self.predicted_answer,
            probability=explanation.targets[explanation.answer_target(end)].f_input,
            attribution_label=label,
            attribution_score=sum(score for _, score in words),
            pieces=token_pieces(words),
        )

    def _answer(self) -> Answer:
        answer = self._last().answer
        if answer is None:
            raise InputIdsNotCalculatedError("the last answer holds no span of the context")
        return answer

    def _in_window(self, token: int) -> int:
        """From a position among all tokens to one among those that the attributions are of."""
        return [each.index for each in self._last().tokens_of(0)].index(token)

    def _question(self, task: Task, options: CallOptions) -> Question:
        question = super()._question(task, options)
        every = options.embedding_type == ALL_EMBEDDINGS
        return question.of_layer(EmbeddingLayer.ALL) if every else question

    def _finish(self, explanation: Explanation) -> Scores:
        self._keep(explanation)
        self.start_attributions = self._attributions_of(explanation.answer_target(AnswerEnd.START))
        self.end_attributions = self._attributions_of(explanation.answer_target(AnswerEnd.END))
        return self.word_attributions
