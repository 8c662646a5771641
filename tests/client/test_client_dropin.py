"""The drop-in explainers answer as transformers-interpret's do."""

import asyncio
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ligserve.client import (
    AsyncClient,
    AsyncSequenceClassificationExplainer,
    AttributionsNotCalculatedError,
    AttributionTypeNotSupportedError,
    Client,
    FailedPreconditionError,
    InputIdsNotCalculatedError,
    LIGAttributions,
    SequenceClassificationExplainer,
)
from ligserve.v1 import explanation_pb2 as pb
from tests.client.scripted_answer import PROBABILITY
from tests.client.scripted_server import Script, refusal

TEXT = "I love you"
Explainer = SequenceClassificationExplainer


async def with_explainer(script: Script, use: Callable[[Explainer], Any], **options: Any) -> Any:
    def run() -> Any:
        with Client(script.address) as client:
            return use(Explainer(client, "sentiment", **options))

    return await asyncio.to_thread(run)


async def test_a_call_returns_tokens_with_normalised_scores(script: Script) -> None:
    answer = await with_explainer(script, lambda explainer: explainer(TEXT))
    assert [token for token, _ in answer] == ["[CLS]", "I", "love", "you", "[SEP]"]
    assert math.hypot(*(score for _, score in answer)) == pytest.approx(1)
    sent = script.requests[0]
    assert sent.options.convention == pb.CONVENTION_LIBRARY
    assert sent.options.fixed_steps.n_steps == 50
    assert sent.options.embedding_layer == pb.EMBEDDING_LAYER_WORD
    assert not sent.sequence_classification.targets
    assert not script.model_requests


def test_the_signature_is_the_library_s() -> None:
    parameters = list(inspect.signature(Explainer.__call__).parameters.values())
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    names = ["self", "text", "index", "class_name", "embedding_type", "internal_batch_size", "n_steps"]
    assert positional == names
    asynchronous = inspect.signature(AsyncSequenceClassificationExplainer.__call__)
    assert list(asynchronous.parameters.values()) == parameters


