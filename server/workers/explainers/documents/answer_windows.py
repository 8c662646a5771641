"""The answer to a question from a context of many windows: the best one of all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.plans.document_outcome import DocumentOutcome, WindowLogits
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.answers import (
    AnswerRule,
    Found,
    Places,
    no_answer_warnings,
    places_in,
)
from ligserve.server.workers.explainers.targets.passage import Passage
from ligserve.v1 import explanation_service_pb2 as pb

# Another answer that is less likely by less than this share makes the choice a chance.
NEAR_TIE = 0.05
# Of another answer's text, in code points.
_GLIMPSE = 60


class AnswerWindows:
    """Picks the window that is explained: the one whose answer is likeliest, of several the first.

    Each window's answer has its probability among the tokens of that window, as transformers' question
    answering pipeline (to version 4) has it. Windows whose answer is no span of the context, as LIBRARY takes
    it, stand back behind those whose answer is one.

    Args:
        cut: the windows.
        context: the caller's context.
        rule: how an answer is picked in a window.
        classification_token: id of the token that stands for no answer; None where the tokenizer has none.
    """

    def __init__(self, cut: Cut, context: str, rule: AnswerRule, classification_token: int | None) -> None:
        tokens = cut.reader.read(*cut.spans[0]).tokens
        start, end = cut.spans[0]
        self._cut = cut
        self._context = context
        self._rule = rule
        self._before = cut.reader.before
        # Tokens beside the window in each row.
        self._beside = len(tokens.ids) - (end - start)
        place = places_in(tokens, classification_token).no_answer
        # From the row's end where it is after the window.
        after = place is not None and place >= self._before
        self._no_answer = place - len(tokens.ids) if place is not None and after else place
        # Of each window, once its output is known.
        self._found: list[Found] = []

    def best(self, inputs: Sequence[Tensor]) -> list[int]:
        """The only window that is explained, from the (T, 2) logits of every one."""
        return _ranked(self._every(inputs))[:1]

    def outcome(self, logits: WindowLogits) -> DocumentOutcome:
        """The answer and its ends, from the logits of every window and those of the best one's path."""
        every = self._every(logits.inputs)
        ranked = _ranked(every)
        window, runner_up = ranked[0], sum(every[other].probability for other in ranked[1:2])
        gap = every[window].probability - runner_up
        ends = self._rule.explained(every[window], self._places(window))
        explained = [_of_window(each, window, gap) for each in ends]
        f_input, f_baseline = (
            np.array([float(each.output(end.double()[None])) for each in explained])
            for end in (logits.ends[0], logits.starts[0])
        )
        return DocumentOutcome(
            header=self._header(every, ranked),
            explained=explained,
            shares=np.ones(len(every)),
            targets=np.arange(len(explained)),
            first_pairs=np.where(np.arange(len(every) + 1) > window, len(explained), 0),
            f_input=f_input,
            f_baseline=f_baseline,
        )

    def _every(self, inputs: Sequence[Tensor]) -> list[Found]:
        for window in range(len(self._found), len(inputs)):
            self._found.append(self._rule.found(inputs[window].double(), self._places(window)))
        return self._found

    def _header(self, every: Sequence[Found], ranked: Sequence[int]) -> pb.Header:
        window = ranked[0]
        known = [each.no_answer for each in every if each.no_answer is not None]
        found = replace(every[window], no_answer=min(known, default=None))
        tokens = self._cut.reader.read(*self._cut.spans[window]).tokens
        answer = Passage(tokens, self._context, self._places(window), self._rule).answer(found)
        answer.window = window
        header = pb.Header(answer=answer, warnings=no_answer_warnings(answer))
        header.warnings.extend(self._nearly_as_likely(every, ranked))
        return header

    def _nearly_as_likely(self, every: Sequence[Found], ranked: Sequence[int]) -> Iterator[pb.Warning]:
        """The best answer that is another slice of the context, if it might have been picked as well."""
        best = every[ranked[0]]
        for window in ranked[1:]:
            other = every[window]
            gap = best.probability - other.probability
            if not other.is_span or gap > NEAR_TIE * best.probability:
                return
            if self._slice(window, other) != self._slice(ranked[0], best):
                start, end = self._slice(window, other)
                message = (
                    f"window {window} answers {self._context[start : min(end, start + _GLIMPSE)]!r} with "
                    f"probability {other.probability:.2g}, which is only {gap:.2g} less"
                )
                yield pb.Warning(code="WINDOWS_NEARLY_TIED", message=message)
                return

    def _slice(self, window: int, found: Found) -> tuple[int, int]:
        """Start and end of an answer in the context."""
        document, shift = self._cut.reader.document, self._cut.spans[window][0] - self._before
        return int(document.starts[found.first + shift]), int(document.ends[found.last + shift])

    def _places(self, window: int) -> Places:
        """As `places_in` for the window's tokens, which need not be put together for that."""
        start, end = self._cut.spans[window]
        inside = torch.zeros(end - start + self._beside, dtype=torch.bool)
        inside[self._before :][: end - start] = True
        return Places(inside, None if self._no_answer is None else self._no_answer % len(inside))


def _ranked(every: Sequence[Found]) -> list[int]:
    """The windows whose answer is a span of the context, likeliest first; all, where there are none."""
    spans = [window for window, each in enumerate(every) if each.is_span]
    return sorted(spans or range(len(every)), key=lambda window: -every[window].probability)


def _of_window(each: Explained, window: int, gap: float) -> Explained:
    target = pb.Target()
    target.CopyFrom(each.target)
    target.window = window
    target.runner_up_gap = gap
    return replace(each, target=target)
