"""LIBRARY: two texts in one row, as transformers-interpret 0.10.0 lays them out.

Source: PairwiseSequenceClassificationExplainer in explainers/text/sequence_classification.py and
ZeroShotClassificationExplainer in explainers/text/zero_shot_classification.py of that release.
"""

from collections.abc import Sequence

from ligserve.server.workers.explainers.inputs.library_text import (
    bare_row,
    frame_tokens,
    library_baseline_row,
    library_row,
)
from ligserve.server.workers.explainers.inputs.offsets import without_outer_space
from ligserve.server.workers.explainers.inputs.text_input import (
    SourceText,
    TextInput,
    check_characters,
    check_length,
    text_lengths,
    token_table,
)
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_service_pb2 as pb

# The library knows of the two separators between texts for this model type alone.
_DOUBLE_SEPARATOR = {"roberta"}


def library_pair(model: TextModel, first: SourceText, second: SourceText, baseline_token: int) -> TextInput:
    """The row of a pair: the tokenizer's own ids, types by the first text's length.

    Args:
        model: the model.
        first: the first text.
        second: the second text.
        baseline_token: id that replaces every token of the texts at the path's start.

    Raises:
        InvalidArgumentError: a text has no tokens, or the pair has too many.
        FailedPreconditionError: the library's baseline does not fit the tokenizer's separators.
    """
    check_characters(model, first, second)
    texts = [first.text, second.text]
    encoding = model.tokenizer(*texts, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids: list[int] = encoding["input_ids"]
    lengths = [len(model.tokenizer.encode(text, add_special_tokens=False)) for text in texts]
    check_length(model, [first, second], len(ids), lengths)
    tokens = token_table(
        model, encoding, lambda number, start, end: without_outer_space(texts[number], start, end)
    )
    return library_pair_row(model, tokens, (), baseline_token)


def library_pair_row(
    model: TextModel, tokens: pb.Tokens, types: Sequence[int], baseline_token: int
) -> TextInput:
    """The row that the library would integrate over for a pair's tokens (a RowMaker); it types by itself.

    Raises:
        FailedPreconditionError: the library's baseline does not fit the tokenizer's separators.
    """
    lengths = text_lengths(tokens)
    row = library_row(model, tokens.ids, separator=lengths[0] + 1)
    baseline = library_baseline_row(row, _baseline_ids(model, lengths, baseline_token))
    return TextInput(row, baseline, bare_row(row), tokens)


def _baseline_ids(model: TextModel, lengths: Sequence[int], token: int) -> list[int]:
    start, separator = frame_tokens(model)
    between = [separator] * (2 if model.network.config.model_type in _DOUBLE_SEPARATOR else 1)
    return [start, *[token] * lengths[0], *between, *[token] * lengths[1], separator]
