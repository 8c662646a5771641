"""The question answering drop-in against the installed transformers-interpret, side by side."""

import warnings
from typing import Any

import numpy as np
import pytest
from transformers_interpret import QuestionAnsweringExplainer as LibraryExplainer

from ligserve.client import Client, QuestionAnsweringExplainer
from ligserve.server.workers.models.head import SPAN
from tests.conftest import QA_ARCHITECTURES, QA_LIBRARY_RUNS_ON, QaZooModel
from tests.parity.library import TOLERANCE, assert_same_scores, library_explainer

PAIRS = (
    ("Who hated the film? (so did I)", "The film was long,  not funny!(My parents hated it.) 😀 great great"),
    ("Why was it worth the wait!", "The waiter forgot our order twice, but the soup was worth it. שלום"),
)
NAMES = [name for name in QA_ARCHITECTURES if name in QA_LIBRARY_RUNS_ON]
CRASHES = sorted({*QA_ARCHITECTURES} - {*NAMES, "gpt2"})


def both(client: Client, qa_zoo_model: QaZooModel, name: str) -> tuple[QuestionAnsweringExplainer, Any]:
    theirs = library_explainer(LibraryExplainer, qa_zoo_model(name), SPAN)
    return QuestionAnsweringExplainer(client, name), theirs


def assert_same(ours: QuestionAnsweringExplainer, theirs: Any) -> None:
    assert list(ours.word_attributions) == list(theirs.word_attributions) == ["start", "end"]
    for end, scores in theirs.word_attributions.items():
        assert_same_scores(ours.word_attributions[end], scores)
    assert (ours.start_pos, ours.end_pos) == (theirs.start_pos, theirs.end_pos)
    assert ours.predicted_answer == theirs.predicted_answer
    assert ours.input_ids == theirs.input_ids.tolist()
    assert (ours.question, ours.text) == (theirs.question, theirs.text)


def largest_logits(theirs: Any) -> list[float]:
    """What the library explains, at the input."""
    inputs = (theirs.input_ids, theirs.token_type_ids, theirs.position_ids, theirs.attention_mask)
    values = []
    for theirs.position in (0, 1):
        values.append(theirs._forward(*inputs).item())
    return values


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("embedding_type", [0, 1, 2])
def test_start_and_end_by_every_embedding_type(
    qa_client: Client, qa_zoo_model: QaZooModel, name: str, embedding_type: int
) -> None:
    """Where the model has no such embeddings, both warn and explain those of words."""
    ours, theirs = both(qa_client, qa_zoo_model, name)
    for pair in PAIRS:
        messages = []
        for explainer in (ours, theirs):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                explainer(*pair, embedding_type=embedding_type)
            messages.append([str(w.message) for w in caught if "Defaulting to word" in str(w.message)])
        assert messages[0] == messages[1]
        assert_same(ours, theirs)
    assert ours.explanation is not None
    found = [target.f_input for target in ours.explanation.targets]
    assert found == pytest.approx(largest_logits(theirs), abs=TOLERANCE)


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_the_whole_block_is_the_default(qa_client: Client, qa_zoo_model: QaZooModel, name: str) -> None:
    ours, theirs = both(qa_client, qa_zoo_model, name)
    for explainer in (ours, theirs):
        explainer(*PAIRS[0])
    assert_same(ours, theirs)
    ours(*PAIRS[0], embedding_type=0)
    of_words, of_block = (
        np.array([score for _, score in each.word_attributions["start"]]) for each in (ours, theirs)
    )
    assert np.abs(of_words - of_block).max() > 1e-3


def test_steps_stick_to_the_explainer(qa_client: Client, qa_zoo_model: QaZooModel) -> None:
    ours, theirs = both(qa_client, qa_zoo_model, "bert")
    for explainer in (ours, theirs):
        explainer(*PAIRS[1], n_steps=7, internal_batch_size=3)
        explainer(*PAIRS[0], embedding_type=0)
    assert (ours.n_steps, ours.internal_batch_size) == (theirs.n_steps, theirs.internal_batch_size) == (7, 3)
    assert_same(ours, theirs)


def answered_faithfully(ours: QuestionAnsweringExplainer) -> list[float]:
    """The scores of both ends, after a call that the library could not have answered."""
    with pytest.warns(UserWarning, match="faithful"):
        ours(*PAIRS[0], embedding_type=0)
    assert ours.predicted_answer
    assert ours.predicted_answer in PAIRS[0][1]
    return [score for end in ours.word_attributions.values() for _, score in end]


@pytest.mark.parametrize("name", CRASHES)
def test_where_the_library_crashes_the_drop_in_answers_faithfully(
    qa_client: Client, qa_zoo_model: QaZooModel, name: str
) -> None:
    # Too few rows of token types, separators, look-ups or padding tokens: each model has its own error.
    with pytest.raises(Exception, match=r"\w+"):
        both(qa_client, qa_zoo_model, name)[1](*PAIRS[0], embedding_type=0)
    assert np.isfinite(answered_faithfully(QuestionAnsweringExplainer(qa_client, name))).all()


def test_where_the_library_looks_at_something_else(qa_client: Client, qa_zoo_model: QaZooModel) -> None:
    """On GPT-2 it moves the look-up of token types, which says nothing about the question's words."""
    ours, theirs = both(qa_client, qa_zoo_model, "gpt2")
    theirs(*PAIRS[0], embedding_type=0)
    of_question = theirs.word_attributions["start"][: theirs.sep_idx + 1]
    assert {score for _, score in of_question} == {0.0}
    assert 0.0 not in answered_faithfully(ours)


def test_where_the_library_fails_there_may_be_no_block(qa_client: Client) -> None:
    ours = QuestionAnsweringExplainer(qa_client, "gpt2")
    with pytest.warns(UserWarning, match="faithful"), pytest.warns(UserWarning, match="to word embeddings"):
        scores = ours(*PAIRS[0])
    assert set(scores) == {"start", "end"}
