"""LIBRARY: the inputs of transformers-interpret 0.10.0, quirks included.

Source: transformers_interpret/explainer.py and explainers/text/sequence_classification.py of that release.
"""

import torch

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.explainers.offsets import CleanedText, clean_text, without_outer_space
from ligserve.server.workers.explainers.text_input import TextInput, check_length, id_tensor, token_table
from ligserve.server.workers.models.loaded import LoadedModel, RowInputs

# Model types to which the library gives neither position ids nor token types.
_PLAIN_MODEL_TYPES = {"roberta"}


def library_accepts(model: LoadedModel, parameter: str) -> bool:
    """Whether the library would pass this input to the model."""
    return parameter in model.parameters and model.network.config.model_type not in _PLAIN_MODEL_TYPES


def library_input(model: LoadedModel, text: str, field: str, baseline_token: int) -> TextInput:
    """The row that the library would integrate over; offsets point into `text`, not into its cleaned form.

    Args:
        model: the model.
        text: the caller's text.
        field: the request's field, for error messages.
        baseline_token: id that replaces every token of the text at the path's start.

    Raises:
        InvalidArgumentError: the text has no tokens, or too many.
        FailedPreconditionError: the library has no baseline for this tokenizer's special tokens.
    """
    cleaned = clean_text(text)
    encoding = model.tokenizer(cleaned.text, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids: list[int] = encoding["input_ids"]
    text_length = len(model.tokenizer.encode(cleaned.text, add_special_tokens=False))
    check_length(model, field, len(ids), text_length)
    row = _row(model, id_tensor(ids), separator=text_length)
    return TextInput(
        row=row,
        baseline_row=_baseline_row(model, row, text_length, baseline_token),
        prediction_row={name: row[name] for name in ("input_ids", "attention_mask")},
        tokens=token_table(model, encoding, lambda start, end: _span(text, cleaned, start, end)),
    )


def _row(model: LoadedModel, ids: torch.Tensor, separator: int) -> RowInputs:
    """Type 0 up to and including index `separator`, 1 after it; positions 0 to T - 1."""
    steps = torch.arange(len(ids))
    row = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if library_accepts(model, "token_type_ids"):
        row["token_type_ids"] = (steps > separator).long()
    if library_accepts(model, "position_ids"):
        row["position_ids"] = steps
    return row


def _baseline_row(model: LoadedModel, row: RowInputs, text_length: int, token: int) -> RowInputs:
    ids = row["input_ids"]
    middle = torch.full((text_length,), token, dtype=torch.long)
    baseline_ids = middle
    if len(ids) != text_length:
        tokenizer = model.tokenizer
        first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        if first is None or last is None or len(ids) != text_length + 2:
            raise FailedPreconditionError(
                "transformers-interpret has no baseline for this tokenizer's special tokens; "
                "ask for the FAITHFUL convention",
                reason="LIBRARY_CONVENTION_UNSUPPORTED",
            )
        baseline_ids = torch.cat([id_tensor([first]), middle, id_tensor([last])])
    zeros = {name: torch.zeros_like(ids) for name in ("token_type_ids", "position_ids") if name in row}
    return {**row, **zeros, "input_ids": baseline_ids}


def _span(text: str, cleaned: CleanedText, start: int, end: int) -> tuple[int, int]:
    return without_outer_space(text, *cleaned.original_span(start, end))
