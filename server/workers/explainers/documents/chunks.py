"""A long text cut at white space, so that a tokenizer reads it piece by piece."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# In code points; a tokenizer reads this many in about 50 ms.
CHUNK = 1 << 16
# What a tokenizer can take at once without trouble for others.
LONGEST_UNBROKEN = 1 << 18
# Read on both sides of a chunk as well, so that its first and last tokens are those of the whole text.
CONTEXT = 64
# Of a run of white space as well, where a chunk starts or ends in it: byte-level tokenizers have tokens of
# many spaces.
RUN_CONTEXT = 1 << 10
# White space but for control characters: BERT's tokenizer drops those, and joins what is around them.
_CONTROL = r"\x0b\x0c\x1c-\x1f\x85"
_SPACE, _OTHER = rf"[^\S{_CONTROL}]", rf"[\S{_CONTROL}]"
# Best before a plain space, where every tokenizer starts a word.
_WORD_BREAKS = (re.compile(rf"(?<={_OTHER}) "), re.compile(rf"(?<={_OTHER}){_SPACE}"))
_INSIDE_RUN = re.compile(rf"(?<={_SPACE}){_SPACE}")
_ALL_BREAKS = (*_WORD_BREAKS, _INSIDE_RUN)
_RUN = re.compile(rf"{_SPACE}*")
_WORD = re.compile(rf"{_OTHER}+")


class UnbrokenTextError(Exception):
    """A stretch of a text has no place to cut it.

    Attributes:
        start: where it starts, in code points.
        length: how long it is, in code points.
    """

    def __init__(self, start: int, length: int) -> None:
        super().__init__(start, length)
        self.start = start
        self.length = length


@dataclass(frozen=True)
class Chunk:
    """A piece of a text, in code points; a tokenizer reads it with its context.

    Attributes:
        start: where it starts.
        end: where it ends (exclusive).
        context_start: where its context starts.
        context_end: where its context ends (exclusive).
        inside_run: whether it starts inside a run of white space.
    """

    start: int
    end: int
    context_start: int
    context_end: int
    inside_run: bool = False

    def holds(self, end: int) -> bool:
        """Whether a token that ends here is the chunk's, and no other one's."""
        return end <= self.end and (end > self.start or self.start == 0)


def chunks(
    text: str, size: int = CHUNK, longest: int = LONGEST_UNBROKEN, *, whole_runs: bool = False
) -> Iterator[Chunk]:
    """The text in pieces of about `size` code points, each cut before white space.

    Args:
        text: the text.
        size: least length of a piece that is followed by others, unless a long word comes after it.
        longest: most of a word, or of a piece but for a run of white space.
        whole_runs: whether a run of white space is never cut, however long it is.

    Raises:
        UnbrokenTextError: there is a longer word.
    """
    start = 0
    while start < len(text):
        end = _end(text, start, size, longest, whole_runs=whole_runs)
        inside_run = _INSIDE_RUN.match(text, start) is not None
        before = RUN_CONTEXT if inside_run else CONTEXT
        yield Chunk(start, end, max(0, start - before), _context_end(text, end), inside_run)
        start = end


def _context_end(text: str, end: int) -> int:
    """Past the white space that follows, if that is not long: a tokenizer may drop it at a text's end."""
    run = _RUN.match(text, end, end + RUN_CONTEXT)
    return min(len(text), (end if run is None else run.end()) + CONTEXT)


def _end(text: str, start: int, size: int, longest: int, *, whole_runs: bool) -> int:
    earliest = start + size
    if whole_runs and (run := _RUN.match(text, min(earliest, len(text)))):
        earliest = run.end()
    latest = earliest + longest - size
    for place in _WORD_BREAKS if whole_runs else _ALL_BREAKS:
        cut = place.search(text, earliest, latest)
        if cut is not None:
            return cut.start()
    if len(text) <= latest:
        return len(text)
    # A long word is coming, which is the next piece's.
    before = [cut.start() for cut in _WORD_BREAKS[-1].finditer(text, start + 1, earliest)]
    return before[-1] if before else _whole_word(text, start, longest)


def _whole_word(text: str, start: int, longest: int) -> int:
    """The end of the word that a piece starts with, after white space."""
    word = _WORD.search(text, start)
    if word is None or word.end() - word.start() > longest:
        found, end = (start, len(text)) if word is None else word.span()
        raise UnbrokenTextError(found, end - found)
    return word.end()
