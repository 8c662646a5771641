"""Scores of words: the sums over their tokens."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ligserve.client.types.inputs import Token


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the caller's text.

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


def words_of(tokens: Iterable[Token], scores: Sequence[float], texts: Sequence[str]) -> tuple[Word, ...]:
    """The words of the texts in order; special tokens belong to none."""
    groups: dict[tuple[int, int], list[tuple[Token, float]]] = {}
    for token, score in zip(tokens, scores, strict=True):
        if not token.special:
            word = token.word if token.word is not None else -1 - token.index
            groups.setdefault((token.segment, word), []).append((token, score))
    return tuple(_word(members, texts) for members in groups.values())


def _word(members: Sequence[tuple[Token, float]], texts: Sequence[str]) -> Word:
    start = min(token.start for token, _ in members)
    end = max(token.end for token, _ in members)
    segment = members[0][0].segment
    known = segment < len(texts) and end > start
    text = texts[segment][start:end] if known else "".join(token.text for token, _ in members)
    return Word(text, sum(score for _, score in members), start, end, segment)
