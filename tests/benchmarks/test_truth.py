"""The truth is right where many steps of the others come close to it, on every kind of question."""

from pathlib import Path

import pytest

from benchmarks.contenders import by_hand, library
from benchmarks.contenders.setting import Setting
from benchmarks.models.base_shape import row_operations
from benchmarks.models.heads import HEADS, write_model
from benchmarks.models.truth import Truth
from benchmarks.workloads.questions import Accuracy, Kind, Question

# The library's softmax over all classes of an entailment model bends more than the pipeline's over two.
MANY, SOME = Accuracy(steps=150), Accuracy(steps=30)
TEXT = "Anna moved to Lisbon in March."
QUESTIONS = {
    Kind.TOKENS: Question(Kind.TOKENS, TEXT, ignored=(0, 1, 4, 5, 6, 7, 8)),
    Kind.LABELS: Question(Kind.LABELS, TEXT),
    Kind.HYPOTHESES: Question(Kind.HYPOTHESES, TEXT, labels=("food", "travel")),
    Kind.SPAN: Question(Kind.SPAN, TEXT, question="Who moved?"),
}


# The library makes a number of a tensor that requires gradients.
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize("kind", [Kind.TOKENS, Kind.HYPOTHESES])
def test_of_the_librarys_inputs(kind: Kind, sentiment_model: Path, tmp_path: Path) -> None:
    setting = Setting(kind, write_model(kind, sentiment_model, tmp_path), threads=1)
    answer = library.Contender(setting).explain(QUESTIONS[kind], MANY)
    assert answer.library_inputs
    assert len(answer.attributions) == 2
    assert Truth(kind, setting.model).error(QUESTIONS[kind], answer) < 1e-3


@pytest.mark.parametrize("kind", [Kind.LABELS, Kind.HYPOTHESES, Kind.SPAN])
def test_of_the_tokenizers_inputs(kind: Kind, sentiment_model: Path, tmp_path: Path) -> None:
    setting = Setting(kind, write_model(kind, sentiment_model, tmp_path), threads=1)
    answer = by_hand.Contender(setting).explain(QUESTIONS[kind], SOME)
    assert not answer.library_inputs
    assert len(answer.attributions) == (len(HEADS[kind].labels) if kind is Kind.LABELS else 2)
    assert Truth(kind, setting.model).error(QUESTIONS[kind], answer) < 0.02


def test_operations_of_a_row_are_those_of_its_products() -> None:
    layers, tokens, width = 12, 128, 768
    linear, attention = 24 * width**2, 4 * tokens * width
    forward, backward = row_operations(tokens)
    assert forward == layers * tokens * (linear + attention)
    # To the embeddings: every linear layer once, both factors of attention's products.
    assert backward == layers * tokens * (linear + 2 * attention)
