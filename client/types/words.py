"""Scores of words: the sums over their tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ligserve.client.types.inputs import Token


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the caller's text, or where they are asked for a token, a sentence or a paragraph.

    Attributes:
        text: the word, a slice of the caller's text.
        score: sum of its tokens' scores, in units of the target's output space.
        start: start in the caller's text, in code points.
        end: end (exclusive) in the caller's text, in code points.
        segment: which of the task's texts it is from.
    """

    text: str
    score: float
    start: int
    end: int
    segment: int


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of one of the caller's texts; fields as in `Word`."""

    text: str
    start: int
    end: int
    segment: int

    def stripped(self) -> "Slice":
        """The same without white space around it."""
        start = self.start + len(self.text) - len(self.text.lstrip())
        end = self.end - len(self.text) + len(self.text.rstrip())
        return Slice(self.text.strip(), start, end, self.segment)


def words_of(tokens: Iterable[Token], scores: Sequence[float], texts: Sequence[str]) -> tuple[Word, ...]:
    """The words of the texts in order; special tokens belong to none."""
    pairs = list(zip(tokens, scores, strict=True))
    return tuple(_word([pairs[place] for place in word], texts) for word in word_places(t for t, _ in pairs))


def word_places(tokens: Iterable[Token]) -> tuple[tuple[int, ...], ...]:
    """For each word, where its tokens stand; a token that belongs to none is a word of its own."""
    groups: dict[tuple[int, int], list[int]] = {}
    for place, token in enumerate(tokens):
        if not token.special:
            word = token.word if token.word is not None else -1 - token.index
            groups.setdefault((token.segment, word), []).append(place)
    return tuple(map(tuple, groups.values()))


def slice_of(tokens: Sequence[Token], texts: Sequence[str]) -> Slice:
    """The text that tokens stand for, first to last; their own spelling where they have no span."""
    # A token may stand for nothing, as a mark of a space that the tokenizer adds.
    placed = [token for token in tokens if token.end > token.start] or tokens
    start, end = min(token.start for token in placed), max(token.end for token in placed)
    segment = tokens[0].segment
    known = segment < len(texts) and end > start
    text = texts[segment][start:end] if known else "".join(token.text for token in tokens)
    return Slice(text, start, end, segment)


def _word(members: Sequence[tuple[Token, float]], texts: Sequence[str]) -> Word:
    part = slice_of([token for token, _ in members], texts)
    return Word(part.text, sum(score for _, score in members), part.start, part.end, part.segment)


def with_own_segments(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """The tokens of several windows with a segment for each window's second text, 1 for the first window's.

    So the words of the first text, which is the same in every window, add up, and the others' do not.
    """
    return tuple(replace(t, segment=t.segment + t.window) if t.segment else t for t in tokens)
