"""The ends of the path that each convention integrates, for BERT: plain torch, nothing of ours."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.models.heads import HYPOTHESIS
from benchmarks.workloads.questions import Kind, Question


@dataclass(frozen=True, slots=True)
class Row:
    """One row at the end and at the start of its path.

    Attributes:
        inputs: what the model is given at the end.
        baseline: what it is given at the start.
        special: (T,) bool, the tokens that the tokenizer added.
    """

    inputs: dict[str, Tensor]
    baseline: dict[str, Tensor]
    special: Tensor


def rows(tokenizer: Any, question: Question, *, library: bool) -> list[Row]:
    """The rows of a question: one, or one for each candidate label."""
    if question.kind is Kind.SPAN:
        first, seconds = question.question, [question.text]
    else:
        first, seconds = question.text, [HYPOTHESIS.format(label) for label in question.labels]
    if not library:
        return [_faithful(tokenizer, first, *second) for second in [[each] for each in seconds] or [[]]]
    if question.kind is Kind.SPAN:
        return [_at_the_first_position(_framed(tokenizer, first, second)) for second in seconds]
    if question.kind is Kind.HYPOTHESES:
        return [_framed(tokenizer, cleaned(first), second) for second in seconds]
    return [_library_text(tokenizer, first, own_types=question.kind is not Kind.TOKENS)]


def cleaned(text: str) -> str:
    """The text as transformers-interpret hands it to the tokenizer."""
    return re.sub(r"\s{2,}", " ", re.sub(r"([.,!?()])", r" \1 ", text))


def _faithful(tokenizer: Any, *texts: str) -> Row:
    inputs = tokenizer(*texts, return_tensors="pt", return_special_tokens_mask=True)
    special = inputs.pop("special_tokens_mask")[0].bool()
    return _padded(tokenizer, dict(inputs), special)


def _library_text(tokenizer: Any, text: str, *, own_types: bool) -> Row:
    row = _faithful(tokenizer, cleaned(text))
    # Its token types are 0 up to the number of text tokens: the last token is of type 1. It passes none to
    # classifiers of tokens, and the tokenizer's are what the model then assumes.
    return _typed(row, ones_from=len(row.special) - 1) if own_types else row


def _framed(tokenizer: Any, first: str, second: str) -> Row:
    """[CLS] first [SEP] second [SEP], put together as the library does it."""
    parts = [tokenizer.encode(text, add_special_tokens=False) for text in (first, second)]
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids = torch.tensor([[start, *parts[0], end, *parts[1], end]])
    special = torch.zeros(ids.shape[1], dtype=torch.bool)
    special[[0, len(parts[0]) + 1, -1]] = True
    row = _padded(tokenizer, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, special)
    return _typed(row, ones_from=len(parts[0]) + 1)


def _padded(tokenizer: Any, inputs: dict[str, Tensor], special: Tensor) -> Row:
    """The path moves words alone: positions, token types and mask are the input's at both ends."""
    ids = inputs["input_ids"]
    padded = torch.where(special[None], ids, tokenizer.pad_token_id)
    return Row(inputs, {**inputs, "input_ids": padded}, special)


def _typed(row: Row, ones_from: int) -> Row:
    types = (torch.arange(len(row.special)) >= ones_from).long()[None]
    typed = {"token_type_ids": types}
    return Row({**row.inputs, **typed}, {**row.baseline, **typed}, row.special)


def _at_the_first_position(row: Row) -> Row:
    """The whole block of embeddings moves: it starts where positions and token types are 0."""
    zeros = torch.zeros_like(row.inputs["input_ids"])
    start = {**row.baseline, "token_type_ids": zeros, "position_ids": zeros}
    return Row(row.inputs, start, row.special)