async def test_attributes_after_a_call(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        answer = explainer(TEXT + ", yes", class_name="NEGATIVE")
        assert explainer.word_attributions == answer
        assert (explainer.predicted_class_index, explainer.predicted_class_name) == (1, "POSITIVE")
        assert explainer.selected_index == 0
        assert explainer.pred_probs == explainer.explanation.targets[0].f_input  # type: ignore[union-attr]
        assert explainer.id2label == {0: "NEGATIVE", 1: "POSITIVE"}
        assert explainer.label2id == {"NEGATIVE": 0, "POSITIVE": 1}
        assert explainer.text == "I love you , yes"
        assert explainer.input_ids == [[101, 1000, 1001, 1002, 1003, 102]]
        attributions = explainer.attributions
        assert attributions is not None
        assert attributions.word_attributions == answer
        assert attributions.attributions_sum == tuple(score for _, score in answer)
        assert attributions.delta == 1e-5
        assert (attributions.n_steps, explainer.attribution_type) == (50, "lig")
        assert str(explainer) == (
            "SequenceClassificationExplainer(\n\tmodel='sentiment',\n\tattribution_type='lig',)"
        )

    await with_explainer(script, use)


async def test_before_a_call(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        with pytest.raises(ValueError, match="not yet been calculated"):
            _ = explainer.word_attributions
        for name in ("predicted_class_index", "predicted_class_name", "pred_probs", "selected_index", "text"):
            with pytest.raises(InputIdsNotCalculatedError):
                getattr(explainer, name)
        with pytest.raises(InputIdsNotCalculatedError):
            explainer.visualize()
        assert (explainer.attributions, explainer.input_ids) == (None, [])
        assert explainer.id2label[1] == "POSITIVE"
        with pytest.raises(NotImplementedError, match="on the server"):
            explainer.encode("a")
        with pytest.raises(NotImplementedError, match="on the server"):
            explainer.decode([[1]])

    await with_explainer(script, use)
    with pytest.raises(AttributionsNotCalculatedError):
        _ = LIGAttributions((), (), 0.0, 50).word_attributions
    assert issubclass(AttributionTypeNotSupportedError, RuntimeError)


async def test_index_wins_over_the_name(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        explainer(TEXT, index=0, class_name="POSITIVE")
        explainer(TEXT, index=0, class_name="nonsense")
        explainer(TEXT, class_name="NEGATIVE")

    await with_explainer(script, use)
    sent = [request.sequence_classification.targets[0].label.index for request in script.requests]
    assert sent == [0, 0, 0]


async def test_an_unknown_name_warns_and_explains_the_prediction(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match="'sad' is not found in self.label2id") as caught:
            explainer(TEXT, class_name="sad")
        assert caught[0].filename == __file__
        assert explainer.selected_index == 1

    await with_explainer(script, use)


async def test_steps_and_batch_sizes_stick(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        explainer(TEXT, n_steps=20, internal_batch_size=4)
        explainer(TEXT, n_steps=0)
        explainer(TEXT, tolerance=0.01, output_space="logit")
        assert (explainer.n_steps, explainer.internal_batch_size) == (20, 4)
        assert explainer.attributions.internal_batch_size == 4  # type: ignore[union-attr]
        with pytest.raises(ValueError, match="not both"):
            explainer(TEXT, n_steps=3, tolerance=0.1)

    await with_explainer(script, use)
    first, second, third = (request.options for request in script.requests)
    assert (first.fixed_steps.n_steps, second.fixed_steps.n_steps) == (20, 20)
    assert (third.WhichOneof("accuracy"), third.tolerance.relative) == ("tolerance", 0.01)
    assert third.output_space == pb.OUTPUT_SPACE_LOGIT


async def test_embedding_types(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        for embedding_type in (0, 1, 7, None):
            explainer(TEXT, embedding_type=embedding_type)

    await with_explainer(script, use)
    word, position = pb.EMBEDDING_LAYER_WORD, pb.EMBEDDING_LAYER_POSITION
    assert [request.options.embedding_layer for request in script.requests] == [word, position, word, word]


async def test_missing_position_embeddings_warn_in_the_library_s_words(script: Script) -> None:
    script.warnings = [("POSITION_EMBEDDINGS_UNSUPPORTED", "fell back"), ("OTHER", "something else")]

    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match="Defaulting to word embeddings") as caught:
            explainer(TEXT, embedding_type=1)
        assert [warning.filename for warning in caught] == [__file__]

    await with_explainer(script, use)


async def test_a_model_that_the_library_cannot_run_is_answered_faithfully(script: Script) -> None:
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED")]

    def use(explainer: Explainer) -> None:
        with pytest.warns(UserWarning, match="cannot run bart. The answer follows the faithful") as caught:
            assert explainer("I love you!")
        assert caught[0].filename == __file__
        assert explainer.text == "I love you!"
        explainer(TEXT)

    await with_explainer(script, use)
    conventions = [request.options.convention for request in script.requests]
    assert conventions == [pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL, pb.CONVENTION_FAITHFUL]
    assert all(request.options.fixed_steps.n_steps == 50 for request in script.requests)


async def test_other_preconditions_are_errors(script: Script) -> None:
    script.refusals = [refusal("WRONG_HEAD")]
    with pytest.raises(FailedPreconditionError):
        await with_explainer(script, lambda explainer: explainer(TEXT))


async def test_custom_labels(script: Script) -> None:
    def use(explainer: Explainer) -> None:
        explainer(TEXT, class_name="sad")
        assert (explainer.predicted_class_name, explainer.label2id) == ("happy", {"sad": 0, "happy": 1})

    await with_explainer(script, use, custom_labels=["sad", "happy"])
    assert script.requests[0].sequence_classification.custom_labels == ["sad", "happy"]
    with pytest.raises(ValueError, match="`custom_labels` size '1' should match"):
        await with_explainer(script, lambda explainer: None, custom_labels=["sad"])
    with pytest.raises(AttributionTypeNotSupportedError, match="'shap' is not supported"):
        await with_explainer(script, lambda explainer: None, attribution_type="shap")


async def test_visualize_writes_a_page(script: Script, tmp_path: Path) -> None:
    def use(explainer: Explainer) -> None:
        explainer("I <script>love</script> you", index=0)
        html = explainer.visualize(str(tmp_path / "table"), true_class="SAD")
        assert html.data == html._repr_html_()
        written = (tmp_path / "table.html").read_text(encoding="utf-8")
        assert written.startswith("<!DOCTYPE html>")
        assert html.data in written
        assert "<script>" not in written
        for expected in (
            "SAD",
            f"POSITIVE ({explainer.pred_probs:.2f})",
            "NEGATIVE",
            "Legend",
            "library convention",
        ):
            assert expected in html.data
        assert "<b>0</b>" in explainer.visualize().data

    await with_explainer(script, use)


async def test_a_single_logit_is_shown_as_the_library_does(script: Script) -> None:
    script.labels, script.single_logit = ("LABEL_0",), True

    def use(explainer: Explainer) -> None:
        explainer(TEXT, index=0)
        assert explainer.pred_probs == PROBABILITY
        assert explainer.visualize().data.count("<b>1</b>") == 2
        assert f"<b>1 ({PROBABILITY:.2f})</b>" in explainer.visualize().data

    await with_explainer(script, use)


async def test_the_async_twin_gives_the_same(script: Script, client: AsyncClient) -> None:
    explainer = AsyncSequenceClassificationExplainer(client, "sentiment")
    with pytest.raises(InputIdsNotCalculatedError, match="await"):
        _ = explainer.id2label
    answer = await explainer(TEXT, class_name="NEGATIVE")
    assert answer == await with_explainer(script, lambda twin: twin(TEXT, class_name="NEGATIVE"))
    assert script.requests[0] == script.requests[1]
    assert explainer.label2id == {"NEGATIVE": 0, "POSITIVE": 1}
    script.refusals = [refusal("LIBRARY_CONVENTION_UNSUPPORTED")]
    with pytest.warns(UserWarning, match="faithful") as caught:
        await explainer(TEXT)
    assert caught[0].filename == __file__


async def test_the_async_twin_checks_custom_labels_at_its_first_call(client: AsyncClient) -> None:
    explainer = AsyncSequenceClassificationExplainer(client, "sentiment", custom_labels=["a"])
    with pytest.raises(ValueError, match="`custom_labels` size '1' should match"):
        await explainer(TEXT)
