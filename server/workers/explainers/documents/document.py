"""A text of any length as the tokens that a tokenizer finds in it, special ones left out."""

from array import array
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.explainers.documents.chunks import Chunk, UnbrokenTextError, chunks
from ligserve.server.workers.explainers.inputs.library_text import cleaned_span
from ligserve.server.workers.explainers.inputs.offsets import clean_text, without_outer_space
from ligserve.server.workers.explainers.inputs.text_input import SourceText, own_offsets
from ligserve.server.workers.models.loaded import TextModel

# A word that a tokenizer gives up on is usually short; a longer one than this would hide the text.
LONGEST_UNKNOWN = 10_000

Numbers = NDArray[np.int32]


@dataclass(frozen=True)
class Document:
    """The n tokens of a text, each column (n,).

    Attributes:
        ids: vocabulary ids.
        starts: start in the caller's text, in code points.
        ends: end (exclusive) in the caller's text, in code points.
        words: number of the token's word, from 0.
    """

    ids: Numbers
    starts: Numbers
    ends: Numbers
    words: Numbers

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def word_starts(self) -> NDArray[np.intp]:
        """Positions of the tokens that start a word, ascending."""
        first = np.flatnonzero(np.diff(self.words)) + 1
        return np.concatenate(([0], first)) if len(self) else first


# id, start and end in the caller's text before outer space is cut off, number of the word in its piece.
_Read = tuple[int, int, int, int | None]


def _column() -> "array[int]":
    return array("i")


@dataclass
class _Columns:
    """The tokens found so far, in a few bytes each; and where the last one lies, outer space included."""

    ids: "array[int]" = field(default_factory=_column)
    starts: "array[int]" = field(default_factory=_column)
    ends: "array[int]" = field(default_factory=_column)
    words: "array[int]" = field(default_factory=_column)
    last: tuple[int, int] = (0, 0)


def read_document(model: TextModel, source: SourceText, *, library: bool) -> Generator[None, None, Document]:
    """Read a text piece by piece; stops between two pieces, so that others get their turn.

    The tokens are those of the text in one piece: no piece ends inside a word, and each is read with some
    of the text around it.

    Args:
        model: the model whose tokenizer reads.
        source: the text.
        library: whether it is cleaned as transformers-interpret does.

    Raises:
        InvalidArgumentError: the text has a stretch that cannot be cut, or that the tokenizer does not know.
    """
    columns, read = _Columns(), _cleaned_tokens if library else _plain_tokens
    try:
        # Cleaning makes one space of a run of white space, which therefore must not be cut.
        for chunk in chunks(source.text, whole_runs=library):
            if chunk.start:
                yield
            if chunk.inside_run:
                chunk = _from_a_token(chunk, columns)
            _keep(columns, model, source, chunk, read(model, source.text, chunk))
    except UnbrokenTextError as error:
        message = (
            f"has {error.length} characters from {error.start} on without a space between words; "
            "that is too long to read"
        )
        raise InvalidArgumentError([FieldViolation(source.field, message)], reason="TEXT_UNBROKEN") from error
    found = (columns.ids, columns.starts, columns.ends, columns.words)
    ids, starts, ends, words = (np.array(column, dtype=np.int32) for column in found)
    return Document(ids, starts, ends, words)


def _from_a_token(chunk: Chunk, columns: _Columns) -> Chunk:
    """The chunk with context from a token's start: what follows is read alike without what is before it."""
    return replace(chunk, context_start=max(chunk.context_start, columns.last[0]))


def _keep(
    columns: _Columns, model: TextModel, source: SourceText, chunk: Chunk, tokens: Iterator[_Read]
) -> None:
    """Append the tokens that are the chunk's own to the columns, with words numbered on."""
    unknown: int | None = model.tokenizer.unk_token_id
    before: int | None = None
    word = columns.words[-1] if columns.words else -1
    for token, start, end, number in tokens:
        if not chunk.holds(end):
            before = number
            continue
        if chunk.inside_run and start == chunk.context_start:
            # Space of which pieces before held some, but no token.
            start = min(start, columns.last[1])
        if token == unknown and end - start > LONGEST_UNKNOWN:
            raise _unknown(source, start, end)
        if number is None or number != before:
            word += 1
        before = number
        columns.last = start, end
        inner_start, inner_end = without_outer_space(source.text, start, end)
        columns.ids.append(token)
        columns.starts.append(inner_start)
        columns.ends.append(inner_end)
        columns.words.append(word)


def _plain_tokens(model: TextModel, text: str, chunk: Chunk) -> Iterator[_Read]:
    base = chunk.context_start
    yield from _encoded(model, text[base : chunk.context_end], lambda start, end: (base + start, base + end))


def _cleaned_tokens(model: TextModel, text: str, chunk: Chunk) -> Iterator[_Read]:
    base, piece = chunk.context_start, text[chunk.context_start : chunk.context_end]
    cleaned = clean_text(piece)

    def span(start: int, end: int) -> tuple[int, int]:
        first, last = cleaned_span(piece, cleaned, start, end)
        return base + first, base + last

    yield from _encoded(model, cleaned.text, span)


def _encoded(model: TextModel, text: str, span: Callable[[int, int], tuple[int, int]]) -> Iterator[_Read]:
    encoding = model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = own_offsets(encoding.tokens(0), encoding["offset_mapping"])
    for token, (start, end), word in zip(encoding["input_ids"], offsets, encoding.word_ids(0), strict=True):
        yield token, *span(start, end), word


def _unknown(source: SourceText, start: int, end: int) -> InvalidArgumentError:
    message = (
        f"has a word of {end - start} characters from {start} on, which the tokenizer does not know; "
        "all of it would be one token"
    )
    return InvalidArgumentError([FieldViolation(source.field, message)], reason="WORD_UNKNOWN")
