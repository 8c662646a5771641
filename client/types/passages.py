"""Scores of longer parts of a text: the sums over their tokens."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from ligserve.client.types.enums import Level
from ligserve.client.types.inputs import Token
from ligserve.client.types.words import Word, words_of

# A sentence ends after its mark and closing quotes or brackets, where white space follows; after the marks
# of writing without spaces at once; and where a paragraph ends. "Dr. Who" makes two: it takes a model to
# know better.
_PARAGRAPH_END = r"\n[^\S\n]*\n\s*"
_ENDS = {
    Level.PARAGRAPH: re.compile(_PARAGRAPH_END),
    Level.SENTENCE: re.compile(rf"{_PARAGRAPH_END}|[.!?…]+[\"'”’»)\]]*\s+|[。！？]+[」』”]*"),
}


def parts_of(
    level: Level, tokens: Sequence[Token], scores: Sequence[float], texts: Sequence[str]
) -> tuple[Word, ...]:
    """The parts of the texts in order, each with the sum of its tokens' scores; special tokens are left out.

    Args:
        level: which parts.
        tokens: the tokens.
        scores: one for each token.
        texts: the texts that offsets point into, by segment.
    """
    if not tokens:
        return ()
    match level:
        case Level.TOKEN:
            return _tokens(tokens, scores, texts)
        case Level.WORD:
            return words_of(tokens, scores, texts)
    return _passages_of(_ENDS[level], tokens, scores, texts)


def _tokens(tokens: Iterable[Token], scores: Sequence[float], texts: Sequence[str]) -> tuple[Word, ...]:
    return tuple(
        Word(texts[t.segment][t.start : t.end] or t.text, score, t.start, t.end, t.segment)
        for t, score in zip(tokens, scores, strict=True)
        if not t.special and t.segment < len(texts)
    )


def _passages_of(
    end: re.Pattern[str], tokens: Iterable[Token], scores: Sequence[float], texts: Sequence[str]
) -> tuple[Word, ...]:
    starts = [list(_starts(text, end)) for text in texts]
    sums = [[0.0] * len(each) for each in starts]
    for token, score in zip(tokens, scores, strict=True):
        if not token.special and token.segment < len(texts):
            sums[token.segment][bisect_right(starts[token.segment], token.start) - 1] += score
    return tuple(
        passage
        for segment, text in enumerate(texts)
        for passage in _passages(text, segment, starts[segment], sums[segment])
    )


def _starts(text: str, end: re.Pattern[str]) -> Iterator[int]:
    yield 0
    for found in end.finditer(text):
        if found.end() < len(text):
            yield found.end()


def _passages(text: str, segment: int, starts: Sequence[int], sums: Sequence[float]) -> Iterator[Word]:
    ends = [*starts[1:], len(text)]
    for start, end, score in zip(starts, ends, sums, strict=True):
        part = text[start:end]
        if part.strip():
            first = start + len(part) - len(part.lstrip())
            yield Word(part.strip(), score, first, first + len(part.strip()), segment)
