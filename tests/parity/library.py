"""transformers-interpret on the very files that the server loaded, and how to compare with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from ligserve.server.workers.models.head import SEQUENCE, Head

TOLERANCE = 1e-5

# Architectures on which the library explains one text. The matrix (tests/matrix) finds out about all of
# them, and for every explainer; these are looked at more closely.
RUNS_ON = (
    "bert",
    "distilbert",
    "roberta",
    "electra",
    "albert",
    "mpnet",
    "deberta-v2",
    "modernbert",
)

Scores = Sequence[tuple[str, float]]


class Transformers4Tokenizer:
    """A tokenizer whose encode() reads a list of two texts as a pair, as those of transformers 4 did.

    The library counts on it; transformers 5 reads a batch of two, on which the library fails.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def encode(self, text: str | list[str], **options: Any) -> list[int]:
        texts = text if isinstance(text, list) else [text]
        ids: list[int] = self._tokenizer.encode(*texts, **options)
        return ids


def library_explainer(kind: Any, directory: Path, head: Head = SEQUENCE, **arguments: Any) -> Any:
    """An explainer of the library."""
    torch.set_num_threads(1)
    model = head.auto_model.from_pretrained(directory)
    tokenizer = Transformers4Tokenizer(AutoTokenizer.from_pretrained(directory))
    return kind(model, tokenizer, **arguments)


def assert_same_scores(ours: Scores, theirs: Scores) -> None:
    """Same tokens, same scores."""
    assert [token for token, _ in ours] == [token for token, _ in theirs]
    difference = np.array([score for _, score in ours]) - np.array([score for _, score in theirs])
    assert np.isfinite(difference).all()
    assert np.abs(difference).max() <= TOLERANCE
