"""From an architecture to a directory that `ligserve serve --model` takes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from ligserve.server.workers.models.head import SEQUENCE, Head
from tests.zoo.architectures import Architecture
from tests.zoo.logits import corpus_logits, spread_of

# Random weights of the usual size give a nearly linear model; these give curved paths.
INITIALIZER_RANGE = 0.15


def build_model(
    architecture: Architecture,
    directory: Path,
    *,
    num_labels: int = 3,
    labels: Sequence[str] | None = None,
    head: Head = SEQUENCE,
    seed: int = 7,
) -> Path:
    """Write a model with random weights and its tokenizer; returns the directory."""
    names_of_labels = labels or [f"CLASS_{index}" for index in range(num_labels)]
    tokenizer = architecture.tokenizer()
    names = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    config = architecture.config(
        vocab_size=len(tokenizer),
        num_labels=num_labels,
        initializer_range=INITIALIZER_RANGE,
        id2label=dict(enumerate(names_of_labels)),
        label2id={label: index for index, label in enumerate(names_of_labels)},
        **architecture.settings,
        **{name: getattr(tokenizer, name) for name in names if getattr(tokenizer, name) is not None},
    )
    torch.manual_seed(seed)
    model = head.auto_model.from_config(config).eval()
    if architecture.trained_padding:
        nn.init.normal_(model.get_input_embeddings().weight[tokenizer.pad_token_id], 0.0, INITIALIZER_RANGE)
    _sharpen(model, tokenizer, num_labels, head)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


@torch.no_grad()
def _sharpen(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, num_labels: int, head: Head) -> None:
    """Scale and centre the head so that logits spread over the corpus."""
    layer = next(
        module
        for module in reversed(list(model.modules()))
        if isinstance(module, nn.Linear) and module.out_features == num_labels
    )
    logits = corpus_logits(model, tokenizer, head)
    scale = spread_of(head) / logits.std(dim=0, keepdim=True).clamp(min=1e-6)
    layer.weight.mul_(scale.T)
    if layer.bias is not None:
        layer.bias.copy_(scale[0] * (layer.bias - logits.mean(dim=0)))
