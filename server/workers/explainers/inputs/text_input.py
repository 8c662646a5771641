"""A text as the model sees it, and the row that the path starts from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import BatchEncoding

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1 import explanation_service_pb2 as pb

# No language's tokens come near; only runs of white space and made-up words do.
MAX_CHARACTERS_PER_TOKEN = 256
_WAYS_OUT = (
    "shorten the text, or set long_input (options.long_input) to window, which explains all of it part by "
    "part, or to truncate, which cuts its end off"
)
# SentencePiece's sign for a space.
_VISIBLE_SPACE = "\u2581"


@dataclass(frozen=True)
class TextInput:
    """One row of text.

    Attributes:
        row: the model's inputs, along the whole path.
        baseline_row: the inputs whose embeddings the path starts from.
        prediction_row: the inputs that the prediction is made from.
        tokens: the T tokens with offsets into the caller's text.
    """

    row: RowInputs
    baseline_row: RowInputs
    prediction_row: RowInputs
    tokens: pb.Tokens

    @property
    def content(self) -> torch.Tensor:
        """(T,), True where the token is of the text, False where it is special."""
        return ~torch.tensor(list(self.tokens.special), dtype=torch.bool)


class RowMaker(Protocol):
    """What the model is given where tokens are already read and framed."""

    def __call__(
        self, model: TextModel, tokens: pb.Tokens, types: Sequence[int], baseline_token: int
    ) -> TextInput:
        """A row of tokens; `types` are the tokenizer's own, `baseline_token` replaces those of the texts."""
        ...


def id_tensor(ids: Sequence[int]) -> torch.Tensor:
    """(T,), the type of every input of a text model."""
    return torch.tensor(ids, dtype=torch.long)


@dataclass(frozen=True)
class SourceText:
    """A text of the caller's, and the request's field that it is in, for error messages."""

    text: str
    field: str


def text_lengths(tokens: pb.Tokens) -> list[int]:
    """Tokens of each text in a row, special ones left out."""
    of = [segment for segment, skip in zip(tokens.segments, tokens.special, strict=True) if not skip]
    return [of.count(number) for number in range(max(of, default=-1) + 1)]


# From a text's number and a token's offsets in the encoding to offsets in the caller's text.
Span = Callable[[int, int, int], tuple[int, int]]


def token_table(model: TextModel, encoding: BatchEncoding, span: Span) -> pb.Tokens:
    """The tokens of an encoding of one text or two, with offsets into the text that each is from."""
    special = [bool(flag) for flag in encoding["special_tokens_mask"]]
    segments = _segments(encoding.sequence_ids(0))
    texts = model.tokenizer.convert_ids_to_tokens(encoding["input_ids"])
    offsets = zip(segments, own_offsets(texts, encoding["offset_mapping"]), strict=True)
    spans = [
        (0, 0) if skip else span(segment, start, end)
        for skip, (segment, (start, end)) in zip(special, offsets, strict=True)
    ]
    words = zip(special, encoding.word_ids(0), strict=True)
    return pb.Tokens(
        ids=encoding["input_ids"],
        texts=texts,
        starts=[start for start, _ in spans],
        ends=[end for _, end in spans],
        words=[-1 if skip or word is None else word for skip, word in words],
        special=special,
        segments=segments,
    )


def own_offsets(texts: Sequence[str], offsets: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Offsets in the encoding; a space that the tokenizer put before a word has no characters of its own."""
    following = [*(start for start, _ in offsets), None][1:]
    for text, (start, end), next_start in zip(texts, offsets, following, strict=True):
        yield (start, start) if text == _VISIBLE_SPACE and next_start == start else (start, end)


def _segments(sequence_ids: Sequence[int | None]) -> list[int]:
    """The text that each token is from; special tokens go with the text before them."""
    segments: list[int] = []
    for sequence in sequence_ids:
        segments.append(sequence if sequence is not None else (segments[-1] if segments else 0))
    return segments


def longest_at_once(model: TextModel) -> int:
    """Most characters of a text that the tokenizer is given in one piece; 0: no limit is known."""
    return model.max_tokens * MAX_CHARACTERS_PER_TOKEN


def read_at_once(model: TextModel, *sources: SourceText) -> bool:
    """Whether the tokenizer may be given these texts in one piece each."""
    limit = longest_at_once(model)
    return not limit or all(len(source.text) <= limit for source in sources)


def check_characters(model: TextModel, *sources: SourceText) -> None:
    """Refuse at once what hardly can fit, before the tokenizer spends seconds on it.

    Raises:
        InvalidArgumentError: a text is far longer than the model's tokens usually hold.
    """
    limit = longest_at_once(model)
    long = [source for source in sources if not read_at_once(model, source)]
    if long:
        raise InvalidArgumentError(
            [
                FieldViolation(
                    source.field,
                    f"has {len(source.text)} characters, model '{model.name}' takes at most "
                    f"{model.max_tokens} tokens, for which at most {limit} characters are read; {_WAYS_OUT}",
                )
                for source in long
            ],
            reason="TEXT_TOO_LONG",
        )


def check_length(
    model: TextModel, sources: Sequence[SourceText], length: int, contents: Sequence[int]
) -> None:
    """Refuse what the model cannot take.

    Args:
        model: the model.
        sources: the texts of the row.
        length: tokens of the row, special tokens included.
        contents: tokens of each text, special tokens left out.

    Raises:
        InvalidArgumentError: no token of a text is left, or there are too many.
    """
    empty = [source.field for source, content in zip(sources, contents, strict=True) if content == 0]
    if empty:
        raise InvalidArgumentError(
            [FieldViolation(field, "the tokenizer finds no token in it") for field in empty]
        )
    if model.max_tokens and length > model.max_tokens:
        _, longest = max(zip(contents, (source.field for source in sources), strict=True))
        has = "has" if len(sources) == 1 else "makes a pair of"
        raise InvalidArgumentError(
            [
                FieldViolation(
                    longest,
                    f"{has} {length} tokens (special tokens included), model '{model.name}' takes at most "
                    f"{model.max_tokens}; {_WAYS_OUT}",
                )
            ],
            reason="TEXT_TOO_LONG",
        )
