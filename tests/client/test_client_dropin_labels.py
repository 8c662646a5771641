"""The drop-in for token classification answers as transformers-interpret's does."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ligserve.client import (
    AsyncClient,
    AsyncTokenClassificationExplainer,
    AttributionTypeNotSupportedError,
    Client,
    InputIdsNotCalculatedError,
    InvalidRequestError,
)
from ligserve.client import TokenClassificationExplainer as Explainer
from ligserve.v1 import explanation_pb2 as pb
from tests.client.scripted_server import Script, refusal
from tests.client.scripted_spans import TAG_PROBABILITY, TAGS

TEXT = "great great Ada Lovelace"
TOKENS = ["[CLS]", "great", "great", "Ada", "Lovelace", "[SEP]"]


async def with_explainer(script: Script, use: Callable[[Explainer], Any]) -> Any:
    def run() -> Any:
        with Client(script.address) as client:
            return use(Explainer(client, "ner"))

    return await asyncio.to_thread(run)


async def test_a_call_returns_a_dict_by_token(script: Script) -> None:
    answer = await with_explainer(script, lambda explainer: explainer(TEXT))
    assert list(answer) == ["[CLS]", "great", "Ada", "Lovelace", "[SEP]"]
    assert [entry["label"] for entry in answer.values()] == ["O", "O", "B-PER", "I-PER", "O"]
    for entry in answer.values():
        assert list(entry) == ["label", "attribution_scores"]
        assert [token for token, _ in entry["attribution_scores"]] == TOKENS
        assert math.hypot(*(score for _, score in entry["attribution_scores"])) == pytest.approx(1)
    sent = script.requests[0]
    assert sent.token_classification.text == TEXT
    assert sent.options.convention == pb.CONVENTION_LIBRARY
    assert sent.options.fixed_steps.n_steps == 50
    assert sent.options.embedding_layer == pb.EMBEDDING_LAYER_WORD
    assert not script.model_requests


async def test_the_last_of_repeated_tokens_wins_and_all_are_kept_beside(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        answer = explainer(TEXT)
        assert explainer.attributions is not None
        assert list(explainer.attributions) == list(range(6))
        first, second = (explainer.attributions[index].word_attributions for index in (1, 2))
        assert answer["great"]["attribution_scores"] == second != first
        assert explainer.explanation is not None
        assert [target.target.token for target in explainer.explanation.targets] == list(range(6))

    await with_explainer(script, use)


async def test_attributes_after_a_call(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        answer = explainer("Ada, London", n_steps=20)
        assert explainer.word_attributions == answer
        assert explainer.predicted_class_names == ["O", "B-PER", "B-LOC", "O"]
        assert explainer.predicted_class_indexes == [0, 1, 3, 0]
        assert explainer.text == "Ada , London", "cleaned as in the library"
        assert explainer.input_ids == [[101, 1000, 1001, 102]]
        assert (explainer.ignored_indexes, explainer.ignored_labels) == (None, None)
        assert explainer.n_steps == 20
        assert explainer.id2label == dict(enumerate(script.labels))

    await with_explainer(script, use)


async def test_ignored_tokens_are_not_asked_for(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        answer = explainer(TEXT, ignored_indexes=[0, 5], ignored_labels=["I-PER"])
        assert list(answer) == ["great", "Ada"]
        assert (explainer.ignored_indexes, explainer.ignored_labels) == ((0, 5), ("I-PER",))
        assert explainer.predicted_class_names == ["O", "O", "O", "B-PER", "I-PER", "O"]
        assert explainer.visualize().data.count("<tr>") == 4
        assert list(explainer(TEXT, ignored_labels="O")) == ["Ada", "Lovelace"]
        assert (explainer.ignored_indexes, explainer.ignored_labels) == (None, ("O",))

    await with_explainer(script, use)
    first, second = (request.token_classification for request in script.requests)
    assert (list(first.ignored_indexes), list(first.ignored_labels)) == ([0, 5], ["I-PER"])
    assert (list(second.ignored_indexes), list(second.ignored_labels)) == ([], ["O"])


async def test_all_tokens_may_be_ignored(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        assert explainer(TEXT, ignored_labels=TAGS) == {}
        assert explainer.word_attributions == {}
        assert explainer.input_ids == [[101, 1000, 1001, 1002, 1003, 102]]
        assert len(explainer.predicted_class_names) == len(TOKENS)
        assert explainer.visualize().data.count("<tr>") == 1

    await with_explainer(script, use)


async def test_before_a_call(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        with pytest.raises(ValueError, match="not yet been calculated"):
            _ = explainer.word_attributions
        for name in ("predicted_class_indexes", "predicted_class_names", "text"):
            with pytest.raises(InputIdsNotCalculatedError):
                getattr(explainer, name)
        with pytest.raises(InputIdsNotCalculatedError):
            explainer.visualize()
        assert (explainer.attributions, explainer.input_ids) == (None, [])
        with Client(script.address) as client, pytest.raises(AttributionTypeNotSupportedError):
            Explainer(client, "ner", "shap")

    await with_explainer(script, use)


async def test_an_index_that_no_token_can_have_is_told(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        with pytest.raises(InvalidRequestError, match=r"token_classification\.ignored_indexes\[1\]"):
            explainer(TEXT, ignored_indexes=[0, -1])

    await with_explainer(script, use)
    assert not script.requests


async def test_embedding_types(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        for embedding_type in (0, 1, 2, None):
            explainer(TEXT, embedding_type)

    await with_explainer(script, use)
    word, position = pb.EMBEDDING_LAYER_WORD, pb.EMBEDDING_LAYER_POSITION
    assert [request.options.embedding_layer for request in script.requests] == [word, position, word, word]


async def test_a_model_that_the_library_cannot_run_is_answered_faithfully(script: Script) -> None:
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED")]

    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match="The answer follows the faithful") as caught:
            assert explainer("Ada, London")
        assert caught[0].filename == __file__
        assert explainer.text == "Ada, London"

    await with_explainer(script, use)
    conventions = [request.options.convention for request in script.requests]
    assert conventions == [pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL]


async def test_visualize_writes_a_page(script: Script, tmp_path: Path) -> None:
    def use(explainer: Explainer) -> None:
        explainer("<script> Ada", ignored_indexes=[0, 3], output_space="logit")
        html = explainer.visualize(str(tmp_path / "table"), true_classes=["O", "B-X", "B-PER", "O"])
        written = (tmp_path / "table.html").read_text(encoding="utf-8")
        assert html.data in written
        assert "<script>" not in written
        for expected in ("B-X", f"B-PER ({TAG_PROBABILITY:.2f})", "B-PER: Ada (token 2)"):
            assert expected in html.data
        assert "B-X" not in explainer.visualize().data
        with pytest.raises(ValueError, match="equal to the number of tokens"):
            explainer.visualize(true_classes=["O"])

    await with_explainer(script, use)


async def test_the_async_twin_gives_the_same(script: Script, client: AsyncClient) -> None:
    explainer = AsyncTokenClassificationExplainer(client, "ner")
    with pytest.raises(InputIdsNotCalculatedError, match="await"):
        _ = explainer.id2label
    answer = await explainer(TEXT, 0, None, 20, [0], ["O"])
    assert answer == await with_explainer(
        script, lambda twin: twin(TEXT, n_steps=20, ignored_indexes=[0], ignored_labels=["O"])
    )
    assert script.requests[0] == script.requests[1]
    assert explainer.id2label == dict(enumerate(TAGS))
    assert explainer.predicted_class_names[3:5] == ["B-PER", "I-PER"]
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED")]
    with pytest.warns(UserWarning, match="faithful") as caught:
        await explainer(TEXT)
    assert caught[0].filename == __file__
