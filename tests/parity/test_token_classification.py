"""The token classification drop-in against the installed transformers-interpret, side by side."""

import re
import warnings
from typing import Any

import pytest
from transformers_interpret import TokenClassificationExplainer as LibraryExplainer

from ligserve.client import Client, TokenClassificationExplainer
from ligserve.server.workers.models.head import TOKEN
from tests.conftest import ENTITY_ARCHITECTURES, ENTITY_LABELS, ZooModel
from tests.parity.library import assert_same_scores, library_explainer

TEXT = "The film was long,  not funny!(My parents hated it.)"
TEXTS = (TEXT, "great great movie", "so-so")
# Where the library finds no position embeddings that captum can hook.
NO_POSITIONS = {"gpt2"}


@pytest.fixture
def make_library(zoo_model: ZooModel) -> Any:
    def make(name: str) -> Any:
        return library_explainer(LibraryExplainer, zoo_model(name, labels=ENTITY_LABELS, head=TOKEN), TOKEN)

    return make


def assert_same(ours: TokenClassificationExplainer, theirs: Any) -> None:
    assert list(ours.predicted_class_indexes) == theirs.predicted_class_indexes.tolist()
    assert ours.predicted_class_names == theirs.predicted_class_names
    found, expected = ours.word_attributions, theirs.word_attributions
    assert list(found) == list(expected)
    for token, attributions in expected.items():
        assert found[token]["label"] == attributions["label"]
        assert_same_scores(found[token]["attribution_scores"], attributions["attribution_scores"])
    assert ours.attributions is not None
    assert list(ours.attributions) == list(theirs.attributions)
    for position, attributions in theirs.attributions.items():
        assert_same_scores(ours.attributions[position].word_attributions, attributions.word_attributions)


@pytest.mark.parametrize("name", ENTITY_ARCHITECTURES)
def test_every_token(client: Client, make_library: Any, name: str) -> None:
    ours, theirs = TokenClassificationExplainer(client, f"{name}-entities"), make_library(name)
    for text in TEXTS:
        assert ours(text) == ours.word_attributions
        theirs(text)
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", sorted(set(ENTITY_ARCHITECTURES) - NO_POSITIONS))
def test_position_embeddings(client: Client, make_library: Any, name: str) -> None:
    ours, theirs = TokenClassificationExplainer(client, f"{name}-entities"), make_library(name)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        ours(TEXT, embedding_type=1)
        our_warnings = [str(warning.message) for warning in seen]
        seen.clear()
        theirs(TEXT, embedding_type=1)
        assert our_warnings == [str(warning.message) for warning in seen if warning.category is UserWarning]
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", ["bert", "roberta", "mpnet"])
def test_ignored_indexes_and_labels(client: Client, make_library: Any, name: str) -> None:
    ours, theirs = TokenClassificationExplainer(client, f"{name}-entities"), make_library(name)
    for ignored in (
        {"ignored_indexes": [0, 2, 5]},
        {"ignored_labels": ["O", "I-LOC"]},
        {"ignored_indexes": [1, 1, 3], "ignored_labels": ["B-PER", "NO-SUCH-LABEL"]},
        {"ignored_labels": list(ENTITY_LABELS)},
        {},
    ):
        ours(TEXT, n_steps=20, **ignored)
        theirs(TEXT, n_steps=20, **ignored)
        assert_same(ours, theirs)
    # Each row's predicted label and its probability.
    shown = [re.findall(r"([BIO]\S*) \((\d\.\d\d)\)", each.visualize().data) for each in (ours, theirs)]
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(theirs.attributions)


def test_models_that_count_positions_from_their_padding_id_show_the_librarys_labels(
    client: Client, make_library: Any
) -> None:
    """The library predicts with the model's own positions and explains with others; labels differ."""
    ours, theirs = TokenClassificationExplainer(client, "mpnet-entities"), make_library("mpnet")
    ours(TEXT)
    theirs(TEXT)
    shown = [ours.word_attributions[token]["label"] for token in ours.word_attributions]
    assert ours.explanation is not None
    by_token = {token.text.replace("Ġ", ""): token.index for token in ours.explanation.tokens}
    predicted = [ours.predicted_class_names[by_token[token]] for token in ours.word_attributions]
    assert shown != predicted
    assert_same(ours, theirs)


def test_a_step_count_stays(client: Client, make_library: Any) -> None:
    ours, theirs = TokenClassificationExplainer(client, "bert-entities"), make_library("bert")
    for explainer in (ours, theirs):
        explainer(TEXTS[1], n_steps=7, internal_batch_size=3)
        explainer(TEXTS[1])
    assert ours.n_steps == theirs.n_steps == 7
    assert_same(ours, theirs)
