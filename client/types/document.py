"""A long text: the windows it was explained in, and how they lie in the document."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from ligserve.client.types.inputs import Answer, Token, tokens_from_proto
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class DocumentWindow:
    """A slice of a long text that the model saw as one input, beside the other text of a pair if any.

    Attributes:
        index: position of the window.
        segment: which of the task's texts it is a slice of.
        start: start of its text in the document, in code points.
        end: end (exclusive) of its text, in code points.
        first_token: position among that text's tokens of its first token.
        token_count: number of its tokens of that text.
        share: its share in the document's output; scores have it in them.
        targets: positions of the targets that are about this window.
        changes: for each of these, how much there is to explain in it: what its scores add up to. Empty where
            windows move together ("mean_logits"): it is known only when all is done. Where labels compete, it
            is in all labels' windows on a part of the text together, and told with the first of them; empty
            in the others.
        row: start and end (exclusive) among the document's tokens of those of the windows beside the same
            text; all, but for zero-shot classification.
        candidate: for zero-shot classification the label whose hypothesis is beside it.
        scores: for each of these the score of each token that the model saw, also of special ones and of the
            other text; empty where the work ended before. No targets' at all while they are not known.
    """

    index: int
    segment: int
    start: int
    end: int
    first_token: int
    token_count: int
    share: float
    targets: Sequence[int]
    changes: tuple[float, ...]
    row: tuple[int, int]
    candidate: int | None = None
    scores: tuple[tuple[float, ...], ...] = ()

    def change_of(self, target: int) -> float:
        """How much there is to explain in it of a target that is about it; 0 where that was not told here."""
        return self.changes[self.targets.index(target)] if self.changes else 0.0


@dataclass(frozen=True, slots=True)
class Document:
    """The tokens of a long text, put together from those of its windows.

    What is in every window (special tokens, and a text beside the long one) stands once, as in a text that is
    not long; it has the scores of all windows. In zero-shot classification all that stands once for each
    label, one after the other.

    Attributes:
        tokens: the document's tokens; `window` of each is the first one that it is in.
        windows: the windows, without scores.
    """

    tokens: tuple[Token, ...]
    windows: tuple[DocumentWindow, ...]

    @classmethod
    def from_proto(cls, header: service_pb.Header) -> "Document":
        """Put windows together.

        Raises:
            ValueError: columns differ in length, or the windows do not follow each other without a gap.
        """
        targets, labels, segment = _targets_of_windows(header), candidates_of(header), header.windowed_segment
        tokens: list[Token] = []
        windows: list[DocumentWindow] = []
        for label in range(labels):
            own = header.windows[label::labels]
            row = _row_of(own, segment)
            place = (len(tokens), len(tokens) + len(row))
            margins = _margins(tuple(tokens_from_proto(own[0])), segment)
            windows += (_window(each, segment, targets(each), place, *margins) for each in own)
            tokens += row
        return cls(
            tokens=tuple(replace(token, index=place) for place, token in enumerate(tokens)),
            windows=tuple(sorted(windows, key=lambda window: window.index)),
        )

    def places(self, window: int) -> tuple[int, ...]:
        """For each token that the model saw in a window its place among the document's tokens."""
        return places_of(self.windows[window], self.tokens)

    def placed(self, answer: Answer) -> Answer:
        """An answer in a window, with its tokens counted in the document.

        Raises:
            ValueError: the document has no such window, or the window no such tokens.
        """
        if answer.window >= len(self.windows):
            raise ValueError(f"the answer is in window {answer.window} of {len(self.windows)}")
        places = self.places(answer.window)
        if max(answer.first_token, answer.last_token) >= len(places):
            raise ValueError(f"the answer ends after the {len(places)} tokens of its window")
        first, last = places[answer.first_token], places[answer.last_token]
        return replace(answer, first_token=first, last_token=last)

    def row_of(self, candidate: int | None) -> range:
        """Where the tokens of the windows beside one label's hypothesis are; None: of all windows."""
        return range(len(self.tokens)) if candidate is None else range(*self.windows[candidate].row)


def places_of(window: DocumentWindow, tokens: Sequence[Token]) -> tuple[int, ...]:
    """For each token that the model saw in a window its place among the document's tokens."""
    row = range(*window.row)
    before = _others((tokens[place] for place in row), window.segment)
    after = _others((tokens[place] for place in reversed(row)), window.segment)
    start = row.start + before + window.first_token
    content = range(start, start + window.token_count)
    return (*row[:before], *content, *row[len(row) - after :])


