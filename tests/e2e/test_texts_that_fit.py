"""Texts that fit are explained as they are, whatever is asked for long ones; and what others are told."""

from collections.abc import Callable
from typing import Any

import pytest

from ligserve.client import (
    Client,
    Explanation,
    InvalidRequestError,
    PairwiseSequenceClassification,
    QuestionAnswering,
    SequenceClassification,
    SequenceClassificationExplainer,
    TokenClassification,
    Window,
    ZeroShotClassification,
)
from tests.zoo.corpus import SENTENCES

# More characters than the tokenizer is given at once for a model of 128 tokens.
GAP = " " * 40_000
LONG = SequenceClassification(" ".join(SENTENCES * 3))
# By the model of the zoo's server that answers it: a question about a text.
ASKED: dict[str, Callable[[str], Any]] = {
    "bert": SequenceClassification,
    "bert-nli": lambda text: ZeroShotClassification(text, ["film", "soup"]),
    "bert-entities": TokenClassification,
    "deberta-v2": lambda text: PairwiseSequenceClassification("the soup was good", text),
}


def check_same(gap: Explanation, plain: Explanation) -> None:
    """That a text with a gap is explained as without it."""
    assert [token.id for token in gap.tokens] == [token.id for token in plain.tokens]
    assert gap.truncated_tokens == 0
    assert len(gap.windows) == len(plain.windows)
    for target, other in zip(gap.targets, plain.targets, strict=True):
        assert target.scores == pytest.approx(other.scores, abs=1e-6)


@pytest.mark.parametrize("long_input", ["window", "truncate"])
@pytest.mark.parametrize("convention", ["faithful", "library"])
@pytest.mark.parametrize("model", ["bert", "bert-nli", "bert-entities"])
def test_few_words_far_apart_are_a_text_that_fits(
    client: Client, model: str, convention: str, long_input: str
) -> None:
    options: dict[str, Any] = {"n_steps": 3, "convention": convention, "long_input": long_input}
    gap, plain = (client.explain(model, ASKED[model](f"good {space}film"), **options) for space in (GAP, " "))
    check_same(gap, plain)
    assert "film" in {part.text for part in gap.words()}


def test_few_words_far_apart_in_one_text_of_a_pair(client: Client, qa_client: Client) -> None:
    for connected, asked in (
        (client, lambda text: PairwiseSequenceClassification(text, "the soup was good")),
        (qa_client, lambda text: QuestionAnswering("Who hated it?", text)),
    ):
        gap, plain = (
            connected.explain("bert", asked(f"I loved the {space}film"), n_steps=3) for space in (GAP, "")
        )
        check_same(gap, plain)


def test_nothing_but_what_the_tokenizer_drops_has_no_token(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="the tokenizer finds no token in it"):
        client.explain("bert", SequenceClassification("\0" * 40_000))


@pytest.mark.parametrize("model", ASKED)
def test_a_stride_for_windows_does_not_matter_to_a_text_that_fits(client: Client, model: str) -> None:
    task = ASKED[model](SENTENCES[0])
    asked, plain = (
        client.explain(model, task, n_steps=3, long_input=long_input)
        for long_input in (Window(stride=1000), "window")
    )
    check_same(asked, plain)


@pytest.mark.parametrize("model", ASKED)
def test_a_stride_longer_than_a_window_is_refused_for_a_text_that_does_not(
    client: Client, model: str
) -> None:
    with pytest.raises(InvalidRequestError, match="longer strides would leave tokens out") as caught:
        client.explain(model, ASKED[model](LONG.text), long_input=Window(stride=1000))
    assert caught.value.reason == "STRIDE_TOO_LONG"


def test_whom_a_long_text_is_refused_hears_what_can_be_asked_for(client: Client) -> None:
    way = r"set long_input \(options.long_input\) to window, .* or to truncate"
    for text in (LONG.text, f"good {GAP}film"):
        with pytest.raises(InvalidRequestError, match=way):
            client.explain("bert", SequenceClassification(text), long_input="refuse")
    with pytest.raises(InvalidRequestError, match=way):
        SequenceClassificationExplainer(client, "bert")(LONG.text)
    assert client.explain("bert", LONG, long_input="truncate", n_steps=1).truncated_tokens
    assert client.explain("bert", LONG, long_input="window", n_steps=1).windows
