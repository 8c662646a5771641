"""A classifier of tokens of a real size: the sentiment model's encoder under a random head of 28 labels."""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForTokenClassification, AutoTokenizer

from benchmarks.texts import MIDDLE

LABELS = ("O", *(f"{part}-KIND{kind}" for kind in range(14) for part in "BI"))[:28]
# Spread of the logits: no label is certain, and none is as likely as all others.
LOGIT_SPREAD = 2.0


@torch.no_grad()
def write_token_model(encoder: Path, directory: Path) -> Path:
    """Write the classifier and its tokenizer; returns the directory."""
    torch.manual_seed(7)
    names = dict(enumerate(LABELS))
    network = AutoModelForTokenClassification.from_pretrained(
        encoder,
        id2label=names,
        label2id={name: index for index, name in names.items()},
        ignore_mismatched_sizes=True,
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    head: nn.Linear = network.classifier
    head.weight.normal_()
    head.bias.zero_()
    logits = torch.cat([network(**tokenizer(text, return_tensors="pt")).logits[0] for text in MIDDLE])
    scale = LOGIT_SPREAD / logits.std(dim=0)
    head.weight.mul_(scale[:, None])
    head.bias.copy_(-scale * logits.mean(dim=0))
    network.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
