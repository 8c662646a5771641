"""A text as the model sees it, and the row that the path starts from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import BatchEncoding

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.workers.models.loaded import LoadedModel, RowInputs
from ligserve.v1 import explanation_service_pb2 as pb


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


def id_tensor(ids: Sequence[int]) -> torch.Tensor:
    """(T,), the type of every input of a text model."""
    return torch.tensor(ids, dtype=torch.long)


def token_table(
    model: LoadedModel, encoding: BatchEncoding, span: Callable[[int, int], tuple[int, int]]
) -> pb.Tokens:
    """The tokens of an encoding with offsets; `span` takes the encoding's offsets to the caller's text."""
    special = [bool(flag) for flag in encoding["special_tokens_mask"]]
    spans = [
        (0, 0) if skip else span(start, end)
        for skip, (start, end) in zip(special, encoding["offset_mapping"], strict=True)
    ]
    words = zip(special, encoding.word_ids(0), strict=True)
    return pb.Tokens(
        ids=encoding["input_ids"],
        texts=model.tokenizer.convert_ids_to_tokens(encoding["input_ids"]),
        starts=[start for start, _ in spans],
        ends=[end for _, end in spans],
        words=[-1 if skip or word is None else word for skip, word in words],
        special=special,
        segments=[0] * len(special),
    )


def check_length(model: LoadedModel, field: str, length: int, content: int) -> None:
    """Refuse what the model cannot take.

    Raises:
        InvalidArgumentError: no token of the text is left, or there are too many.
    """
    if content == 0:
        raise InvalidArgumentError([FieldViolation(field, "the tokenizer finds no token in it")])
    if model.max_tokens and length > model.max_tokens:
        raise InvalidArgumentError(
            [
                FieldViolation(
                    field,
                    f"has {length} tokens (special tokens included), model '{model.name}' takes at most "
                    f"{model.max_tokens}; shorten the text or send it in parts",
                )
            ],
            reason="TEXT_TOO_LONG",
        )
