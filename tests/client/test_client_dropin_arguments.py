"""What the drop-in explainers are constructed and called with."""

from typing import Any

import pytest

from ligserve.client import AsyncClient, AsyncSequenceClassificationExplainer, Client
from ligserve.client import SequenceClassificationExplainer as Explainer
from tests.client.scripted_server import Script

TEXT = "I love you"


async def test_a_model_and_a_tokenizer_are_refused_at_once() -> None:
    for kind, client in ((Explainer, "Client"), (AsyncSequenceClassificationExplainer, "AsyncClient")):
        change = rf'{kind.__name__}\({client}\("HOST:PORT"\), "model-name"\); got object and'
        with pytest.raises(TypeError, match=change):
            kind(object(), object())  # type: ignore[arg-type]
    with Client() as blocking, pytest.raises(TypeError, match="AsyncClient"):
        AsyncSequenceClassificationExplainer(blocking, "sentiment")  # type: ignore[arg-type]


async def test_no_custom_labels_are_too_few(client: AsyncClient) -> None:
    with Client() as blocking, pytest.raises(ValueError, match="`custom_labels` size '0' should match"):
        Explainer(blocking, "sentiment", custom_labels=[])
    with pytest.raises(ValueError, match="`custom_labels` size '0' should match"):
        AsyncSequenceClassificationExplainer(client, "sentiment", custom_labels=[])


@pytest.mark.parametrize("index", [True, 1.0, "1"], ids=repr)
async def test_an_index_is_an_int(script: Script, client: AsyncClient, index: Any) -> None:
    with pytest.raises(TypeError, match=f"index must be an int, is {type(index).__name__}"):
        await AsyncSequenceClassificationExplainer(client, "sentiment")(TEXT, index=index)
    assert not script.requests


@pytest.mark.parametrize("output_space", ["logit", "log_odds"])
async def test_pred_probs_is_a_probability_whatever_is_explained(
    script: Script, client: AsyncClient, output_space: str
) -> None:
    explainer = AsyncSequenceClassificationExplainer(client, "sentiment")
    await explainer(TEXT, index=0, output_space=output_space)
    assert explainer.pred_probs == 0.25
    await explainer(TEXT, output_space=output_space)
    assert explainer.pred_probs == 0.75
    assert "POSITIVE (0.75)" in explainer.visualize().data
