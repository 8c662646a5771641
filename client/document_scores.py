"""The scores of a long text, put together from those of its windows."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ligserve.client.assembly import EstimateAssembly, FinalScores
from ligserve.client.types.document import Document, DocumentWindow
from ligserve.client.types.events import EstimateEvent
from ligserve.client.types.inputs import Token
from ligserve.client.types.targets import Target


def document_scores(document: Document, assembly: EstimateAssembly, target: int) -> FinalScores:
    """The scores of a target for each of the document's tokens: the sums over the windows.

    Where it is about one window, for each of that window's tokens (of the labels' windows on one part of the
    text one after the other); 0 where no final ones have come.
    """
    if assembly.is_about_some(target):
        return assembly.known(target)
    row = document.row_of(assembly.only_candidate(target))
    scores, errors = [0.0] * len(row), [0.0] * len(row)
    told = False
    for window in assembly.windows(target):
        final = assembly.final_of(target, window)
        if final is None:
            continue
        places = [place - row.start for place in document.places(window)]
        _add(scores, places, final.scores)
        _add(errors, places, final.score_errors)
        told = told or bool(final.score_errors)
    return FinalScores(tuple(scores), tuple(errors) if told else ())


def windows_with_scores(document: Document, assembly: EstimateAssembly) -> tuple[DocumentWindow, ...]:
    """The windows, each with its scores for the targets that are about it."""
    return tuple(
        replace(window, scores=tuple(_scores(assembly, target, window.index) for target in window.targets))
        for window in document.windows
    )


class RunningScores:
    """The scores of a long text's first target while they come, for who wants to show them.

    Where tokens' labels are explained, each token has what its own label's scores add up to.

    Args:
        document: the text.
        targets: what is explained.

    Attributes:
        scores: for each of the document's tokens the sum over the windows so far; in zero-shot classification
            for each token beside the first label's hypothesis, over the windows beside all of them.
        known: for each of them, whether a window that it is in (or its label) has come.
        segment: which of the texts is the long one.
        newest: the window that came last.
    """

    def __init__(self, document: Document, targets: Sequence[Target]) -> None:
        self._document = document
        self._tokens = [target.token for target in targets]
        length = len(range(*document.windows[0].row))
        self.scores = [0.0] * length
        self.known = [False] * length
        self.segment = document.windows[0].segment
        self.newest = document.windows[0]

    def add(self, estimate: EstimateEvent) -> None:
        """Take a window's estimate; those that are not final, or about other targets, are passed over."""
        token = self._tokens[estimate.target]
        if not estimate.final or (token is None and estimate.target > 0):
            return
        self.newest = self._document.windows[estimate.window]
        start = self.newest.row[0]
        if token is None:
            places, scores = self._document.places(estimate.window), estimate.scores
        else:
            places, scores = (token,), (sum(estimate.scores),)
        for place, score in zip(places, scores, strict=True):
            # Another hypothesis may be longer.
            if place - start < len(self.scores):
                self.scores[place - start] += score
                self.known[place - start] = True

    def tokens(self, start: int) -> Iterator[tuple[Token, float, bool]]:
        """The long text's tokens that end after a place in it, with score and whether it is known."""
        tokens = self._document.tokens
        # What lies before the newest window need not be looked at.
        far = start >= self.newest.start
        first = self.newest.first_token if far else 0
        for place in range(first, len(self.scores)):
            token = tokens[place]
            if not token.special and token.segment == self.segment and token.end > start:
                yield token, self.scores[place], self.known[place]


def _scores(assembly: EstimateAssembly, target: int, window: int) -> tuple[float, ...]:
    final = assembly.final_of(target, window)
    return () if final is None else final.scores


def _add(sums: list[float], places: Sequence[int], values: Sequence[float]) -> None:
    # Without errors there are no values.
    for place, value in zip(places, values, strict=False):
        sums[place] += value
