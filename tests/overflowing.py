"""Windows as transformers' tokenizers cut them by themselves, for plain forward passes."""

import inspect
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from tests.zoo.corpus import SENTENCES


def tokenizer_of(directory: Path) -> PreTrainedTokenizerFast:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    return tokenizer


def one_token_words(tokenizer: PreTrainedTokenizerFast, count: int) -> str:
    """A text of so many words, each a token of its own: windows are cut at words, tokenizers cut anywhere."""
    known = dict.fromkeys(word for sentence in SENTENCES for word in sentence.split())
    single = [word for word in known if len(ids_of(tokenizer, f" {word}")) == 1]
    assert len(single) >= 5
    chosen = random.Random(count).choices(single, k=count)
    text = "".join(f" {word}" for word in chosen)
    assert len(ids_of(tokenizer, text)) == count
    return text


def ids_of(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def overflowing(
    tokenizer: PreTrainedTokenizerFast, texts: tuple[str, str], cut: int, step: int, length: int
) -> Iterator[tuple[dict[str, Tensor], list[int | None]]]:
    """The inputs of each window over one of two texts, a batch of one, and the text that each token is from.

    Args:
        tokenizer: the tokenizer.
        texts: the two texts, in the row's order.
        cut: which of them is cut.
        step: tokens from one window's start to the next one's.
        length: most tokens of a row.
    """
    whole = len(ids_of(tokenizer, texts[1 - cut]))
    special = tokenizer.num_special_tokens_to_add(pair=True)
    encoding = tokenizer(
        *texts,
        truncation="only_second" if cut else "only_first",
        max_length=length,
        stride=length - special - whole - step,
        return_overflowing_tokens=True,
    )
    for number in range(len(encoding["input_ids"])):
        row = {name: encoding[name][number] for name in tokenizer.model_input_names}
        yield {name: torch.tensor([values]) for name, values in row.items()}, encoding.sequence_ids(number)


def accepted(model: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs that a model takes."""
    parameters = inspect.signature(model.forward).parameters
    return {name: values for name, values in inputs.items() if name in parameters}
