"""The answer that a question answering model picks, and its ends as targets."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.span_outputs import END, START, LargestLogitOutput, SpanEndOutput
from ligserve.server.workers.explainers.plan import Explained
from ligserve.server.workers.explainers.spans import best_span
from ligserve.v1 import explanation_pb2, explanation_service_pb2

_ENDS = {START: explanation_service_pb2.ANSWER_END_START, END: explanation_service_pb2.ANSWER_END_END}
_ABOUT = {START: "the answer's first token", END: "the answer's last token"}
# Where an answer starts, and where it ends.
ANSWER_TARGETS = len(_ABOUT)


@dataclass(frozen=True)
class Passage:
    """The tokens of a question and a context, and the context that the answer is a slice of."""

    tokens: explanation_service_pb2.Tokens
    context: str

    @property
    def inside(self) -> Tensor:
        """(T,) bool: the tokens of the context."""
        of_context = torch.tensor(list(self.tokens.segments)) == 1
        return of_context & ~torch.tensor(list(self.tokens.special), dtype=torch.bool)

    def answer(self, first: int, last: int) -> explanation_service_pb2.Answer:
        """The span as an answer; without text where it is no span of the context."""
        answer = explanation_service_pb2.Answer(first_token=first, last_token=last)
        inside = self.inside
        if first <= last and bool(inside[first]) and bool(inside[last]):
            answer.start = self.tokens.starts[first]
            answer.end = _with_marks(self.context, self.tokens.ends[last])
            answer.text = self.context[answer.start : answer.end]
        return answer


class BestSpan:
    """FAITHFUL: the likeliest span of the context, fixed along the path.

    The probability of a start (and likewise of an end) is the softmax of the start logits over the context's
    tokens and the classification token, which stands for no answer: what transformers' question answering
    pipeline (to version 4) makes of them.

    Args:
        passage: the tokens.
        classification_token: id of the token that stands for no answer; None where the tokenizer has none.
        longest: most tokens of an answer.
        space: the output space of both targets.
    """

    def __init__(
        self,
        passage: Passage,
        classification_token: int | None,
        longest: int,
        space: "explanation_pb2.OutputSpace.ValueType",
    ) -> None:
        self._passage = passage
        self._inside = passage.inside
        frame = (place for place, special in enumerate(passage.tokens.special) if special)
        ids = passage.tokens.ids
        self._no_answer = next((place for place in frame if ids[place] == classification_token), None)
        self._longest = longest
        self._space = space

    def explained(self, logits: Tensor) -> list[Explained]:
        """What is explained, now that the model's output for the input, (T, 2), is known."""
        tokens = zip((START, END), self._span(logits), strict=True)
        competing = self._competing()
        outputs = [
            SpanEndOutput(column, token, tuple(p for p in competing if p != token), self._space)
            for column, token in tokens
        ]
        return [_explained(output, output.column, self._space) for output in outputs]

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The answer, from the (T, 2) logits of the only path."""
        first, last = self._span(logits[0])
        competing = self._competing()
        chances = torch.zeros_like(logits[0])
        chances[competing] = torch.softmax(logits[0][competing], dim=0)
        answer = self._passage.answer(first, last)
        answer.probability = float(chances[first, START] * chances[last, END])
        header = explanation_service_pb2.Header(answer=answer)
        if self._no_answer is not None:
            header.answer.no_answer_probability = float(chances[self._no_answer].prod())
            if header.answer.no_answer_probability > answer.probability:
                header.warnings.append(_no_answer_warning(header.answer))
        return header

    def _span(self, logits: Tensor) -> tuple[int, int]:
        inside = logits.cpu().where(self._inside[:, None], -torch.inf).numpy()
        return best_span(inside[:, START], inside[:, END], self._longest)

    def _competing(self) -> list[int]:
        """Positions that share out the probability of a start, and of an end."""
        inside: list[int] = self._inside.nonzero()[:, 0].tolist()
        return inside if self._no_answer is None else sorted([self._no_answer, *inside])


class LargestLogits:
    """LIBRARY: the largest start logit and the largest end logit, wherever they are.

    Source: QuestionAnsweringExplainer in explainers/text/question_answering.py of transformers-interpret
    0.10.0, which lets them wander along the path, and takes an answer from special tokens, from the question,
    and from its end to its start.
    """

    def __init__(self, passage: Passage) -> None:
        self._passage = passage

    def explained(self, logits: Tensor) -> list[Explained]:
        """What is explained, whatever the (T, 2) logits are."""
        space = explanation_pb2.OUTPUT_SPACE_LOGIT
        return [_explained(LargestLogitOutput(column), column, space) for column in (START, END)]

    def outcome(self, logits: Sequence[Tensor]) -> explanation_service_pb2.Header:
        """The answer, from the (T, 2) logits of the only path."""
        first, last = logits[0].argmax(dim=0).tolist()
        answer = self._passage.answer(first, last)
        chances = torch.softmax(logits[0], dim=0)
        answer.probability = float(chances[first, START] * chances[last, END])
        return explanation_service_pb2.Header(answer=answer)


def _with_marks(text: str, end: int) -> int:
    """The end after combining marks: a tokenizer that composes a letter and its accent counts the letter."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end


def _explained(output: Output, column: int, space: "explanation_pb2.OutputSpace.ValueType") -> Explained:
    target = explanation_service_pb2.Target(answer_end=_ENDS[column], output_space=space)
    return Explained(output, target, _ABOUT[column])


def _no_answer_warning(answer: explanation_service_pb2.Answer) -> explanation_service_pb2.Warning:
    message = (
        f"the model finds it likelier that the context holds no answer ({answer.no_answer_probability:.2g}) "
        f"than this one ({answer.probability:.2g})"
    )
    return explanation_service_pb2.Warning(code="NO_ANSWER_IS_LIKELIER", message=message)
