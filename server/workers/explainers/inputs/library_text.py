"""LIBRARY: the inputs of transformers-interpret 0.10.0, quirks included.

Source: transformers_interpret/explainer.py and explainers/text/sequence_classification.py of that release.
"""

from collections.abc import Sequence

import torch

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.explainers.inputs.offsets import CleanedText, clean_text, without_outer_space
from ligserve.server.workers.explainers.inputs.text_input import (
    SourceText,
    TextInput,
    check_characters,
    check_length,
    id_tensor,
    text_lengths,
    token_table,
)
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1 import explanation_service_pb2 as pb

# Model types to which the library gives neither position ids nor token types.
_PLAIN_MODEL_TYPES = {"roberta"}


def library_accepts(model: TextModel, parameter: str) -> bool:
    """Whether the library would pass this input to the model."""
    return parameter in model.parameters and model.network.config.model_type not in _PLAIN_MODEL_TYPES


def library_input(
    model: TextModel, text: str, field: str, baseline_token: int, *, types: bool = True
) -> TextInput:
    """The row that the library would integrate over; offsets point into `text`, not into its cleaned form.

    Args:
        model: the model.
        text: the caller's text.
        field: the request's field, for error messages.
        baseline_token: id that replaces every token of the text at the path's start.
        types: whether the model is given token types where it takes them.

    Raises:
        InvalidArgumentError: the text has no tokens, or too many.
        FailedPreconditionError: the library has no baseline for this tokenizer's special tokens.
    """
    check_characters(model, SourceText(text, field))
    cleaned = clean_text(text)
    encoding = model.tokenizer(cleaned.text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids: list[int] = encoding["input_ids"]
    text_length = len(model.tokenizer.encode(cleaned.text, add_special_tokens=False))
    check_length(model, [SourceText(text, field)], len(ids), [text_length])
    row = library_row(model, ids, separator=text_length, types=types)
    return TextInput(
        row=row,
        baseline_row=library_text_baseline(model, row, text_length, baseline_token),
        prediction_row=bare_row(row),
        tokens=token_table(model, encoding, lambda _, start, end: cleaned_span(text, cleaned, start, end)),
    )


def library_text_row(
    model: TextModel, tokens: pb.Tokens, types: Sequence[int], baseline_token: int, *, typed: bool = True
) -> TextInput:
    """The row that the library would integrate over for one text's tokens (a RowMaker); it types by itself.

    Where not `typed`, the model is given no token types.

    Raises:
        FailedPreconditionError: the library has no baseline for this tokenizer's special tokens.
    """
    (length,) = text_lengths(tokens)
    row = library_row(model, tokens.ids, separator=length, types=typed)
    baseline = library_text_baseline(model, row, length, baseline_token)
    return TextInput(row, baseline, bare_row(row), tokens)


def library_row(model: TextModel, ids: Sequence[int], separator: int, *, types: bool = True) -> RowInputs:
    """Type 0 up to and including index `separator`, 1 after it; positions 0 to T - 1."""
    steps = torch.arange(len(ids))
    row = {"input_ids": id_tensor(ids), "attention_mask": torch.ones_like(steps)}
    if types and library_accepts(model, "token_type_ids"):
        row["token_type_ids"] = (steps > separator).long()
    if library_accepts(model, "position_ids"):
        row["position_ids"] = steps
    return row


def bare_row(row: RowInputs) -> RowInputs:
    """What the library predicts the class from: it passes the model nothing but ids."""
    return {name: row[name] for name in ("input_ids", "attention_mask")}


def library_baseline_row(row: RowInputs, baseline_ids: Sequence[int]) -> RowInputs:
    """The row with other ids, and the library's zeros for types and positions.

    Raises:
        FailedPreconditionError: the library's baseline has another length than its input.
    """
    ids = row["input_ids"]
    if len(ids) != len(baseline_ids):
        raise _no_baseline()
    zeros = {name: torch.zeros_like(ids) for name in ("token_type_ids", "position_ids") if name in row}
    return {**row, **zeros, "input_ids": id_tensor(baseline_ids)}


def frame_tokens(model: TextModel) -> tuple[int, int]:
    """The ids that the library puts at a baseline's start and after each of its texts.

    Raises:
        FailedPreconditionError: the tokenizer has no such tokens.
    """
    tokenizer = model.tokenizer
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    if first is None or last is None:
        raise _no_baseline()
    return first, last


def library_text_baseline(model: TextModel, row: RowInputs, text_length: int, token: int) -> RowInputs:
    """The library's baseline for the row of one text of so many tokens.

    Raises:
        FailedPreconditionError: the library has no baseline for this tokenizer's special tokens.
    """
    middle = [token] * text_length
    if len(row["input_ids"]) == text_length:
        return library_baseline_row(row, middle)
    first, last = frame_tokens(model)
    return library_baseline_row(row, [first, *middle, last])


def _no_baseline() -> FailedPreconditionError:
    return FailedPreconditionError(
        "its baseline does not have the special tokens that the tokenizer adds",
        reason="LIBRARY_CONVENTION_UNSUPPORTED",
    )


def cleaned_span(text: str, cleaned: CleanedText, start: int, end: int) -> tuple[int, int]:
    """The slice of the caller's text for a slice of its cleaned form."""
    return without_outer_space(text, *cleaned.original_span(start, end))
