"""LIBRARY: "[CLS] text [SEP] text [SEP]", put together from texts that are tokenized one by one."""

from collections.abc import Sequence

from ligserve.server.workers.explainers.inputs.library_text import frame_tokens
from ligserve.server.workers.explainers.inputs.offsets import without_outer_space
from ligserve.server.workers.explainers.inputs.text_input import Span, token_table
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_service_pb2 as pb

# Tokens that the frame adds to those of its two texts.
FRAME_LENGTH = 3


def bare_tokens(model: TextModel, text: str) -> pb.Tokens:
    """The tokens of a text without special tokens, with offsets into it."""
    return spanned_tokens(model, text, lambda _, start, end: without_outer_space(text, start, end))


def spanned_tokens(model: TextModel, text: str, span: Span) -> pb.Tokens:
    """The tokens of a text without special tokens; `span` as in `token_table`."""
    encoding = model.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, return_special_tokens_mask=True
    )
    return token_table(model, encoding, span)


def framed_ids(model: TextModel, first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Two texts' ids in their frame.

    Raises:
        FailedPreconditionError: the tokenizer has no tokens that start and separate.
    """
    start, separator = frame_tokens(model)
    return [start, *first, separator, *second, separator]


def framed_tokens(model: TextModel, first: pb.Tokens, second: pb.Tokens) -> pb.Tokens:
    """Two texts' tokens in their frame.

    Raises:
        FailedPreconditionError: the tokenizer has no tokens that start and separate.
    """
    start, separator = frame_tokens(model)
    second.segments[:] = [1] * len(second.ids)
    table = pb.Tokens()
    for part in (
        _special(model, start, 0),
        first,
        _special(model, separator, 0),
        second,
        _special(model, separator, 1),
    ):
        table.MergeFrom(part)
    return table


def _special(model: TextModel, token: int, segment: int) -> pb.Tokens:
    return pb.Tokens(
        ids=[token],
        texts=model.tokenizer.convert_ids_to_tokens([token]),
        starts=[0],
        ends=[0],
        words=[-1],
        special=[True],
        segments=[segment],
    )
