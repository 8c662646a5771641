"""FAITHFUL: exactly the inputs that the tokenizer gives the deployed model."""

from collections.abc import Sequence

import torch

from ligserve.server.workers.explainers.inputs.offsets import without_outer_space
from ligserve.server.workers.explainers.inputs.text_input import (
    SourceText,
    TextInput,
    check_characters,
    check_length,
    id_tensor,
    token_table,
)
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1 import explanation_service_pb2 as pb


def faithful_input(model: TextModel, text: str, field: str, baseline_token: int) -> TextInput:
    """The row of `model(**tokenizer(text))`.

    Args:
        model: the model.
        text: the caller's text.
        field: the request's field, for error messages.
        baseline_token: id that replaces every token of the text at the path's start.

    Raises:
        InvalidArgumentError: the text has no tokens, or too many.
    """
    return _input(model, [SourceText(text, field)], baseline_token)


def faithful_pair(model: TextModel, first: SourceText, second: SourceText, baseline_token: int) -> TextInput:
    """The row of `model(**tokenizer(text1, text2))`; arguments as in `faithful_input`.

    Raises:
        InvalidArgumentError: a text has no tokens, or the pair has too many.
    """
    return _input(model, [first, second], baseline_token)


def faithful_question(
    model: TextModel, question: SourceText, context: SourceText, baseline_token: int
) -> TextInput:
    """The row of `model(**tokenizer(question, context))`; arguments as in `faithful_input`.

    Models whose tokenizer pads on the left (XLNet) were trained with the context first, and are given it so,
    as transformers' pipeline does. In the tokens the question is the first text all the same.

    Raises:
        InvalidArgumentError: a text has no tokens, or the pair has too many.
    """
    if model.tokenizer.padding_side == "right":
        return faithful_pair(model, question, context, baseline_token)
    text = faithful_pair(model, context, question, baseline_token)
    text.tokens.segments[:] = [1 - segment for segment in text.tokens.segments]
    return text


def _input(model: TextModel, sources: Sequence[SourceText], baseline_token: int) -> TextInput:
    check_characters(model, *sources)
    texts = [source.text for source in sources]
    encoding = model.tokenizer(*texts, return_offsets_mapping=True, return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], [bool(flag) for flag in encoding["special_tokens_mask"]]
    of = encoding.sequence_ids(0)
    contents = [
        sum(number == sequence and not skip for sequence, skip in zip(of, special, strict=True))
        for number in range(len(texts))
    ]
    check_length(model, sources, len(ids), contents)
    names = [name for name in model.tokenizer.model_input_names if name in model.parameters]
    row = {name: id_tensor(encoding[name]) for name in names}
    tokens = token_table(
        model, encoding, lambda number, start, end: without_outer_space(texts[number], start, end)
    )
    return TextInput(row, faithful_baseline_row(model, row, special, baseline_token), row, tokens)


def faithful_row(model: TextModel, tokens: pb.Tokens, types: Sequence[int], baseline_token: int) -> TextInput:
    """The row that the tokenizer would give for these tokens (a RowMaker)."""
    columns = {
        "input_ids": id_tensor(tokens.ids),
        "attention_mask": torch.ones(len(tokens.ids), dtype=torch.long),
        "token_type_ids": id_tensor(types),
    }
    names = model.tokenizer.model_input_names
    row = {name: columns[name] for name in names if name in model.parameters}
    return TextInput(row, faithful_baseline_row(model, row, tokens.special, baseline_token), row, tokens)


def faithful_baseline_row(model: TextModel, row: RowInputs, special: Sequence[bool], token: int) -> RowInputs:
    """Every token of the text replaced, and every position the first: so either layer may move."""
    baseline = dict(row)
    baseline["input_ids"] = torch.where(id_tensor(special).bool(), row["input_ids"], token)
    if "position_ids" in model.parameters:
        baseline["position_ids"] = torch.full_like(row["input_ids"], model.first_position)
    return baseline
