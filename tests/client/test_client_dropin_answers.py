"""The drop-in for question answering answers as transformers-interpret's does."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ligserve.client import (
    AsyncClient,
    AsyncQuestionAnsweringExplainer,
    AttributionTypeNotSupportedError,
    Client,
    FailedPreconditionError,
    InputIdsNotCalculatedError,
)
from ligserve.client import QuestionAnsweringExplainer as Explainer
from ligserve.v1 import explanation_pb2 as pb
from tests.client.scripted_server import Script, refusal

QUESTION, CONTEXT = "Where is Ada?", "Ada lives in London, now."
TOKENS = ["[CLS]", "Where", "is", "Ada?", "[SEP]", "Ada", "lives", "in", "London,", "now.", "[SEP]"]


async def with_explainer(script: Script, use: Callable[[Explainer], Any]) -> Any:
    def run() -> Any:
        with Client(script.address) as client:
            return use(Explainer(client, "squad"))

    return await asyncio.to_thread(run)


async def test_a_call_returns_scores_for_start_and_end(script: Script) -> None:
    answer = await with_explainer(script, lambda explainer: explainer(QUESTION, CONTEXT))
    assert list(answer) == ["start", "end"]
    for scores in answer.values():
        assert [token for token, _ in scores] == TOKENS
        assert math.hypot(*(score for _, score in scores)) == pytest.approx(1)
    assert answer["start"] != answer["end"]
    sent = script.requests[0]
    assert sent.question_answering.question == QUESTION
    assert sent.question_answering.context == CONTEXT
    assert sent.options.convention == pb.CONVENTION_LIBRARY
    assert sent.options.fixed_steps.n_steps == 50
    assert sent.options.embedding_layer == pb.EMBEDDING_LAYER_ALL
    assert not script.model_requests


async def test_attributes_after_a_call(script: Script) -> None:
    script.answer = (6, 8)

    def use(explainer: Explainer) -> None:
        answer = explainer(QUESTION, CONTEXT, n_steps=20)
        assert explainer.word_attributions == answer
        assert (explainer.start_pos, explainer.end_pos) == (6, 8)
        assert explainer.predicted_answer == "Ġlives Ġin ĠLondon,", "as the tokenizer spells them"
        assert (explainer.question, explainer.text) == (QUESTION, CONTEXT), "nothing is cleaned"
        assert explainer.attributions == [explainer.start_attributions, explainer.end_attributions]
        assert explainer.end_attributions is not None
        assert explainer.end_attributions.word_attributions == answer["end"]
        assert explainer.end_attributions.n_steps == explainer.n_steps == 20
        assert len(explainer.input_ids[0]) == len(TOKENS)

    await with_explainer(script, use)


@pytest.mark.parametrize(
    ("ends", "answer"), [((8, 6), ""), ((2, 3), "Ġis ĠAda?"), ((0, 0), "[CLS]")], ids=str
)
async def test_the_likeliest_ends_make_up_the_library_s_answer(
    script: Script, ends: tuple[int, int], answer: str, tmp_path: Path
) -> None:
    script.answer = ends

    def use(explainer: Explainer) -> None:
        explainer(QUESTION, CONTEXT)
        assert (explainer.start_pos, explainer.end_pos) == ends
        assert explainer.predicted_answer == answer
        assert explainer.explanation is not None
        assert explainer.explanation.answer is not None
        assert explainer.explanation.answer.text == ""
        assert f"{TOKENS[ends[0]]} ({ends[0]})" in explainer.visualize(tmp_path / "table").data

    await with_explainer(script, use)


async def test_before_a_call(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        with pytest.raises(ValueError, match="not yet been calculated"):
            _ = explainer.word_attributions
        for name in ("predicted_answer", "start_pos", "end_pos", "question", "text"):
            with pytest.raises(InputIdsNotCalculatedError):
                getattr(explainer, name)
        with pytest.raises(InputIdsNotCalculatedError):
            explainer.visualize()
        assert explainer.input_ids == []
        for attributions in (
            explainer.attributions,
            explainer.start_attributions,
            explainer.end_attributions,
        ):
            assert attributions is None
        with Client(script.address) as client, pytest.raises(AttributionTypeNotSupportedError):
            Explainer(client, "squad", "shap")

    await with_explainer(script, use)


async def test_embedding_types(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        for embedding_type in (0, 1, 2, 7, None):
            explainer(QUESTION, CONTEXT, embedding_type)

    await with_explainer(script, use)
    word, position = pb.EMBEDDING_LAYER_WORD, pb.EMBEDDING_LAYER_POSITION
    layers = [request.options.embedding_layer for request in script.requests]
    assert layers == [word, position, pb.EMBEDDING_LAYER_ALL, word, word]


async def test_a_missing_block_warns_in_the_library_s_words(script: Script) -> None:
    script.warnings = [("EMBEDDINGS_BLOCK_UNSUPPORTED", "fell back")]

    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match="the embedding type you selected .* Defaulting to") as caught:
            explainer(QUESTION, CONTEXT)
        assert [warning.filename for warning in caught] == [__file__]

    await with_explainer(script, use)


async def test_a_model_that_the_library_cannot_run_is_answered_faithfully(script: Script) -> None:
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED")]

    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match="The answer follows the faithful") as caught:
            assert explainer(QUESTION, CONTEXT)
        assert caught[0].filename == __file__
        assert explainer.predicted_answer == "now.", "a slice of the context"
        explainer(QUESTION, CONTEXT)

    await with_explainer(script, use)
    asked = [(r.options.convention, r.options.embedding_layer) for r in script.requests]
    faithful = (pb.CONVENTION_FAITHFUL, pb.EMBEDDING_LAYER_ALL)
    assert asked == [(pb.CONVENTION_LIBRARY, pb.EMBEDDING_LAYER_ALL), faithful, faithful]


@pytest.mark.parametrize(
    ("embedding_type", "words"), [(2, "the embedding type you"), (1, "position embeddings")]
)
async def test_a_faithful_answer_falls_back_to_words_too(
    script: Script, embedding_type: int, words: str
) -> None:
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED"), refusal("EMBEDDING_LAYER_UNSUPPORTED")]

    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match=f"the faithful|{words}") as caught:
            assert explainer(QUESTION, CONTEXT, embedding_type)
        assert words in str(caught[1].message)
        assert [warning.filename for warning in caught] == [__file__] * 2

    await with_explainer(script, use)
    layers = [request.options.embedding_layer for request in script.requests]
    assert layers[0] == layers[1] != layers[2] == pb.EMBEDDING_LAYER_WORD


@pytest.mark.parametrize("reason", ["LIBRARY_CONVENTION_UNSUPPORTED", "EMBEDDING_LAYER_UNSUPPORTED"])
async def test_a_refusal_that_comes_again_is_an_error(script: Script, reason: str) -> None:
    script.refusals = [refusal(reason)] * 2

    def use(explainer: Explainer) -> None:
        with (
            pytest.warns(UserWarning, match="faithful|word embeddings"),
            pytest.raises(FailedPreconditionError),
        ):
            explainer(QUESTION, CONTEXT)

    await with_explainer(script, use)
    assert len(script.requests) == 2


async def test_visualize_writes_a_page(script: Script, tmp_path: Path) -> None:
    def use(explainer: Explainer) -> None:
        explainer(QUESTION, "<b>Ada</b> lives in <script>London")
        html = explainer.visualize(str(tmp_path / "table"))
        written = (tmp_path / "table.html").read_text(encoding="utf-8")
        assert html.data in written
        assert "<script>" not in written
        assert html.data.count("<tr>") == 3
        assert explainer.explanation is not None
        logit = explainer.explanation.targets[0].f_input
        assert f"({logit:.2f})" in html.data
        assert "&lt;script&gt;London (8)" in html.data
        assert "end of the answer" in html.data, "under the table"

    await with_explainer(script, use)


async def test_the_async_twin_gives_the_same(script: Script, client: AsyncClient) -> None:
    explainer = AsyncQuestionAnsweringExplainer(client, "squad")
    answer = await explainer(QUESTION, CONTEXT, 2, n_steps=20)
    assert answer == await with_explainer(script, lambda twin: twin(QUESTION, CONTEXT, n_steps=20))
    assert script.requests[0] == script.requests[1]
    assert (explainer.start_pos, explainer.predicted_answer) == (9, "Ġnow.")
    with pytest.raises(ValueError, match="not both"):
        await explainer(QUESTION, CONTEXT, n_steps=3, tolerance=0.1)
    with pytest.raises(InputIdsNotCalculatedError):
        _ = explainer.id2label
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED")]
    with pytest.warns(UserWarning, match="faithful") as caught:
        await explainer(QUESTION, CONTEXT)
    assert caught[0].filename == __file__
