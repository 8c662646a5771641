"""Question answering over a real wire: the deployed model's probabilities, its answer, scores that add up."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ligserve.client import (
    Answer,
    Client,
    Convention,
    EmbeddingLayer,
    Explanation,
    FailedPreconditionError,
    InvalidRequestError,
    QuestionAnswering,
    SequenceClassification,
)
from ligserve.client.rendering.pieces import target_pieces
from tests.conftest import QA_ARCHITECTURES, QaZooModel
from tests.deployed_answers import Floats, answer_chances, plain_answer_logits

TOLERANCE = 0.01
PROBABILITY_TOLERANCE = 1e-6
QUESTION = "Who hated the film? (so did I)"
CONTEXT = " The film was long,  not funny 😀; my parents  hated it!\nשלום: great great movie, e\u0301t voilà."
TASK = QuestionAnswering(QUESTION, CONTEXT)


def plain(directory: Path) -> tuple[Floats, NDArray[np.bool_], int | None]:
    return plain_answer_logits(directory, QUESTION, CONTEXT)


def expected_chances(directory: Path) -> Floats:
    return answer_chances(directory, QUESTION, CONTEXT)


def answer_of(explanation: Explanation) -> Answer:
    assert explanation.answer is not None
    assert explanation.prediction is None
    assert [str(target.target.answer_end) for target in explanation.targets] == ["start", "end"]
    return explanation.answer


def assert_adds_up(explanation: Explanation) -> None:
    for target in explanation.targets:
        change = target.f_input - target.f_baseline
        scale = max(abs(change), sum(map(abs, target.scores)))
        assert abs(sum(target.scores) - change) <= target.error_bound
        noise = 1e-5 * max(1.0, abs(target.f_input), abs(target.f_baseline))
        assert target.error_bound <= max(TOLERANCE * scale * (1 + 1e-6), noise)


@pytest.mark.parametrize("name", QA_ARCHITECTURES)
@pytest.mark.parametrize("space", ["probability", "log_odds", "logit"])
def test_faithful_answers_are_the_deployed_models(
    qa_client: Client, qa_zoo_model: QaZooModel, name: str, space: str
) -> None:
    explanation = qa_client.explain(name, TASK, output_space=space, tolerance=TOLERANCE)
    answer, directory = answer_of(explanation), qa_zoo_model(name)
    logits, inside, no_answer = plain(directory)
    chances = expected_chances(directory)
    spans = {
        (first, last): chances[first, 0] * chances[last, 1]
        for first in np.flatnonzero(inside)
        for last in np.flatnonzero(inside)
        if first <= last < first + 30
    }
    best = max(spans, key=lambda span: spans[span])
    assert [answer.first_token, answer.last_token] == list(best)
    assert answer.probability == pytest.approx(max(spans.values()), abs=PROBABILITY_TOLERANCE)
    if no_answer is None:
        assert answer.no_answer_probability is None
    else:
        null = chances[no_answer].prod()
        assert answer.no_answer_probability == pytest.approx(null, abs=PROBABILITY_TOLERANCE)
    for column, (target, token) in enumerate(
        zip(explanation.targets, (answer.first_token, answer.last_token), strict=True)
    ):
        chance = chances[token, column]
        wanted = {
            "probability": chance,
            "log_odds": np.log(chance / (1 - chance)),
            "logit": logits[token, column],
        }
        limit = PROBABILITY_TOLERANCE if space == "probability" else 2e-5
        assert target.f_input == pytest.approx(wanted[space], abs=limit)
    assert_adds_up(explanation)


@pytest.mark.parametrize("name", QA_ARCHITECTURES)
def test_answers_are_slices_of_the_callers_context(qa_client: Client, name: str) -> None:
    explanation = qa_client.explain(name, TASK, tolerance=0.2)
    answer = answer_of(explanation)
    assert answer.text
    assert answer.text == CONTEXT[answer.start : answer.end]
    tokens = explanation.tokens
    assert tokens[answer.first_token].start == answer.start
    after_last_token = CONTEXT[tokens[answer.last_token].end : answer.end]
    assert all(unicodedata.combining(character) for character in after_last_token)
    for segment, text in enumerate((QUESTION, CONTEXT)):
        own = [token for token in tokens if token.segment == segment and not token.special]
        covered = {place for token in own for place in range(token.start, token.end)}
        missed = {text[place] for place in range(len(text)) if place not in covered}
        assert all(c.isspace() or unicodedata.combining(c) for c in missed)
    assert all((QUESTION, CONTEXT)[w.segment][w.start : w.end] == w.text for w in explanation.words())


@pytest.mark.parametrize("name", ["bert", "xlnet"])
def test_texts_are_shown_in_the_callers_order(qa_client: Client, name: str) -> None:
    """XLNet is given the context first."""
    pieces = target_pieces(qa_client.explain(name, TASK, tolerance=0.2), 0, special=False)
    assert "".join(piece.text for piece in pieces) == f"{QUESTION}\n{CONTEXT}"


@pytest.mark.parametrize("longest", [1, 2, 3, 512])
def test_no_answer_is_longer_than_asked_for(
    qa_client: Client, qa_zoo_model: QaZooModel, longest: int
) -> None:
    for name in ("bert", "electra", "modernbert"):
        task = QuestionAnswering(QUESTION, CONTEXT, max_answer_tokens=longest)
        answer = answer_of(qa_client.explain(name, task, n_steps=2))
        chances = expected_chances(qa_zoo_model(name))
        inside = np.flatnonzero(plain(qa_zoo_model(name))[1])
        best = max(
            chances[first, 0] * chances[last, 1]
            for first in inside
            for last in inside
            if first <= last < first + longest
        )
        assert 0 <= answer.last_token - answer.first_token < longest
        assert answer.probability == pytest.approx(best, abs=PROBABILITY_TOLERANCE)


@pytest.mark.parametrize("name", QA_ARCHITECTURES)
@pytest.mark.parametrize("convention", list(Convention))
def test_every_layer_that_is_offered_adds_up(qa_client: Client, name: str, convention: Convention) -> None:
    (support,) = qa_client.model(name).explainers
    assert support.explainer == "question_answering"
    if convention not in support.conventions:
        with pytest.raises(FailedPreconditionError):
            qa_client.explain(name, TASK, convention=convention)
        return
    for layer in support.embedding_layers:
        explanation = qa_client.explain(
            name, TASK, embedding_layer=layer, convention=convention, tolerance=TOLERANCE
        )
        assert_adds_up(explanation)
        assert max(abs(score) for target in explanation.targets for score in target.scores) > 1e-3


def test_where_a_path_starts(qa_client: Client) -> None:
    """Words and the whole block from the same padded text; in LIBRARY the block from position 0 as well."""
    words, block = (
        qa_client.explain("bert", TASK, embedding_layer=layer, tolerance=TOLERANCE)
        for layer in ("word", "all")
    )
    baselines = [[target.f_baseline for target in each.targets] for each in (words, block)]
    assert baselines[0] == pytest.approx(baselines[1], abs=1e-6)
    assert words.targets[0].scores != pytest.approx(block.targets[0].scores, abs=1e-3)
    library = [
        qa_client.explain("bert", TASK, convention="library", n_steps=20, embedding_layer=layer)
        for layer in (None, "all", "word")
    ]
    assert library[0].targets == library[1].targets, "ALL is the default there"
    f_baselines = [each.targets[0].f_baseline for each in library]
    assert abs(f_baselines[1] - f_baselines[2]) > 1e-3


@pytest.mark.parametrize("convention", list(Convention))
def test_a_classifiers_whole_block_adds_up_too(qa_client: Client, convention: Convention) -> None:
    task = SequenceClassification(CONTEXT, targets=[0, 1, 2])
    words, block = (
        qa_client.explain(
            "classifier", task, embedding_layer=layer, convention=convention, tolerance=TOLERANCE
        )
        for layer in ("word", "all")
    )
    assert_adds_up(block)
    assert block.targets[0].scores != pytest.approx(words.targets[0].scores, abs=1e-3)


def test_a_layer_that_is_not_there(qa_client: Client) -> None:
    with pytest.raises(FailedPreconditionError, match="has no embeddings block") as caught:
        qa_client.explain("gpt2", TASK, embedding_layer="all")
    assert caught.value.reason == "EMBEDDING_LAYER_UNSUPPORTED"
    explanation = qa_client.explain("deberta-v2", TASK, embedding_layer="position", convention="library")
    assert [warning.code for warning in explanation.warnings] == ["POSITION_EMBEDDINGS_UNSUPPORTED"]


@pytest.mark.parametrize("options", [{}, {"n_steps": 20}, {"convention": "library"}])
def test_the_stream_is_the_unary_answer_bit_for_bit(qa_client: Client, options: dict[str, Any]) -> None:
    unary = qa_client.explain("distilbert", TASK, **options)
    with qa_client.stream("distilbert", TASK, **options) as stream:
        streamed = stream.result()
    assert unary.targets == streamed.targets
    assert unary.tokens == streamed.tokens
    assert unary.answer == streamed.answer
    assert unary.cost.points == unary.targets[0].points, "both ends share every forward pass"


@pytest.mark.parametrize("name", ["bert", "electra", "albert"])
def test_the_librarys_answer_is_where_the_largest_logits_are(qa_client: Client, name: str) -> None:
    explanation = qa_client.explain(name, TASK, convention="library")
    answer = answer_of(explanation)
    assert [str(target.target.output_space) for target in explanation.targets] == ["logit", "logit"]
    inside = [token.segment == 1 and not token.special for token in explanation.tokens]
    valid = (
        answer.first_token <= answer.last_token and inside[answer.first_token] and inside[answer.last_token]
    )
    assert bool(answer.text) == valid
    assert answer.text == CONTEXT[answer.start : answer.end]
    assert answer.no_answer_probability is None
    assert 0 < answer.probability < 1


@pytest.mark.parametrize(
    ("texts", "field", "words"),
    [
        (("", CONTEXT), "question", "at least one character"),
        ((QUESTION, " \n"), "context", "at least one character"),
        (("so " * 200, CONTEXT), "question", r"\d+ tokens .* takes at most 128"),
        ((QUESTION, "so " * 200), "context", r"\d+ tokens .* takes at most 128"),
        ((QUESTION, "so " * 60_000), "context", r"180000 characters, .* at most 128 tokens"),
        (("\x01", CONTEXT), "question", "finds no token"),
        ((QUESTION, "\x01\x02"), "context", "finds no token"),
    ],
)
@pytest.mark.parametrize("convention", list(Convention))
def test_bad_texts_are_told_with_their_field(
    qa_client: Client, convention: Convention, texts: tuple[str, str], field: str, words: str
) -> None:
    task = QuestionAnswering(*texts)
    with pytest.raises(InvalidRequestError, match=words) as caught:
        qa_client.explain("bert", task, convention=convention, long_input="refuse")
    assert [violation.field for violation in caught.value.violations] == [f"question_answering.{field}"]


@pytest.mark.parametrize("longest", [0, 513, 2**32 - 1])
def test_answers_of_impossible_length(qa_client: Client, longest: int) -> None:
    with pytest.raises(InvalidRequestError, match="must be from 1 to 512") as caught:
        qa_client.explain("bert", QuestionAnswering(QUESTION, CONTEXT, longest))
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["question_answering.max_answer_tokens"]


@pytest.mark.parametrize("space", ["probability", "log_odds"])
def test_the_library_explains_nothing_but_logits(qa_client: Client, space: str) -> None:
    with pytest.raises(InvalidRequestError, match="explains a logit") as caught:
        qa_client.explain("bert", TASK, convention="library", output_space=space)
    assert [violation.field for violation in caught.value.violations] == ["options.output_space"]


@pytest.mark.parametrize(
    ("model", "task", "words"),
    [
        ("classifier", TASK, "it is a sequence classifier"),
        ("bert", SequenceClassification("a"), "it is a question answerer"),
    ],
)
def test_another_heads_question_is_refused(
    qa_client: Client, model: str, task: QuestionAnswering | SequenceClassification, words: str
) -> None:
    with pytest.raises(FailedPreconditionError, match=words) as caught:
        qa_client.explain(model, task)
    assert caught.value.reason == "EXPLAINER_UNSUPPORTED"


def test_a_question_answerer_describes_itself(qa_client: Client) -> None:
    model = qa_client.model("bert")
    assert (model.architecture, model.labels, model.num_logits) == ("BertForQuestionAnswering", (), 2)
    (support,) = model.explainers
    assert set(support.conventions) == set(Convention)
    assert support.embedding_layers == tuple(EmbeddingLayer)
    assert "question_answering" not in {each.explainer for each in qa_client.model("classifier").explainers}
