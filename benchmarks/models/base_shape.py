"""A text classifier of BERT-base's shape with random weights, and what a row of it costs."""

from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from benchmarks.models.heads import Head, make_random, whole_row
from benchmarks.texts import LONG, SHORT

# With BERT's own 0.02 the text hardly moves the output; a head that is to tell texts apart would enlarge the
# rounding of the layers instead.
INITIALIZER_RANGE = 0.05


@torch.no_grad()
def write_base_model(encoder: Path, root: Path) -> Path:
    """Write the classifier, with the tokenizer of the sentiment model; returns its directory."""
    directory = root / "base"
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    torch.manual_seed(7)
    network = BertForSequenceClassification(
        BertConfig(vocab_size=len(tokenizer), initializer_range=INITIALIZER_RANGE)
    )
    network.train(False)
    head = Head(
        BertForSequenceClassification,
        "classifier",
        (),
        1.0,
        whole_row,
        [(text,) for text in (*SHORT, *LONG[:4])],
    )
    make_random(network, head, tokenizer)
    network.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def row_operations(tokens: int) -> tuple[int, int]:
    """Floating point operations of a row: of its forward pass, and of the backward pass to its embeddings.

    Counted on one layer, which all others equal, with the two products of attention written out: fused
    attention is not counted in full.
    """
    config = BertConfig(num_hidden_layers=1, vocab_size=8)
    config._attn_implementation = "eager"
    with torch.device("meta"):
        network = BertForSequenceClassification(config).train(False).requires_grad_(False)
        rows = torch.empty(1, tokens, config.hidden_size, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        # The counter takes no leaf as a module's input.
        output = network.bert.encoder(rows + 0).last_hidden_state
        forward = counter.get_total_flops()
        torch.autograd.grad(output.sum(), rows)
    layers = BertConfig().num_hidden_layers
    return layers * forward, layers * (counter.get_total_flops() - forward)
