"""Long contexts on the real server, against transformers' pipeline (to version 4) written out by hand."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForQuestionAnswering
from typer.testing import CliRunner

from ligserve.client import (
    Aggregate,
    Client,
    Convention,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    InvalidRequestError,
    QuestionAnswering,
    QuestionAnsweringExplainer,
    Window,
)
from ligserve.client.cli.app import app
from ligserve.client.rendering.sections import BESIDE, sections_of
from tests.conftest import QaZooModel
from tests.live_server import LiveServer
from tests.overflowing import accepted, one_token_words, overflowing, tokenizer_of
from tests.zoo.corpus import SENTENCES

NAMES = ["bert", "roberta", "deberta-v2", "xlm-roberta", "gpt2", "xlnet"]
QUESTION = "Who hated the film? (so did I)"
CONTEXT = " " + "\n".join(SENTENCES * 2)
TASK = QuestionAnswering(QUESTION, CONTEXT)
STRIDE, LENGTH, LONGEST = 25, 128, 30

Floats = NDArray[np.float64]


def chances(directory: Path, question: str, context: str) -> Iterator[tuple[Floats, list[int], int | None]]:
    """For each window (T, 2) probabilities, the context's tokens, and the token of no answer."""
    torch.set_num_threads(1)
    model = AutoModelForQuestionAnswering.from_pretrained(directory).eval()
    tokenizer = tokenizer_of(directory)
    question_first = tokenizer.padding_side == "right"
    texts = (question, context) if question_first else (context, question)
    for inputs, of in overflowing(tokenizer, texts, int(question_first), STRIDE, LENGTH):
        with torch.no_grad():
            output = model(**accepted(model, inputs))
        logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1).double().numpy()
        inside = [place for place, number in enumerate(of) if number == int(question_first)]
        ids = inputs["input_ids"][0].tolist()
        null = ids.index(tokenizer.cls_token_id) if tokenizer.cls_token_id is not None else None
        allowed = inside if null is None else [null, *inside]
        masked = np.full_like(logits, -10000.0)
        masked[allowed] = logits[allowed]
        powers = np.exp(masked - masked.max(axis=0))
        yield powers / powers.sum(axis=0), inside, null


