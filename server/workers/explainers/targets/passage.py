"""A question and a context in one row, and the answer as a slice of the caller's context."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.answers import AnswerRule, Found, Places, no_answer_warnings
from ligserve.v1 import explanation_service_pb2 as pb


@dataclass(frozen=True)
class Passage:
    """A row.

    Attributes:
        tokens: its tokens.
        context: the context that their offsets point into.
        places: where in the row an answer may be.
        rule: how it is picked.
    """

    tokens: pb.Tokens
    context: str
    places: Places
    rule: AnswerRule

    def explained(self, logits: Tensor) -> Sequence[Explained]:
        """What is explained, now that the model's output for the input, (T, 2), is known."""
        return self.rule.explained(self.rule.found(logits, self.places), self.places)

    def outcome(self, logits: Sequence[Tensor]) -> pb.Header:
        """The answer, from the (T, 2) logits of the only path."""
        answer = self.answer(self.rule.found(logits[0], self.places))
        return pb.Header(answer=answer, warnings=no_answer_warnings(answer))

    def answer(self, found: Found) -> pb.Answer:
        """An answer as the header shows it; without text where it is no span of the context."""
        answer = pb.Answer(
            first_token=found.first,
            last_token=found.last,
            probability=found.probability,
            no_answer_probability=found.no_answer,
        )
        if found.is_span:
            answer.start = self.tokens.starts[found.first]
            # A space that the tokenizer itself put before a word stands for that word's first character.
            end = max(self.tokens.ends[found.last], answer.start + 1)
            answer.end = _with_marks(self.context, end)
            answer.text = self.context[answer.start : answer.end]
        return answer


def _with_marks(text: str, end: int) -> int:
    """The end after combining marks: a tokenizer that composes a letter and its accent counts the letter."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end
