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
# Best before a plain space, where every tokenizer starts a word. Not after the marks that
# transformers-interpret's cleaning puts spaces around.
_BREAKS = (re.compile(r"(?<=[^\s.,!?()]) "), re.compile(r"(?<=[^\s.,!?()])\s"))


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
    """

    start: int
    end: int
    context_start: int
    context_end: int

    def holds(self, end: int) -> bool:
        """Whether a token that ends here is the chunk's, and no other one's."""
        return end <= self.end and (end > self.start or self.start == 0)


def chunks(text: str, size: int = CHUNK, longest: int = LONGEST_UNBROKEN) -> Iterator[Chunk]:
    """The text in pieces of about `size` code points, each cut before white space.

    Raises:
        UnbrokenTextError: more than `longest` code points without a place to cut.
    """
    start = 0
    while start < len(text):
        end = _end(text, start, size, longest)
        yield Chunk(start, end, max(0, start - CONTEXT), min(len(text), end + CONTEXT))
        start = end


def _end(text: str, start: int, size: int, longest: int) -> int:
    for place in _BREAKS:
        cut = place.search(text, start + size, start + longest)
        if cut is not None:
            return cut.start()
    if len(text) - start > longest:
        following = _BREAKS[-1].search(text, start + longest)
        raise UnbrokenTextError(start, (len(text) if following is None else following.start()) - start)
    return len(text)
