"""The drop-ins for pairs, labels and zero-shot: signatures, attributes, tables, async twins."""

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers_interpret import (
    MultiLabelClassificationExplainer as LibraryMultiLabel,
)
from transformers_interpret import (
    PairwiseSequenceClassificationExplainer as LibraryPairwise,
)
from transformers_interpret import (
    QuestionAnsweringExplainer as LibraryQuestionAnswering,
)
from transformers_interpret import (
    TokenClassificationExplainer as LibraryTokenClassification,
)
from transformers_interpret import (
    ZeroShotClassificationExplainer as LibraryZeroShot,
)

from ligserve.client import (
    AsyncClient,
    AsyncMultiLabelClassificationExplainer,
    AsyncPairwiseSequenceClassificationExplainer,
    AsyncQuestionAnsweringExplainer,
    AsyncTokenClassificationExplainer,
    AsyncZeroShotClassificationExplainer,
    AttributionTypeNotSupportedError,
    Client,
    InputIdsNotCalculatedError,
    MultiLabelClassificationExplainer,
    PairwiseSequenceClassificationExplainer,
    QuestionAnsweringExplainer,
    TokenClassificationExplainer,
    ZeroShotClassificationExplainer,
)
from tests.live_server import LiveServer

KINDS: list[tuple[Any, Any, Any]] = [
    (
        PairwiseSequenceClassificationExplainer,
        AsyncPairwiseSequenceClassificationExplainer,
        LibraryPairwise,
    ),
    (MultiLabelClassificationExplainer, AsyncMultiLabelClassificationExplainer, LibraryMultiLabel),
    (ZeroShotClassificationExplainer, AsyncZeroShotClassificationExplainer, LibraryZeroShot),
    (QuestionAnsweringExplainer, AsyncQuestionAnsweringExplainer, LibraryQuestionAnswering),
    (TokenClassificationExplainer, AsyncTokenClassificationExplainer, LibraryTokenClassification),
]
CALLS: list[tuple[Any, Any, str, tuple[Any, ...]]] = [
    (*KINDS[0][:2], "bert", ("great movie", "not bad")),
    (*KINDS[1][:2], "bert", ("great movie",)),
    (*KINDS[2][:2], "bert-nli", ("great movie", ["film", "soup"])),
]


def parameters(call: Callable[..., Any]) -> list[tuple[str, object]]:
    """Names and defaults of what can be given by position."""
    given = inspect.signature(call).parameters.values()
    return [(p.name, p.default) for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize(("ours", "twin", "theirs"), KINDS)
def test_signatures_are_the_librarys(ours: Any, twin: Any, theirs: Any) -> None:
    assert parameters(ours.__call__) == parameters(theirs.__call__)
    assert parameters(twin.__call__) == parameters(theirs.__call__)
    names = [name for name, _ in parameters(theirs.__init__)]
    assert [name for name, _ in parameters(ours.__init__)][3:] == names[3:]


@pytest.mark.parametrize(("ours", "twin", "model", "arguments"), CALLS)
async def test_the_async_twin_gives_the_same(
    live: LiveServer, ours: Any, twin: Any, model: str, arguments: tuple[Any, ...]
) -> None:
    with Client(live.address) as client:
        expected = ours(client, model)(*arguments, n_steps=5)
    async with AsyncClient(live.address) as client:
        explainer = twin(client, model)
        assert await explainer(*arguments, n_steps=5) == expected
        assert explainer.word_attributions == expected
        assert explainer.id2label
        with pytest.raises(ValueError, match="not both"):
            await explainer(*arguments, n_steps=5, tolerance=0.1)


@pytest.mark.parametrize(("ours", "twin", "model", "arguments"), CALLS)
def test_before_a_call(client: Client, ours: Any, twin: Any, model: str, arguments: tuple[Any, ...]) -> None:
    explainer = ours(client, model)
    with pytest.raises(ValueError, match="not yet been calculated"):
        _ = explainer.word_attributions
    with pytest.raises(InputIdsNotCalculatedError):
        explainer.visualize()
    assert explainer.input_ids == []
    assert not explainer.attributions
    with pytest.raises(AttributionTypeNotSupportedError):
        ours(client, model, "shap")


async def test_the_async_twin_checks_the_entailment_label_at_its_first_call(live: LiveServer) -> None:
    async with AsyncClient(live.address) as client:
        explainer = AsyncZeroShotClassificationExplainer(client, "bert")
        with pytest.raises(ValueError, match="Expected label"):
            await explainer("a", ["b"])


@pytest.mark.parametrize(("ours", "twin", "model", "arguments"), CALLS)
def test_visualize_writes_a_page(
    client: Client, ours: Any, twin: Any, model: str, arguments: tuple[Any, ...], tmp_path: Path
) -> None:
    explainer = ours(client, model)
    explainer(*arguments, n_steps=5)
    html = explainer.visualize(str(tmp_path / "table"))
    assert html.data in (tmp_path / "table.html").read_text(encoding="utf-8")
    scores = explainer.word_attributions
    rows = list(scores) if isinstance(scores, dict) else [explainer.predicted_class_name]
    assert html.data.count("<tr>") == len(rows) + 1
    assert all(label in html.data for label in rows)


def test_zero_shot_scores_are_cut_and_normalised_as_in_the_library(client: Client) -> None:
    explainer = ZeroShotClassificationExplainer(client, "bert-nli")
    scores = explainer("great great movie", ["film", "soup"], n_steps=5)
    for words in scores.values():
        assert [token for token, _ in words] == ["[CLS]", "great", "great"], (
            "the last one is dropped there too"
        )
        assert math.hypot(*(score for _, score in words)) == pytest.approx(1)
    assert sum(explainer.pred_probs) == pytest.approx(1)
    assert explainer.predicted_label in scores


def test_multi_label_tables_have_the_librarys_columns(client: Client) -> None:
    explainer = MultiLabelClassificationExplainer(client, "bert")
    explainer("great movie", n_steps=5)
    html = explainer.visualize(true_class="CLASS_9").data
    assert all(text in html for text in ("Prediction Score", "n/a", "CLASS_9"))
    assert f" ({explainer.pred_probs_list[0]:.2f})" in html
    assert "n/a" in explainer.visualize().data
