"""Entities against those of transformers' own pipeline, on a model whose labels are all over the place."""

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast, pipeline

from tests.client.labelled_text import Piece, explained
from tests.zoo.corpus import SENTENCES
from tests.zoo.tokenizers import wordpiece

LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return wordpiece()


@pytest.fixture(scope="module")
def model(tokenizer: PreTrainedTokenizerFast) -> BertForTokenClassification:
    torch.manual_seed(3)
    torch.set_num_threads(1)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.5,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    return BertForTokenClassification(config).eval()


def pieces_of(
    text: str, tokenizer: PreTrainedTokenizerFast, model: BertForTokenClassification
) -> list[Piece]:
    encoding = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets, words = encoding.pop("offset_mapping")[0].tolist(), encoding.word_ids()
    with torch.no_grad():
        probabilities, labels = model(**encoding).logits[0].softmax(dim=-1).max(dim=-1)
    return [
        Piece(
            text[start:end],
            LABELS[int(labels[place])],
            float(probabilities[place]),
            glued=words[place] == words[place - 1],
        )
        for place, (start, end) in enumerate(offsets)
        if words[place] is not None
    ]


def test_the_first_piece_decides_as_in_the_pipeline(
    tokenizer: PreTrainedTokenizerFast, model: BertForTokenClassification
) -> None:
    classify: Any = pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first"
    )
    found = 0
    for sentence in SENTENCES:
        pieces = pieces_of(f"{sentence} unrunning dislikable", tokenizer, model)
        # Spaces between all words, so that both sides count characters of the same text.
        text = explained(pieces).text
        entities = [(each.label, each.start, each.end) for each in explained(pieces).entities()]
        theirs = [(each["entity_group"], each["start"], each["end"]) for each in classify(text)]
        assert entities == theirs
        found += len(entities)
        assert any(piece.glued for piece in pieces)
    assert found > 2 * len(SENTENCES)
