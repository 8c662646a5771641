"""The answer that a question answering model picks from a row, and its ends as targets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.span_outputs import END, START, LargestLogitOutput, SpanEndOutput
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.spans import best_span
from ligserve.v1 import explanation_pb2
from ligserve.v1 import explanation_service_pb2 as pb

_ENDS = {START: pb.ANSWER_END_START, END: pb.ANSWER_END_END}
_ABOUT = {START: "the answer's first token", END: "the answer's last token"}
# Where an answer starts, and where it ends.
ANSWER_TARGETS = len(_ABOUT)


@dataclass(frozen=True)
class Places:
    """Where in a row of T tokens an answer may be.

    Attributes:
        inside: (T,) bool, the tokens of the context.
        no_answer: position of the classification token, which stands for no answer; None where there is none.
    """

    inside: Tensor
    no_answer: int | None

    @property
    def competing(self) -> Tensor:
        """(T,) bool, the tokens that share out the probability of a start, and of an end."""
        if self.no_answer is None:
            return self.inside
        return self.inside | (torch.arange(len(self.inside)) == self.no_answer)

    def hold(self, first: int, last: int) -> bool:
        """Whether tokens are a span of the context."""
        return first <= last and bool(self.inside[first]) and bool(self.inside[last])


def places_in(tokens: pb.Tokens, classification_token: int | None) -> Places:
    """Where an answer may be in a row of a question and a context.

    Args:
        tokens: the row.
        classification_token: its id; None where the tokenizer has none.
    """
    special = torch.tensor(list(tokens.special), dtype=torch.bool)
    frame = special.nonzero()[:, 0].tolist()
    no_answer = next((place for place in frame if tokens.ids[place] == classification_token), None)
    return Places((torch.tensor(list(tokens.segments)) == 1) & ~special, no_answer)


@dataclass(frozen=True)
class Found:
    """An answer in a row.

    Attributes:
        first: position of its first token.
        last: position of its last token.
        is_span: whether these are a span of the context.
        probability: of this answer.
        no_answer: probability that the context holds none; None where that is not known.
    """

    first: int
    last: int
    is_span: bool
    probability: float
    no_answer: float | None = None


class AnswerRule(Protocol):
    """How an answer is picked, and what of it is explained."""

    def found(self, logits: Tensor, places: Places) -> Found:
        """The answer, from (T, 2) logits."""
        ...

    def explained(self, found: Found, places: Places) -> list[Explained]:
        """Its start, then its end."""
        ...


@dataclass(frozen=True)
class BestSpan:
    """FAITHFUL: the likeliest span of the context, fixed along the path (an AnswerRule).

    The probability of a start (and likewise of an end) is the softmax of the start logits over the context's
    tokens and the classification token, which stands for no answer: what transformers' question answering
    pipeline (to version 4) makes of them.

    Attributes:
        longest: most tokens of an answer.
        space: the output space of both targets.
    """

    longest: int
    space: "explanation_pb2.OutputSpace.ValueType"

    def found(self, logits: Tensor, places: Places) -> Found:
        """The answer, from (T, 2) logits."""
        logits = logits.cpu()
        inside = logits.where(places.inside[:, None], -torch.inf).numpy()
        first, last = best_span(inside[:, START], inside[:, END], self.longest)
        chances = torch.softmax(logits.where(places.competing[:, None], -torch.inf), dim=0)
        no_answer = None if places.no_answer is None else float(chances[places.no_answer].prod())
        return Found(first, last, True, float(chances[first, START] * chances[last, END]), no_answer)

    def explained(self, found: Found, places: Places) -> list[Explained]:
        """Its start, then its end."""
        competing: list[int] = places.competing.nonzero()[:, 0].tolist()
        outputs = [
            SpanEndOutput(column, token, tuple(p for p in competing if p != token), self.space)
            for column, token in ((START, found.first), (END, found.last))
        ]
        return [_explained(output, output.column, self.space) for output in outputs]


class LargestLogits:
    """LIBRARY: the largest start logit and the largest end logit, wherever they are (an AnswerRule).

    Source: QuestionAnsweringExplainer in explainers/text/question_answering.py of transformers-interpret
    0.10.0, which lets them wander along the path, and takes an answer from special tokens, from the question,
    and from its end to its start.
    """

    def found(self, logits: Tensor, places: Places) -> Found:
        """The answer, from (T, 2) logits."""
        first, last = logits.argmax(dim=0).tolist()
        chances = torch.softmax(logits, dim=0)
        probability = float(chances[first, START] * chances[last, END])
        return Found(first, last, places.hold(first, last), probability)

    def explained(self, found: Found, places: Places) -> list[Explained]:
        """The largest logits, wherever the answer is."""
        space = explanation_pb2.OUTPUT_SPACE_LOGIT
        return [_explained(LargestLogitOutput(column), column, space) for column in (START, END)]


def no_answer_warnings(answer: pb.Answer) -> Sequence[pb.Warning]:
    """One where the model finds no answer likelier than this one."""
    if answer.no_answer_probability <= answer.probability:
        return ()
    message = (
        f"the model finds it likelier that the context holds no answer ({answer.no_answer_probability:.2g}) "
        f"than this one ({answer.probability:.2g})"
    )
    return [pb.Warning(code="NO_ANSWER_IS_LIKELIER", message=message)]


def _explained(output: Output, column: int, space: "explanation_pb2.OutputSpace.ValueType") -> Explained:
    return Explained(output, pb.Target(answer_end=_ENDS[column], output_space=space), _ABOUT[column])
