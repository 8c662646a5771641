"""Long pairs on the real server: windows beside a whole text, against plain forward passes over the same."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from ligserve.client import (
    Aggregate,
    Client,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    InvalidRequestError,
    PairwiseSequenceClassification,
    PairwiseSequenceClassificationExplainer,
    Window,
)
from tests.conftest import ZooModel
from tests.overflowing import accepted, one_token_words, overflowing, tokenizer_of
from tests.zoo.corpus import SENTENCES

# One separator, two, pieces of SentencePiece's kind, no special tokens, padding on the left.
NAMES = ["bert", "roberta", "deberta-v2", "xlm-roberta", "gpt2", "xlnet"]
LONG, SHORT = "\n\n".join(SENTENCES * 2), " Was it, (so far), any good 😀?"
STRIDE, LENGTH = 40, 128


def plain_chances(directory: Path, texts: tuple[str, str], cut: int) -> Tensor:
    """(W, C): the probabilities of each window, by the tokenizer's own cuts."""
    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    windows = overflowing(tokenizer_of(directory), texts, cut, STRIDE, LENGTH)
    with torch.no_grad():
        logits = [model(**accepted(model, inputs)).logits[0] for inputs, _ in windows]
    return torch.stack(logits).softmax(dim=1)


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_a_long_pairs_output_is_the_mean_of_its_windows(
    client: Client, zoo_model: ZooModel, name: str, cut: int
) -> None:
    directory = zoo_model(name)
    tokenizer = tokenizer_of(directory)
    short, long = one_token_words(tokenizer, 20), one_token_words(tokenizer, 250)
    texts = (short, long) if cut else (long, short)
    expected = plain_chances(directory, texts, cut)
    assert expected.std(dim=0).max() > 1e-3, "windows that are all alike would prove nothing"
    task = PairwiseSequenceClassification(*texts, targets=[0, 1])
    explanation = client.explain(name, task, long_input=Window(stride=STRIDE), tolerance=0.2)
    assert explanation.prediction is not None
    assert explanation.prediction.probabilities == pytest.approx(expected.mean(dim=0).tolist(), abs=1e-6)
    assert len(explanation.windows) == len(expected)
    for place, target in enumerate(explanation.targets):
        assert target.f_input == pytest.approx(float(expected[:, place].mean()), abs=1e-6)
        assert abs(target.convergence_delta) <= target.error_bound
        assert sum(target.scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert sum(window.changes[place] for window in explanation.windows) == pytest.approx(
            target.f_input - target.f_baseline, abs=1e-5
        )


@pytest.fixture(scope="module", params=["bert", "roberta", "deberta-v2"])
def explained(request: pytest.FixtureRequest, live: object) -> Explanation:
    task = PairwiseSequenceClassification(LONG, SHORT, targets=[1])
    with Client(live.address) as client:  # type: ignore[attr-defined]
        return client.explain(request.param, task, long_input=Window(stride=STRIDE), tolerance=0.1)


def test_offsets_slice_both_texts(explained: Explanation) -> None:
    assert {window.segment for window in explained.windows} == {0}
    for segment, text in enumerate((LONG, SHORT)):
        own = [token for token in explained.tokens if token.segment == segment and not token.special]
        covered = {place for token in own for place in range(token.start, token.end)}
        assert covered >= {place for place, character in enumerate(text) if not character.isspace()}
    for level in ("token", "word", "sentence", "paragraph"):
        parts = explained.parts(level)
        assert {part.segment for part in parts} == {0, 1}
        assert all((LONG, SHORT)[part.segment][part.start : part.end] == part.text for part in parts)
        special = [
            score
            for token, score in zip(explained.tokens, explained.targets[0].scores, strict=True)
            if token.special
        ]
        total = sum(part.score for part in parts) + sum(special)
        assert total == pytest.approx(explained.targets[0].score_sum, abs=1e-9)
    starts, ends = ({getattr(t, name) for t in explained.tokens} for name in ("start", "end"))
    assert all(window.start in starts and window.end in ends for window in explained.windows)
    assert (explained.windows[0].start, explained.windows[-1].end) == (0, len(LONG))


def test_scores_are_the_sums_over_windows_for_both_texts(explained: Explanation) -> None:
    """Tokens of the whole text have scores in every window."""
    own = [token for token in explained.tokens if token.segment == 1 and not token.special]
    whole = sum(explained.targets[0].scores[token.index] for token in own)
    places = [token.index - len(explained.tokens) for token in own]
    by_window = [window.scores[0][place] for window in explained.windows for place in places]
    assert whole == pytest.approx(sum(by_window), abs=1e-12)
    assert len(set(by_window)) > len(own)


def test_a_page_shows_the_text_beside_the_windows(explained: Explanation) -> None:
    page = explained.html()
    assert page.count("<details") == len(explained.windows) + 1
    assert "beside every window" in page
    assert page.index("characters 0 to") < page.index("beside every window"), "it is the second text"
    text = " ".join(explained.texts)
    for word in ("parents", "any", "good"):
        assert word in text
        assert word in page


def test_one_window_equals_plain(client: Client) -> None:
    """A pair that just fits, and the same with a word more: its windows hold all but a word."""
    task = PairwiseSequenceClassification(SENTENCES[0], SENTENCES[1], targets=[0])
    plain = client.explain("bert", task, n_steps=9, long_input="refuse")
    windowed = client.explain("bert", task, n_steps=9, long_input=Window(stride=1))
    assert windowed.windows == ()
    assert windowed.targets == plain.targets
    assert windowed.tokens == plain.tokens


def test_events_of_a_long_pair(client: Client) -> None:
    task = PairwiseSequenceClassification(SHORT, LONG)
    with client.stream("bert", task, long_input=Window(stride=STRIDE), n_steps=5) as stream:
        events = list(stream)
        explanation = stream.result()
    header = next(event for event in events if isinstance(event, HeaderEvent))
    assert [window.segment for window in header.windows] == [1] * len(explanation.windows)
    finals = [event for event in events if isinstance(event, EstimateEvent) and event.final]
    assert sorted(event.window for event in finals) == list(range(len(header.windows)))
    assert sum(sum(event.scores) for event in finals) == pytest.approx(explanation.targets[0].score_sum)


def test_the_largest_window_of_a_pair(client: Client) -> None:
    largest = Window(stride=STRIDE, aggregate=Aggregate.MAX)
    task = PairwiseSequenceClassification(LONG, SHORT, targets=[2])
    explanation = client.explain("roberta", task, long_input=largest, tolerance=0.05)
    (target,) = explanation.targets
    tokens = explanation.tokens_of(0)
    assert len(tokens) == len(target.scores) <= LENGTH
    assert {token.segment for token in tokens} == {0, 1}
    assert target.target.runner_up_gap is not None
    assert explanation.prediction is not None
    assert explanation.prediction.probabilities[2] == pytest.approx(target.f_input, abs=1e-6)
    assert "<details" in explanation.html()


@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_a_cut_pair_says_which_text_was_cut(client: Client, convention: str) -> None:
    task = PairwiseSequenceClassification(SHORT, LONG)
    explanation = client.explain("bert", task, long_input="truncate", convention=convention, n_steps=5)
    assert len(explanation.tokens) == LENGTH
    (warning,) = [each for each in explanation.warnings if each.code == "TEXT_TRUNCATED"]
    assert f"the last {explanation.truncated_tokens} tokens of pairwise_sequence_classification.text2" in str(
        warning.message
    )


def test_the_drop_in_takes_windows(client: Client) -> None:
    explainer = PairwiseSequenceClassificationExplainer(client, "bert")
    with pytest.raises(InvalidRequestError, match="makes a pair of"):
        explainer(LONG, SHORT, n_steps=5)
    words = explainer(LONG, SHORT, n_steps=5, long_input="window")
    assert explainer.explanation is not None
    assert explainer.explanation.convention == "library"
    assert len(words) == len(explainer.explanation.tokens) > LENGTH


def test_texts_that_leave_no_room_are_told_with_their_field(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="leaves 0 for a window") as caught:
        client.explain("bert", PairwiseSequenceClassification(LONG, LONG + " more"))
    assert caught.value.reason == "NO_ROOM_FOR_WINDOWS"
    fields = [violation.field for violation in caught.value.violations]
    assert fields == ["pairwise_sequence_classification.text1"]
