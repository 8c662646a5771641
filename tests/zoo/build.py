"""From an architecture to a directory that `ligserve serve --model` takes."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from tests.zoo.architectures import Architecture

# Random classifiers answer about 1 / C for every input; scaled weights make them choose.
SHARPENING = 6.0


def build_model(architecture: Architecture, directory: Path, *, num_labels: int = 3, seed: int = 7) -> Path:
    """Write a classifier with random, sharpened weights and its tokenizer; returns the directory."""
    tokenizer = architecture.tokenizer()
    names = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    config = architecture.config(
        vocab_size=len(tokenizer),
        num_labels=num_labels,
        id2label={index: f"CLASS_{index}" for index in range(num_labels)},
        label2id={f"CLASS_{index}": index for index in range(num_labels)},
        **architecture.settings,
        **{name: getattr(tokenizer, name) for name in names if getattr(tokenizer, name) is not None},
    )
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(SHARPENING if parameter.shape[0] == num_labels else 2.0)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
