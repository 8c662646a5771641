"""What a deployed question answerer says: its plain forward pass, and the chances of each token."""

import inspect
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

Floats = NDArray[np.float64]


@cache
def plain_answer_logits(
    directory: Path, question: str, context: str
) -> tuple[Floats, NDArray[np.bool_], int | None]:
    """(T, 2) start and end logits; the context's tokens; the token of no answer, if there is one."""
    torch.set_num_threads(1)
    model = AutoModelForQuestionAnswering.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    first = tokenizer.padding_side == "right"
    encoding = tokenizer(*((question, context) if first else (context, question)), return_tensors="pt")
    accepted = inspect.signature(model.forward).parameters
    with torch.no_grad():
        output = model(**{name: values for name, values in encoding.items() if name in accepted})
    logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1).double().numpy()
    inside = np.array([number == int(first) for number in encoding.sequence_ids(0)])
    no_answer = (encoding["input_ids"][0] == tokenizer.cls_token_id) if tokenizer.cls_token else None
    return logits, inside, None if no_answer is None else int(no_answer.nonzero()[0, 0])


def answer_chances(directory: Path, question: str, context: str) -> Floats:
    """(T, 2) softmax over the context and the token of no answer; 0 elsewhere."""
    logits, inside, no_answer = plain_answer_logits(directory, question, context)
    allowed = inside.copy()
    if no_answer is not None:
        allowed[no_answer] = True
    powers = np.where(allowed[:, None], np.exp(logits - logits[allowed].max(axis=0)), 0.0)
    chances: Floats = powers / powers.sum(axis=0)
    return chances


def best_chance(directory: Path, question: str, context: str, longest: int = 30) -> float:
    """Chance of the most probable span of at most so many of the context's tokens."""
    chances = answer_chances(directory, question, context)
    inside = np.flatnonzero(plain_answer_logits(directory, question, context)[1])
    return max(
        float(chances[first, 0] * chances[last, 1])
        for first in inside
        for last in inside
        if first <= last < first + longest
    )
