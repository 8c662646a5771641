"""Tokens of a long text: each is predicted and explained in the window where it has most context."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from ligserve.server.workers.engine.outputs import ClassOutput, TokenOutput
from ligserve.server.workers.explainers.documents.long_input import Cut
from ligserve.server.workers.explainers.documents.windows import own_spans
from ligserve.server.workers.explainers.plans.document_outcome import (
    DocumentOutcome,
    OutcomeSteps,
    WindowLogits,
)
from ligserve.server.workers.explainers.plans.explained import Explained
from ligserve.server.workers.explainers.targets.token_labels import Stretch, TokenQuestion, token_predictions
from ligserve.server.workers.quadrature.rule import Floats
from ligserve.v1 import explanation_service_pb2 as pb


class TokenWindows:
    """The targets of a request about a text of many windows; each is about one window.

    Args:
        asked: what is asked.
        cut: the windows.
        tells_ends: whether the predictions at the paths' ends are told too.

    Attributes:
        cut: those windows that a token has most context in.
        own: where the tokens that a window answers for are in its row; special tokens at the text's start
            are the first window's, those at its end the last one's.
    """

    def __init__(self, asked: TokenQuestion, cut: Cut, *, tells_ends: bool) -> None:
        length, reader = len(cut.reader.document), cut.reader
        spans = list(zip(cut.spans, own_spans(length, cut.spans), strict=True))
        spans = [(span, own) for span, own in spans if own]
        before, after = (len(run.ids) for run in reader.frame.runs)
        places = [range(before + own.start - start, before + own.stop - start) for (start, _), own in spans]
        places[0] = range(places[0].stop)
        places[-1] = range(places[-1].start, places[-1].stop + after)
        self.cut = replace(cut, spans=[span for span, _ in spans])
        self.own: Sequence[range] = places
        self._asked = asked
        self._tells_ends = tells_ends
        self._length = length + reader.frame.length
        self._special = (*range(before), *range(self._length - after, self._length))
        asked.check(self._length)

    def outcome(self, logits: WindowLogits) -> OutcomeSteps:
        """The targets and their values, from (own, C) logits of every window; one window in each step."""
        explained: list[list[Explained]] = []
        f_input: list[Floats] = []
        f_baseline: list[Floats] = []
        for stretch, inputs, starts, ends in zip(
            self._stretches(), logits.inputs, logits.starts, logits.ends, strict=True
        ):
            explained.append(self._asked.explained(stretch, inputs))
            f_input.append(_values(explained[-1], stretch.own, ends))
            f_baseline.append(_values(explained[-1], stretch.own, starts))
            yield
        every = [each for of_window in explained for each in of_window]
        return DocumentOutcome(
            header=pb.Header(
                labels=self._asked.labels, warnings=() if every else [self._asked.nothing(self._length)]
            ),
            explained=every,
            shares=np.ones(len(explained)),
            targets=np.arange(len(every)),
            first_pairs=np.cumsum([0, *map(len, explained)]),
            f_input=np.concatenate(f_input),
            f_baseline=np.concatenate(f_baseline),
            told=lambda window: self._told(logits, window),
        )

    def most(self) -> list[int]:
        """(W,), how many targets are about each window if no predicted label is ignored."""
        stretches = [
            range(start + own.start, start + own.stop)
            for (start, _), own in zip(self.cut.spans, self.own, strict=True)
        ]
        return self._asked.most(stretches, self._special)

    def _stretches(self) -> Iterator[Stretch]:
        for number, ((start, end), own) in enumerate(zip(self.cut.spans, self.own, strict=True)):
            yield Stretch(self.cut.reader.read(start, end).tokens, own, start, number)

    def _told(self, logits: WindowLogits, window: int) -> pb.Window:
        first = self.own[window].start
        told = pb.Window(token_predictions=token_predictions(logits.inputs[window], first))
        if self._tells_ends:
            told.path_predictions.CopyFrom(token_predictions(logits.ends[window], first))
        return told


def _values(explained: Sequence[Explained], own: range, logits: Tensor) -> Floats:
    """The targets' values, from the (own, C) logits of a window's tokens; one call for each class."""
    values = np.zeros(len(explained))
    groups: dict[ClassOutput, list[tuple[int, int]]] = {}
    for number, each in enumerate(explained):
        if not isinstance(each.output, TokenOutput):
            raise RuntimeError("a target is not about a token")
        groups.setdefault(each.output.output, []).append((number, own.index(each.output.position)))
    for output, members in groups.items():
        numbers, rows = zip(*members, strict=True)
        values[list(numbers)] = output(logits[list(rows)].double())
    return values
