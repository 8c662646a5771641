"""A long text: the windows it was explained in, and how they lie in the document."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ligserve.client.types.inputs import Token, tokens_from_proto
from ligserve.v1 import explanation_service_pb2 as service_pb


@dataclass(frozen=True, slots=True)
class DocumentWindow:
    """A slice of a long text that the model saw as one input.

    Attributes:
        index: position of the window.
        start: start of its text in the document, in code points.
        end: end (exclusive) of its text, in code points.
        first_token: position among the document's tokens (special ones not counted) of its first token.
        token_count: number of its tokens, special ones not counted.
        share: its share in the document's output; scores have it in them.
        changes: for each target, how much there is to explain in it: what its scores add up to. 0 for a
            target that is not about this window.
        scores: for each target the score of each of its tokens, special ones included; empty while they are
            not known, where the target is not about this window, and where the deadline came before.
    """

    index: int
    start: int
    end: int
    first_token: int
    token_count: int
    share: float
    changes: tuple[float, ...]
    scores: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """The tokens of a long text, put together from those of its windows.

    Special tokens stand once at the start and once at the end, as in a text that is not long; each has the
    scores of all windows.

    Attributes:
        tokens: the document's tokens; `window` of each is the first one that it is in.
        windows: the windows, without scores.
        before: number of special tokens at the start.
    """

    tokens: tuple[Token, ...]
    windows: tuple[DocumentWindow, ...]
    before: int

    @classmethod
    def from_proto(cls, windows: Sequence[service_pb.Window]) -> "Document":
        """Put windows together.

        Raises:
            ValueError: columns differ in length, or the windows do not follow each other without a gap.
        """
        first = tuple(tokens_from_proto(windows[0]))
        before, after = _specials(first), _specials(first[::-1])
        content: list[Token] = []
        for window in windows:
            content += _new_tokens(window, len(content), before, after)
        tokens = [*first[:before], *content, *first[len(first) - after :]]
        return cls(
            tokens=tuple(replace(token, index=place) for place, token in enumerate(tokens)),
            windows=tuple(_window(window, before, after) for window in windows),
            before=before,
        )

    def places(self, window: int) -> Iterator[int]:
        """For each token of a window, special ones included, its place among the document's tokens."""
        at = self.windows[window]
        start = self.before + at.first_token
        yield from range(self.before)
        yield from range(start, start + at.token_count)
        yield from range(len(self.tokens) - self.after, len(self.tokens))

    @property
    def after(self) -> int:
        """Number of special tokens at the end."""
        last = self.windows[-1]
        return len(self.tokens) - self.before - last.first_token - last.token_count


def is_document(header: service_pb.Header) -> bool:
    """Whether a header is of a text that was too long for one input."""
    return bool(header.windows) and header.windows[0].HasField("share")


def _specials(tokens: Sequence[Token]) -> int:
    """Number of special tokens at the start."""
    return next((place for place, token in enumerate(tokens) if not token.special), len(tokens))


def _new_tokens(window: service_pb.Window, known: int, before: int, after: int) -> list[Token]:
    """The window's tokens that no window before it has."""
    tokens = list(tokens_from_proto(window))
    own = tokens[before : len(tokens) - after]
    overlap = known - window.first_token
    # None may be new: two windows may end before the same long word.
    if not 0 <= overlap <= len(own):
        raise ValueError(f"window {window.index} starts at token {window.first_token}, after {known} tokens")
    return own[overlap:]


def _window(window: service_pb.Window, before: int, after: int) -> DocumentWindow:
    tokens, end = window.tokens, len(window.tokens.ids) - after
    return DocumentWindow(
        index=window.index,
        start=tokens.starts[before],
        end=tokens.ends[end - 1],
        first_token=window.first_token,
        token_count=end - before,
        share=window.share,
        changes=tuple(window.changes),
    )
