"""The logits of a zoo model on the corpus, by its head, to make it sharp with."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ligserve.server.workers.models.head import SPAN, Head
from tests.zoo.corpus import SENTENCES

# Spread of the logits over the corpus: predictions differ, and are neither flat nor saturated (where
# the library itself loses digits in its float32 softmax).
LOGIT_SPREAD = 1.0
# One token in some 40 is an answer's first: it takes a larger spread to stand out.
SPAN_LOGIT_SPREAD = 2.0


def spread_of(head: Head) -> float:
    """The standard deviation that each output's logits are to have."""
    return SPAN_LOGIT_SPREAD if head is SPAN else LOGIT_SPREAD


def corpus_logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, head: Head) -> Tensor:
    """(rows or tokens, outputs)."""
    logits = _of_contexts(model, tokenizer) if head is SPAN else _of_sentences(model, tokenizer, head)
    return torch.cat(list(logits))


def _of_sentences(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, head: Head) -> Iterator[Tensor]:
    for text in SENTENCES:
        logits = head.logits(model(**tokenizer(text, return_tensors="pt")))
        yield logits.reshape(-1, logits.shape[-1])


def _of_contexts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Iterator[Tensor]:
    """Start and end logits of the second text's tokens; some models push all others far down."""
    for question, context in pairwise(SENTENCES):
        encoding = tokenizer(question, context, return_tensors="pt")
        inside = torch.tensor([number == 1 for number in encoding.sequence_ids(0)])
        yield SPAN.logits(model(**encoding))[0][inside]