def incomplete(windows: Sequence[DocumentWindow], missing: Sequence[int]) -> tuple[DocumentWindow, ...]:
    """Of a target's windows those on parts of the text that are not explained, since some scores are missing.

    Where labels compete, a part is explained with all labels' windows on it; where no window's change was
    told (windows move together), the whole text is one part.
    """
    if not any(window.changes for window in windows):
        return tuple(windows) if missing else ()
    labels = 1 + max(window.candidate or 0 for window in windows)
    parts = {index // labels for index in missing}
    return tuple(window for window in windows if window.index // labels in parts)


def candidates_of(header: service_pb.Header) -> int:
    """How many windows each part of a long text has: one for each label of zero-shot classification, else 1.

    Raises:
        ValueError: they do not follow each other in the labels' order.
    """
    labels = 1 + max((window.candidate for window in header.windows), default=0)
    if any(window.candidate != number % labels for number, window in enumerate(header.windows)):
        raise ValueError("windows are not one for each label, in the labels' order")
    return labels


def is_document(header: service_pb.Header) -> bool:
    """Whether a header is of a text that was too long for one input."""
    return bool(header.windows) and header.windows[0].HasField("share")


def _margins(tokens: Sequence[Token], segment: int) -> tuple[int, int]:
    """Number of tokens before and after those of a text."""
    return _others(tokens, segment), _others(reversed(tokens), segment)


def _others(tokens: Iterable[Token], segment: int) -> int:
    """Number of tokens at the start that are not of a text."""
    return sum(1 for _ in takewhile(lambda token: token.special or token.segment != segment, tokens))


def _targets_of_windows(header: service_pb.Header) -> Callable[[service_pb.Window], Sequence[int]]:
    """The targets that are about each window, in ascending order."""
    of_one: dict[int, list[int]] = {}
    of_label: dict[int, list[int]] = {}
    of_all: list[int] = []
    for place, target in enumerate(header.targets):
        if target.HasField("window"):
            count = target.window_count if target.HasField("window_count") else 1
            for window in range(target.window, min(target.window + count, len(header.windows))):
                of_one.setdefault(window, []).append(place)
        elif target.HasField("candidate"):
            of_label.setdefault(target.candidate, []).append(place)
        else:
            of_all.append(place)

    def targets(window: service_pb.Window) -> Sequence[int]:
        some = of_one.get(window.index, []) + of_label.get(window.candidate, [])
        return sorted([*of_all, *some]) if some else of_all

    return targets


def _row_of(windows: Sequence[service_pb.Window], segment: int) -> list[Token]:
    """All tokens of windows that follow each other, each once."""
    first = tuple(tokens_from_proto(windows[0]))
    before, after = _margins(first, segment)
    content: list[Token] = []
    for window in windows:
        content += _new_tokens(window, len(content), before, after)
    return [*first[:before], *content, *first[len(first) - after :]]


def _new_tokens(window: service_pb.Window, known: int, before: int, after: int) -> list[Token]:
    """The window's tokens that no window before it has."""
    tokens = list(tokens_from_proto(window))
    own = tokens[before : len(tokens) - after]
    overlap = known - window.first_token
    # None may be new: two windows may end before the same long word.
    if not 0 <= overlap <= len(own):
        raise ValueError(f"window {window.index} starts at token {window.first_token}, after {known} tokens")
    return own[overlap:]


def _window(
    window: service_pb.Window,
    segment: int,
    targets: Sequence[int],
    row: tuple[int, int],
    before: int,
    after: int,
) -> DocumentWindow:
    tokens, end = window.tokens, len(window.tokens.ids) - after
    if len(window.changes) not in (0, len(targets)):
        counts = f"{len(window.changes)} changes for {len(targets)} targets"
        raise ValueError(f"window {window.index} has {counts}")
    return DocumentWindow(
        index=window.index,
        segment=segment,
        start=tokens.starts[before],
        end=tokens.ends[end - 1],
        first_token=window.first_token,
        token_count=end - before,
        share=window.share,
        targets=tuple(targets),
        changes=tuple(window.changes),
        row=row,
        candidate=window.candidate if window.HasField("candidate") else None,
    )
