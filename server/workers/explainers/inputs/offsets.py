"""Where tokens stand in the caller's text, in Unicode code points."""

import re
from dataclasses import dataclass

# White space, and the mark or the stretch without marks that it is before.
_PART = re.compile(r"(?P<gap>\s*)(?:(?P<mark>[.,!?()])|(?P<rest>[^\s.,!?()]*))")


@dataclass(frozen=True)
class CleanedText:
    """A text after transformers-interpret's cleaning, and where each character came from.

    Attributes:
        text: the cleaned text.
        origins: for each character its position in the original, None for an inserted space.
        original_length: length of the original.
    """

    text: str
    origins: tuple[int | None, ...]
    original_length: int

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The original's slice for a slice of the cleaned text; empty if only inserted space is in it."""
        kept = [origin for origin in self.origins[start:end] if origin is not None]
        if kept:
            return kept[0], kept[-1] + 1
        # No slice of all that follows: a long text has many such places.
        after = (self.origins[place] for place in range(end, len(self.origins)))
        position = next((origin for origin in after if origin is not None), self.original_length)
        return position, position


def clean_text(text: str) -> CleanedText:
    """A space on both sides of each of . , ! ? ( ), then runs of white space as one space."""
    pieces: list[str] = []
    origins: list[int | None] = []
    after_mark = False
    for part in _PART.finditer(text):
        gap, at_mark = part["gap"], part["mark"] is not None
        if at_mark or after_mark or len(gap) > 1:
            pieces.append(" ")
            origins.append(part.start() if gap else None)
        elif gap:
            pieces.append(gap)
            origins.append(part.start())
        kept = range(part.start() + len(gap), part.end())
        pieces.append(text[kept.start : kept.stop])
        origins += kept
        after_mark = at_mark
    return CleanedText("".join(pieces), tuple(origins), len(text))


def without_outer_space(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends, unless it is all white space.

    Byte-level and SentencePiece tokenizers count the space before a word to the word.
    """
    inner = text[start:end].strip()
    if not inner:
        return start, end
    first = start + text[start:end].index(inner)
    return first, first + len(inner)
