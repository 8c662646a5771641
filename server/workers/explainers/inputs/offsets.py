"""Where tokens stand in the caller's text, in Unicode code points."""

import re
from dataclasses import dataclass

_SPACED = set(".,!?()")
_RUN_OF_SPACE = re.compile(r"\s{2,}")


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
        after = (origin for origin in self.origins[end:] if origin is not None)
        position = next(after, self.original_length)
        return position, position


def clean_text(text: str) -> CleanedText:
    """A space on both sides of each of . , ! ? ( ), then runs of white space as one space."""
    spaced: list[tuple[str, int | None]] = []
    for position, character in enumerate(text):
        piece: list[tuple[str, int | None]] = [(character, position)]
        if character in _SPACED:
            piece = [(" ", None), *piece, (" ", None)]
        spaced += piece
    joined = "".join(character for character, _ in spaced)
    kept: list[tuple[str, int | None]] = []
    done = 0
    for run in _RUN_OF_SPACE.finditer(joined):
        origins = [origin for _, origin in spaced[run.start() : run.end()] if origin is not None]
        kept += [*spaced[done : run.start()], (" ", next(iter(origins), None))]
        done = run.end()
    kept += spaced[done:]
    return CleanedText("".join(c for c, _ in kept), tuple(origin for _, origin in kept), len(text))


def without_outer_space(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends, unless it is all white space.

    Byte-level and SentencePiece tokenizers count the space before a word to the word.
    """
    inner = text[start:end].strip()
    if not inner:
        return start, end
    first = start + text[start:end].index(inner)
    return first, first + len(inner)
