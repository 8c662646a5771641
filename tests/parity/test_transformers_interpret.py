"""The drop-in against the installed transformers-interpret, side by side: ours over a real wire."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers_interpret import SequenceClassificationExplainer as LibraryExplainer

from ligserve.client import Client, SequenceClassificationExplainer
from tests.conftest import ZooModel
from tests.parity.library import RUNS_ON

TEXTS = (
    "I love you, I like you, I also kinda dislike you",
    "The film was long,  not funny!(My parents hated it.)",
    "great great movie",
    "so-so",
)
MODELS = ["sentiment", *RUNS_ON]
TOLERANCE = 1e-5

MakeLibrary = Callable[..., LibraryExplainer]


@pytest.fixture(scope="session")
def library(zoo_model: ZooModel, sentiment_model: Path) -> MakeLibrary:
    """The library's explainer on the very files that the server loaded."""
    torch.set_num_threads(1)

    def make(name: str, **arguments: Any) -> LibraryExplainer:
        base, _, labels = name.partition("-1")
        base, count = (name, 3) if labels or "-1" not in name else (base, 1)
        directory = sentiment_model if name == "sentiment" else zoo_model(base, count)
        model = AutoModelForSequenceClassification.from_pretrained(directory)
        return LibraryExplainer(model, AutoTokenizer.from_pretrained(directory), **arguments)

    return make


def assert_equal(ours: SequenceClassificationExplainer, theirs: LibraryExplainer) -> None:
    """Same tokens, same scores, same prediction, same explained class."""
    our_tokens, our_scores = zip(*ours.word_attributions, strict=True)
    their_tokens, their_scores = zip(*theirs.word_attributions, strict=True)
    assert our_tokens == their_tokens
    assert np.isfinite(their_scores).all()
    assert np.abs(np.array(our_scores) - np.array(their_scores)).max() <= TOLERANCE
    assert ours.predicted_class_index == int(theirs.predicted_class_index)
    assert ours.predicted_class_name == theirs.predicted_class_name
    assert ours.selected_index == theirs.selected_index
    assert float(ours.pred_probs) == pytest.approx(float(theirs.pred_probs), abs=TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("text", TEXTS)
def test_predicted_class(client: Client, library: MakeLibrary, name: str, text: str) -> None:
    ours, theirs = SequenceClassificationExplainer(client, name), library(name)
    ours(text)
    theirs(text)
    assert_equal(ours, theirs)


@pytest.mark.parametrize("name", MODELS)
def test_classes_by_index_and_by_name(client: Client, library: MakeLibrary, name: str) -> None:
    ours, theirs = SequenceClassificationExplainer(client, name), library(name)
    assert ours.id2label == theirs.id2label
    assert ours.label2id == theirs.label2id
    for index, label in ours.id2label.items():
        for how in ({"index": index}, {"class_name": label}, {"index": index, "class_name": "nonsense"}):
            ours(TEXTS[0], **how)
            theirs(TEXTS[0], **how)
            assert_equal(ours, theirs)


@pytest.mark.parametrize("name", [f"{name}-1" for name in MODELS if name != "sentiment"])
def test_single_logit(client: Client, library: MakeLibrary, name: str) -> None:
    ours, theirs = SequenceClassificationExplainer(client, name), library(name)
    for text in TEXTS[:2]:
        ours(text)
        theirs(text)
        assert_equal(ours, theirs)


@pytest.mark.parametrize("name", MODELS)
def test_position_embeddings(client: Client, library: MakeLibrary, name: str) -> None:
    """Where the model has none that the library can move, both warn and explain word embeddings."""
    ours, theirs = SequenceClassificationExplainer(client, name), library(name)
    messages = []
    for explainer in (ours, theirs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            explainer(TEXTS[0], embedding_type=1)
        messages.append([str(w.message) for w in caught if "position embeddings" in str(w.message)])
    assert messages[0] == messages[1]
    assert_equal(ours, theirs)


@pytest.mark.parametrize("arguments", [{"n_steps": 20}, {"n_steps": 7, "internal_batch_size": 3}])
def test_steps_stick_to_the_explainer(
    client: Client, library: MakeLibrary, arguments: dict[str, Any]
) -> None:
    ours, theirs = SequenceClassificationExplainer(client, "sentiment"), library("sentiment")
    for explainer in (ours, theirs):
        explainer(TEXTS[0], **arguments)
        explainer(TEXTS[1])
    assert ours.n_steps == theirs.n_steps
    assert ours.internal_batch_size == theirs.internal_batch_size
    assert_equal(ours, theirs)


def test_custom_labels(client: Client, library: MakeLibrary) -> None:
    labels = ["BAD", "GOOD"]
    ours = SequenceClassificationExplainer(client, "sentiment", custom_labels=labels)
    theirs = library("sentiment", custom_labels=labels)
    for explainer in (ours, theirs):
        explainer(TEXTS[0], class_name="BAD")
    assert_equal(ours, theirs)
    assert ours.predicted_class_name in labels
    for make in (
        lambda: SequenceClassificationExplainer(client, "sentiment", custom_labels=["ONE"]),
        lambda: library("sentiment", custom_labels=["ONE"]),
    ):
        with pytest.raises(ValueError, match="custom_labels"):
            make()


def test_an_unknown_class_warns_and_explains_the_prediction(client: Client, library: MakeLibrary) -> None:
    ours, theirs = SequenceClassificationExplainer(client, "sentiment"), library("sentiment")
    messages = []
    for explainer in (ours, theirs):
        with pytest.warns(UserWarning, match="is not found in self.label2id keys") as caught:
            explainer(TEXTS[0], class_name="nonsense")
        messages.append([str(warning.message) for warning in caught])
    assert messages[0] == messages[1]
    assert_equal(ours, theirs)


def test_where_the_library_fails_the_drop_in_answers_faithfully(client: Client, library: MakeLibrary) -> None:
    theirs = library("gpt2")
    with np.errstate(all="ignore"):
        theirs(TEXTS[0])
    assert np.isnan([score for _, score in theirs.word_attributions]).all()
    ours = SequenceClassificationExplainer(client, "gpt2")
    with pytest.warns(UserWarning, match="faithful"):
        scores = ours(TEXTS[0])
    assert np.isfinite([score for _, score in scores]).all()