def pipelines_answer(directory: Path, question: str, context: str) -> dict[str, Any]:
    """The answer over all windows, as the pipeline has it with handle_impossible_answer=True."""
    best: dict[str, Any] = {"score": -1.0}
    scores, nulls = [], [1000000.0]
    for window, (chance, inside, null) in enumerate(chances(directory, question, context)):
        if null is not None:
            nulls.append(float(chance[null].prod()))
        candidates = np.tril(np.triu(np.outer(chance[:, 0], chance[:, 1])), LONGEST - 1)
        candidates = candidates[np.ix_(inside, inside)]
        first, last = np.unravel_index(np.argmax(candidates), candidates.shape)
        scores.append(float(candidates[first, last]))
        if scores[-1] > best["score"]:
            start = window * STRIDE
            best = {"score": scores[-1], "window": window, "first": start + first, "last": start + last}
    return {
        **best,
        "null": min(nulls),
        "gap": best["score"] - sorted([0.0, *scores])[-2],
        "windows": len(scores),
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_long_contexts_answer_is_the_pipelines(
    qa_client: Client, qa_zoo_model: QaZooModel, name: str
) -> None:
    directory = qa_zoo_model(name)
    tokenizer = tokenizer_of(directory)
    context = one_token_words(tokenizer, 260)
    expected = pipelines_answer(directory, QUESTION, context)
    task = QuestionAnswering(QUESTION, context)
    explanation = qa_client.explain(name, task, long_input=Window(stride=STRIDE), tolerance=0.2)
    answer = explanation.answer
    assert answer is not None
    assert len(explanation.windows) == expected["windows"] > 5
    assert answer.probability == pytest.approx(expected["score"], abs=1e-6)
    if expected["gap"] > 1e-6:
        assert answer.window == expected["window"]
    words = context.split()
    assert answer.text.split() == words[expected["first"] : expected["last"] + 1]
    if tokenizer.cls_token_id is None:
        assert answer.no_answer_probability is None
    else:
        assert answer.no_answer_probability == pytest.approx(expected["null"], abs=1e-6)
    start, end = explanation.targets
    assert start.f_input * end.f_input == pytest.approx(expected["score"], abs=1e-6)
    for target in explanation.targets:
        assert target.target.window == answer.window
        assert target.target.runner_up_gap == pytest.approx(expected["gap"], abs=1e-6)
        assert abs(target.convergence_delta) <= target.error_bound
        assert sum(target.scores) == pytest.approx(target.score_sum, abs=1e-9)


@pytest.mark.parametrize("convention", list(Convention))
@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2", "xlnet"])
def test_answers_and_tokens_are_slices_of_the_callers_texts(
    qa_client: Client, name: str, convention: Convention
) -> None:
    (support,) = qa_client.model(name).explainers
    if convention not in support.conventions:
        pytest.skip("the library cannot run it")
    explanation = qa_client.explain(
        name, TASK, long_input=Window(stride=STRIDE), convention=convention, n_steps=5
    )
    answer, texts = explanation.answer, (QUESTION, CONTEXT)
    assert answer is not None
    assert answer.text == CONTEXT[answer.start : answer.end]
    assert {window.segment for window in explanation.windows} == {1}
    if answer.text:
        assert explanation.answer_tokens[0].start == answer.start
        assert explanation.answer_tokens[-1].end == answer.end
        window = explanation.windows[answer.window]
        assert window.start <= answer.start < answer.end <= window.end
    for segment, text in enumerate(texts):
        own = [token for token in explanation.tokens if token.segment == segment and not token.special]
        covered = {place for token in own for place in range(token.start, token.end)}
        assert covered >= {place for place, character in enumerate(text) if not character.isspace()}
    for target in range(2):
        tokens = explanation.tokens_of(target)
        assert len(tokens) == len(explanation.targets[target].scores) <= LENGTH
        assert all(
            texts[word.segment][word.start : word.end] == word.text for word in explanation.words(target)
        )
    assert [token.index for token in explanation.tokens] == list(range(len(explanation.tokens)))


def test_the_answer_comes_before_any_score(qa_client: Client) -> None:
    with qa_client.stream("bert", TASK, long_input=Window(stride=STRIDE), n_steps=5) as stream:
        events = list(stream)
        explanation = stream.result()
    header = next(event for event in events if isinstance(event, HeaderEvent))
    assert header.answer == explanation.answer
    assert header.answer is not None
    finals = [event for event in events if isinstance(event, EstimateEvent)]
    assert {event.window for event in finals} == {header.answer.window}
    assert events.index(header) < events.index(finals[0])
    assert all(not window.scores for window in explanation.windows if window.index != header.answer.window)
    unary = qa_client.explain("bert", TASK, long_input=Window(stride=STRIDE), n_steps=5)
    assert unary.answer == explanation.answer
    assert unary.targets == explanation.targets


@pytest.mark.parametrize("convention", list(Convention))
def test_a_context_that_fits_is_plain(qa_client: Client, convention: Convention) -> None:
    task = QuestionAnswering(QUESTION, SENTENCES[0])
    plain, windowed = (
        qa_client.explain("bert", task, long_input=policy, convention=convention, n_steps=5)
        for policy in ("refuse", Window(stride=1))
    )
    assert windowed.windows == ()
    assert windowed.targets == plain.targets
    assert windowed.answer == plain.answer


@pytest.mark.parametrize("convention", list(Convention))
def test_a_context_may_be_cut(qa_client: Client, convention: Convention) -> None:
    explanation = qa_client.explain("bert", TASK, long_input="truncate", convention=convention, n_steps=3)
    assert len(explanation.tokens) == LENGTH
    codes = {warning.code for warning in explanation.warnings}
    assert "TEXT_TRUNCATED" in codes
    assert explanation.truncated_tokens > 0
    assert explanation.answer is not None
    assert explanation.answer.text == CONTEXT[explanation.answer.start : explanation.answer.end]


@pytest.mark.parametrize(
    ("task", "window", "field", "words"),
    [
        (
            QuestionAnswering("so " * 200, CONTEXT),
            Window(),
            "question",
            r"has \d+ tokens .* leaves 0 for a window",
        ),
        (QuestionAnswering("so " * 120, CONTEXT), Window(), "question", "which needs 16 at least"),
        (QuestionAnswering("\x01", CONTEXT), Window(), "question", "finds no token"),
        (TASK, Window(stride=126), "stride", r"is 126, but a window of model 'bert' holds only \d+ tokens"),
        (TASK, Window(stride=0), "stride", "is 0, but must be at least 1"),
    ],
)
def test_what_cannot_be_searched_is_told_with_its_field(
    qa_client: Client, task: QuestionAnswering, window: Window, field: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words) as caught:
        qa_client.explain("bert", task, long_input=window)
    (violation,) = caught.value.violations
    assert violation.field.endswith(field)


@pytest.mark.parametrize("aggregate", [Aggregate.MAX, Aggregate.TOKEN_WEIGHTED_MEAN, Aggregate.MEAN_LOGITS])
def test_answers_are_not_aggregated(qa_client: Client, aggregate: Aggregate) -> None:
    with pytest.raises(InvalidRequestError, match="the answer is the best one of all") as caught:
        qa_client.explain("bert", TASK, long_input=Window(aggregate=aggregate))
    (violation,) = caught.value.violations
    assert violation.field == "options.long_input.window.aggregate"


@pytest.fixture(scope="module")
def shown(qa_live: LiveServer) -> Explanation:
    with Client(qa_live.address) as client:
        return client.explain("roberta", TASK, long_input=Window(stride=STRIDE), n_steps=5)


def test_a_page_shows_the_answer_and_its_window(shown: Explanation) -> None:
    page = shown.html()
    assert shown.answer is not None
    assert page.count("<details") == 2 * (len(shown.windows) + 1), "for the start and for the end"
    assert "why <b>start of the answer: " in page
    assert page.index("beside every window") < page.index("characters 0 to "), "the question comes first"
    assert f"({shown.answer.probability:.2f}): why" in page
    # The text of windows that have no part in it is cut where they start, too.
    sections = sections_of(shown, 0)
    assert sections[0].name == BESIDE
    edges = [0, *(window.start for window in shown.windows[1:]), len(CONTEXT)]
    texts = ["".join(piece.text for piece in section.pieces) for section in sections[1:]]
    assert texts == [CONTEXT[start:end] for start, end in pairwise(edges)]


def test_an_explanation_as_data(shown: Explanation) -> None:
    plain = shown.to_dict()
    answer = plain["answer"]
    assert isinstance(answer, dict)
    assert answer["window"] == shown.targets[0].target.window
    top = shown.top(3, shown.answer_target("end"), level="sentence")
    assert {part.segment for part in shown.sentences()} <= {0, 1}
    assert all((QUESTION, CONTEXT)[part.segment][part.start : part.end] == part.text for part in top)


def test_the_drop_in_takes_long_contexts(qa_client: Client) -> None:
    explainer = QuestionAnsweringExplainer(qa_client, "bert")
    with pytest.raises(InvalidRequestError, match="makes a pair of"):
        explainer(QUESTION, CONTEXT, n_steps=3)
    words = explainer(QUESTION, CONTEXT, n_steps=3, long_input=Window(stride=STRIDE))
    assert explainer.explanation is not None
    assert explainer.explanation.convention == "library"
    assert len(words["start"]) == len(words["end"]) <= LENGTH
    assert words["start"][0][0] == "[CLS]"
    answer = explainer.explanation.answer
    assert answer is not None
    spelt = [token for token, _ in words["start"][explainer.start_pos : explainer.end_pos + 1]]
    assert " ".join(spelt) == explainer.predicted_answer
    assert explainer.visualize().data == explainer.explanation.html()


def test_the_command_line_answers_from_a_file(qa_live: LiveServer, tmp_path: Path) -> None:
    source, page = tmp_path / "report.txt", tmp_path / "report.html"
    source.write_text(CONTEXT, encoding="utf-8")
    arguments = ["explain", "--file", str(source), "-m", "bert", "--question", QUESTION, "--n-steps", "3"]
    result = CliRunner().invoke(
        app, [*arguments, "--stride", str(STRIDE), "--server", qa_live.address, "--html", str(page)]
    )
    assert result.exit_code == 0, result.output
    assert "why start of the answer" in " ".join(result.output.split())
    assert "<details" in page.read_text(encoding="utf-8")
