"""A text cut into the pieces that have scores, with what lies between them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from ligserve.client.types.inputs import Token

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# Characters that act on a terminal, that HTML forbids, or that reorder the text around them (Unicode's
# bidirectional controls); each becomes one character, so offsets hold.
_ACTING = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS = {code: "\ufffd" for code in _ACTING if chr(code) not in "\t\n"} | {ord("\r"): " "}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; score is None for what lies between tokens."""

    text: str
    score: float | None = None
    special: bool = False


def printable(text: str) -> str:
    """The text with control characters replaced by a visible sign, and carriage returns by a space."""
    return text.translate(_CONTROLS)


def one_line(text: str) -> str:
    """The text on one line, spaces drawn together; a visible sign where it is white space alone."""
    return " ".join(text.split()) or ("\u2423" if text else "")


def token_pieces(tokens: Iterable[tuple[str, float]]) -> tuple[Piece, ...]:
    """Tokens with a space between them, where offsets are not wanted."""
    return tuple(piece for text, score in tokens for piece in (Piece(text, score), Piece(" ")))


def text_pieces(
    tokens: Sequence[Token], scores: Sequence[float], texts: Sequence[str], special: bool = True
) -> tuple[Piece, ...]:
    """The caller's texts piece by piece: tokens as they stand there, and what lies between.

    Tokens that share characters (bytes of one emoji, overlapping windows) become one piece with the sum of
    their scores. Special tokens are left out where `special` is false, in long inputs, and where a model was
    given the second text first.
    """
    scored = list(zip(tokens, scores, strict=True))
    swapped = any(one.segment > other.segment for one, other in pairwise(tokens))
    if swapped or len({token.window for token in tokens}) > 1:
        scored = sorted((pair for pair in scored if not pair[0].special), key=_position)
    return tuple(piece for piece in _cut_up(scored, _Cutter(texts)) if special or not piece.special)


def target_pieces(explanation: "Explanation", target: int, special: bool = True) -> tuple[Piece, ...]:
    """The pieces of an explanation's texts with the scores of one target; none for an image."""
    if not explanation.tokens:
        return ()
    scores, texts = explanation.targets[target].scores, explanation.texts_of(target)
    return text_pieces(explanation.tokens_of(target), scores, texts, special)


def segment_pieces(explanation: "Explanation", target: int, segment: int) -> tuple[Piece, ...]:
    """The pieces of one of an explanation's texts with the scores of one target."""
    pairs = zip(explanation.tokens_of(target), explanation.targets[target].scores, strict=True)
    own = [pair for pair in pairs if pair[0].segment == segment and not pair[0].special]
    own.sort(key=_position)
    return tuple(_cut_up(own, _Cutter(explanation.texts_of(target), segment)))


def _position(pair: tuple[Token, float]) -> tuple[int, int, int]:
    token, _ = pair
    return (token.segment, token.start, token.end)


@dataclass(slots=True)
class _Cutter:
    """Walks through the texts and hands out slices."""

    texts: Sequence[str]
    segment: int = 0
    cursor: int = 0

    def cut(self, token: Token, score: float) -> Iterator[Piece]:
        """The text before the token, then the token's own."""
        if token.special:
            yield Piece(token.text, score, special=True)
            return
        while self.segment < min(token.segment, len(self.texts) - 1):
            yield from self._rest_of_segment()
            yield Piece("\n")
        if token.start > self.cursor:
            yield Piece(self._slice(self.cursor, token.start))
        yield Piece(self._slice(max(token.start, self.cursor), token.end), score)
        self.cursor = max(self.cursor, token.end)

    def rest(self) -> Iterator[Piece]:
        """The text after the last token."""
        yield from self._rest_of_segment()

    def _rest_of_segment(self) -> Iterator[Piece]:
        text = self.texts[self.segment] if self.segment < len(self.texts) else ""
        if self.cursor < len(text):
            yield Piece(text[self.cursor :])
        self.segment, self.cursor = self.segment + 1, 0

    def _slice(self, start: int, end: int) -> str:
        return self.texts[self.segment][start:end] if self.segment < len(self.texts) else ""


def _cut_up(scored: Iterable[tuple[Token, float]], cutter: _Cutter) -> Iterator[Piece]:
    """The slices of all tokens, and what lies between."""
    pieces = [piece for token, score in scored for piece in cutter.cut(token, score)]
    return _joined([*pieces, *cutter.rest()])


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Pieces without text give their score to the piece before them."""
    waiting: Piece | None = None
    for piece in pieces:
        if waiting is not None and not piece.text and waiting.score is not None and not waiting.special:
            waiting = replace(waiting, score=waiting.score + (piece.score or 0.0))
            continue
        if waiting is not None:
            yield waiting
        waiting = piece
    if waiting is not None:
        yield waiting
