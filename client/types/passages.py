"""Scores of longer parts of a text: the sums over their tokens."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from ligserve.client.types.enums import Level
from ligserve.client.types.inputs import Token
from ligserve.client.types.words import Slice, Word, words_of

# A sentence ends after its mark and closing quotes or brackets, where white space follows; after the marks
# of writing without spaces at once; and where a paragraph ends. "Dr. Who" makes two: it takes a model to
# know better. Each end takes all white space after it, so that nothing that follows is of white space alone.
# A run of marks is tried as a whole, once: tried from each of its marks, it takes the square of its length.
_PARAGRAPH_END = r"\n[^\S\n]*\n\s*"
_ENDS = {
    Level.PARAGRAPH: re.compile(_PARAGRAPH_END),
    Level.SENTENCE: re.compile(rf"{_PARAGRAPH_END}|(?<![.!?…])[.!?…]++[\"'”’»)\]]*+\s+|[。！？]+[」』”]*\s*"),
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
    sums: list[dict[int, float]] = [{} for _ in texts]
    for token, score in zip(tokens, scores, strict=True):
        if not token.special and token.segment < len(texts):
            place = bisect_right(starts[token.segment], token.start) - 1
            sums[token.segment][place] = sums[token.segment].get(place, 0.0) + score
    return tuple(
        passage
        for segment, text in enumerate(texts)
        for passage in _passages(text, segment, starts[segment], sums[segment])
    )


def _starts(text: str, end: re.Pattern[str]) -> Iterator[int]:
    """Where passages start, in order; white space at the start of a text belongs to the first one."""
    first = len(text) - len(text.lstrip())
    yield 0
    for found in end.finditer(text):
        if first < found.end() < len(text):
            yield found.end()


def _passages(text: str, segment: int, starts: Sequence[int], sums: Mapping[int, float]) -> Iterator[Word]:
    """The passages between these starts, with the sums of those that have tokens."""
    for place, (start, end) in enumerate(pairwise([*starts, len(text)])):
        part = Slice(text[start:end], start, end, segment)
        visible = part.stripped()
        # A text of nothing but white space may have tokens, and so a score, too.
        if visible.text or place in sums:
            shown = visible if visible.text else part
            yield Word(shown.text, sums.get(place, 0.0), shown.start, shown.end, segment)
