"""Token classification on the wire: the deployed model's labels, scores that add up, what is left out."""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedTokenizerFast, pipeline

from ligserve.client import (
    Client,
    Explanation,
    FailedPreconditionError,
    InvalidRequestError,
    SequenceClassification,
    Task,
    TokenClassification,
)
from ligserve.client.types.events import EstimateEvent, HeaderEvent, ProgressEvent, SummaryEvent
from ligserve.server.workers.models.head import TOKEN
from tests.conftest import ENTITY_ARCHITECTURES, ENTITY_LABELS, ZooModel
from tests.live_server import live_server
from tests.zoo import ARCHITECTURES, build_model
from tests.zoo.corpus import SENTENCES
from tests.zoo.tokenizers import wordpiece

TOLERANCE = 0.01
PROBABILITY_TOLERANCE = 1e-6
SPACES = ("probability", "log_odds", "logit")
TEXT = "The film was long,  not funny!(My parents hated it.)"
TEXTS = (
    TEXT,
    "great great movie",
    "I love 😀😀 it 👩‍👩‍👧!",
    "שלום great مرحبا movie",
    "cafe\u0301 na\u0131\u0308ve",
    "a" * 90,
    "...!?(),--",
)
FIELD = "token_classification"


def plain(directory: Path, text: str) -> tuple[list[str], Tensor]:
    """The tokens and the (T, C) probabilities of the model that is deployed."""
    torch.set_num_threads(1)
    model = AutoModelForTokenClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        probabilities: Tensor = model(**inputs).logits[0].softmax(dim=1)
    return list(tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])), probabilities


def assert_adds_up(explanation: Explanation, tolerance: float | None = TOLERANCE) -> None:
    for target in explanation.targets:
        change = target.f_input - target.f_baseline
        scale = max(abs(change), sum(map(abs, target.scores)))
        assert len(target.scores) == len(explanation.tokens)
        assert abs(sum(target.scores) - change) <= target.error_bound
        if tolerance is not None:
            noise = 1e-5 * max(1.0, abs(target.f_input), abs(target.f_baseline))
            assert target.error_bound <= max(tolerance * scale * (1 + 1e-6), noise)


def positions(explanation: Explanation) -> list[int | None]:
    return [target.target.token for target in explanation.targets]


@pytest.mark.parametrize("name", ENTITY_ARCHITECTURES)
def test_labels_are_the_deployed_models(client: Client, zoo_model: ZooModel, name: str) -> None:
    for text in TEXTS:
        spelt, expected = plain(zoo_model(name, labels=ENTITY_LABELS, head=TOKEN), text)
        exact: dict[str, Any] = {"tolerance": TOLERANCE} if text == TEXT else {"n_steps": 5}
        explanation = client.explain(f"{name}-entities", TokenClassification(text), **exact)
        assert [token.text for token in explanation.tokens] == spelt
        assert explanation.prediction is None
        found = torch.tensor([each.probabilities for each in explanation.token_predictions])
        assert (found - expected).abs().max() <= PROBABILITY_TOLERANCE
        assert positions(explanation) == [token.index for token in explanation.tokens if not token.special]
        for target in explanation.targets:
            position = target.target.token
            assert position is not None
            assert target.class_index == int(expected[position].argmax())
            assert target.label == ENTITY_LABELS[target.class_index]
            assert abs(target.f_input - expected[position].max()) <= PROBABILITY_TOLERANCE
        assert_adds_up(explanation, exact.get("tolerance"))
        assert explanation.cost.rows <= explanation.cost.points + 1, "one path for all tokens"
        points = [target.points for target in explanation.targets]
        assert max(points) <= explanation.cost.points < sum(points)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2", "gpt2"])
def test_every_output_space(client: Client, zoo_model: ZooModel, name: str, space: str) -> None:
    _, probabilities = plain(zoo_model(name, labels=ENTITY_LABELS, head=TOKEN), TEXT)
    explanation = client.explain(
        f"{name}-entities", TokenClassification(TEXT), output_space=space, tolerance=TOLERANCE
    )
    assert_adds_up(explanation)
    for target in explanation.targets:
        assert target.target.token is not None
        of_token = explanation.token_predictions[target.target.token]
        chance = probabilities[target.target.token, target.class_index].double()
        expected = {
            "probability": chance,
            "log_odds": torch.logit(chance),
            "logit": torch.tensor(of_token.logits[target.class_index]),
        }[space]
        assert target.f_input == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("name", ENTITY_ARCHITECTURES)
def test_in_library_special_tokens_are_explained_too(client: Client, name: str) -> None:
    explanation = client.explain(f"{name}-entities", TokenClassification(TEXT), convention="library")
    assert positions(explanation) == list(range(len(explanation.tokens)))
    assert_adds_up(explanation, tolerance=None)
    assert {target.points for target in explanation.targets} == {52}, "50 nodes and both ends"


@pytest.mark.parametrize("convention", ["faithful", "library"])
@pytest.mark.parametrize("name", ["bert", "roberta", "albert"])
def test_offsets_slice_the_text_to_each_tokens_characters(client: Client, name: str, convention: str) -> None:
    for text in TEXTS:
        task = TokenClassification(text)
        explanation = client.explain(f"{name}-entities", task, convention=convention, n_steps=1)
        content = [token for token in explanation.tokens if not token.special]
        for token in content:
            own = token.text.removeprefix("##").strip("Ġ▁")
            if own.isascii() and "<unk>" not in own and "[UNK]" not in own:
                assert own.lower() in text[token.start : token.end].lower()
        covered = {place for token in content for place in range(token.start, token.end)}
        missed = {text[place] for place in range(len(text)) if place not in covered}
        assert not "".join(missed - {"\u0301", "\u0308", "\u200d"}).strip()


def test_entities_are_those_of_the_pipeline(client: Client, zoo_model: ZooModel) -> None:
    torch.set_num_threads(1)
    directory = str(zoo_model("bert", labels=ENTITY_LABELS, head=TOKEN))
    find: Any = pipeline("token-classification", model=directory, aggregation_strategy="first", device="cpu")
    found = 0
    for sentence in SENTENCES:
        # Words alone: the pipeline reads "(so" as one word.
        text = " ".join(re.findall(r"\w+", sentence))
        explanation = client.explain("bert-entities", TokenClassification(text), n_steps=5)
        ours = [(each.label, each.start, each.end) for each in explanation.entities()]
        assert ours == [(each["entity_group"], each["start"], each["end"]) for each in find(text)]
        assert all(text[each.start : each.end] == each.text for each in explanation.entities())
        found += len(ours)
    assert found > len(SENTENCES)


def test_repeated_tokens_stay_apart(client: Client) -> None:
    text = "great great movie"
    explanation = client.explain("bert-entities", TokenClassification(text), n_steps=20)
    repeated = [token for token in explanation.tokens if token.text == "great"]
    assert [(token.start, token.end) for token in repeated] == [(0, 5), (6, 11)]
    first, second = (
        next(target for target in explanation.targets if target.target.token == token.index)
        for token in repeated
    )
    assert first.scores != second.scores


@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_what_is_ignored_is_not_explained_and_changes_nothing_else(client: Client, convention: str) -> None:
    every = client.explain("bert-entities", TokenClassification(TEXT), convention=convention, n_steps=20)
    label = every.token_predictions[4].label
    task = TokenClassification(TEXT, ignored_indexes=[2, 0, 2], ignored_labels=[label])
    some = client.explain("bert-entities", task, convention=convention, n_steps=20)
    left = [target for target in every.targets if target.target.token not in (0, 2) and target.label != label]
    assert 0 < len(left) < len(every.targets) - 2
    assert [target.target for target in some.targets] == [target.target for target in left]
    for ours, theirs in zip(some.targets, left, strict=True):
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-7)
    assert some.token_predictions == every.token_predictions


@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_nothing_left_to_explain_is_an_answer(client: Client, convention: str) -> None:
    task = TokenClassification(TEXT, ignored_labels=ENTITY_LABELS)
    unary = client.explain("bert-entities", task, convention=convention)
    with client.stream("bert-entities", task, convention=convention) as stream:
        events = [event for event in stream if not isinstance(event, ProgressEvent)]
        streamed = stream.result()
    assert [type(event) for event in events] == [HeaderEvent, SummaryEvent]
    for answer in (unary, streamed):
        assert answer.targets == ()
        assert [warning.code for warning in answer.warnings] == ["NOTHING_TO_EXPLAIN"]
        assert len(answer.token_predictions) == len(answer.tokens)
        assert answer.cost.points == 0


@pytest.mark.parametrize("options", [{"tolerance": 0.002}, {"n_steps": 20}, {"convention": "library"}])
def test_the_stream_is_the_unary_answer_bit_for_bit(client: Client, options: dict[str, Any]) -> None:
    task = TokenClassification(TEXT)
    unary = client.explain("albert-entities", task, **options)
    with client.stream("albert-entities", task, **options) as stream:
        streamed = stream.result()
    assert unary.targets == streamed.targets
    assert unary.tokens == streamed.tokens
    assert unary.token_predictions == streamed.token_predictions


@pytest.mark.parametrize("convention", ["faithful", "library"])
@pytest.mark.parametrize(
    ("task", "field", "words"),
    [
        (TokenClassification(""), f"{FIELD}.text", "at least one character"),
        (TokenClassification("so " * 200), f"{FIELD}.text", "at most 128"),
        (TokenClassification("\u200b"), f"{FIELD}.text", "no token"),
        (
            TokenClassification("great movie", [1, 4]),
            f"{FIELD}.ignored_indexes[1]",
            r"no token 4; the text has 4 tokens \(special tokens included\), 0 to 3",
        ),
        (TokenClassification("a", [2**32 - 1]), f"{FIELD}.ignored_indexes[0]", "no token 4294967295"),
        (TokenClassification("a", [0] * 100_001), f"{FIELD}.ignored_indexes", "100001 indexes"),
        (TokenClassification("a", (), ["x"] * 1001), f"{FIELD}.ignored_labels", "1001 labels"),
        (TokenClassification("a", (), ["O", ""]), f"{FIELD}.ignored_labels[1]", "must not be empty"),
    ],
)
def test_bad_input_is_told_with_its_field(
    client: Client, task: Task, field: str, words: str, convention: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words) as raised:
        client.explain("bert-entities", task, convention=convention, long_input="refuse")
    assert [violation.field for violation in raised.value.violations] == [field]


def test_an_unknown_ignored_label_is_told_in_faithful_and_passed_over_in_library(client: Client) -> None:
    task = TokenClassification("great movie", ignored_labels=["O", "PER"])
    with pytest.raises(InvalidRequestError, match="'PER'; the classes are 0 O, 1 B-PER") as raised:
        client.explain("bert-entities", task)
    assert [violation.field for violation in raised.value.violations] == [f"{FIELD}.ignored_labels[1]"]
    assert client.explain("bert-entities", task, convention="library", n_steps=1).tokens


@pytest.mark.parametrize(
    ("model", "task"),
    [("bert", TokenClassification("a")), ("bert-entities", SequenceClassification("a"))],
)
def test_a_model_with_another_head_is_refused(client: Client, model: str, task: Task) -> None:
    with pytest.raises(FailedPreconditionError) as raised:
        client.explain(model, task)
    assert raised.value.reason == "EXPLAINER_UNSUPPORTED"


def test_models_say_what_they_can(client: Client) -> None:
    found = client.model("bert-entities")
    assert found.architecture == "BertForTokenClassification"
    assert tuple(found.labels) == ENTITY_LABELS
    assert [support.explainer for support in found.explainers] == [FIELD]


@pytest.fixture(scope="module")
def long_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of a server whose model takes 512 tokens and knows 28 labels."""
    root = tmp_path_factory.mktemp("long")
    bert = ARCHITECTURES["bert"]
    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    settings = {**bert.settings, **tiny, "max_position_embeddings": 512}
    roomy = dataclasses.replace(bert, settings=settings, tokenizer=_roomy_wordpiece)
    labels = ["O", *(f"{part}-KIND{kind}" for kind in range(14) for part in "BI")][:28]
    model = build_model(roomy, root / "model", num_labels=28, labels=labels, head=TOKEN)
    flags = ("--threads", "1", "--token-budget", "8192")
    with (
        live_server({"long": model}, root / "server.log", *flags) as server,
        Client(server.address) as client,
    ):
        yield client


def _roomy_wordpiece() -> PreTrainedTokenizerFast:
    tokenizer = wordpiece()
    tokenizer.model_max_length = 512
    return tokenizer


def long_text(words: Sequence[str] = ("great", "movie", "never", "long")) -> str:
    return " ".join(words[number % len(words)] for number in range(500))


def test_five_hundred_tokens_whole_and_streamed(long_client: Client) -> None:
    """500 targets times 502 tokens: an answer of 4 MiB, or 1,000 chunks a round."""
    task = TokenClassification(long_text())
    # One round of 9 points.
    unary = long_client.explain("long", task, tolerance=1.0, timeout=300)
    assert len(unary.token_predictions) == 502
    assert all(len(each.probabilities) == 28 for each in unary.token_predictions)
    assert positions(unary) == list(range(1, 501))
    assert_adds_up(unary, tolerance=None)
    assert {(len(target.scores), len(target.score_errors)) for target in unary.targets} == {(502, 502)}
    with long_client.stream("long", task, n_steps=1, timeout=300) as stream:
        finals = [event for event in stream if isinstance(event, EstimateEvent) and event.final]
        streamed = stream.result()
    assert [event.target for event in finals] == list(range(500))
    assert {len(target.scores) for target in streamed.targets} == {502}
    assert streamed.token_predictions == unary.token_predictions


def test_a_slow_reader_gets_whole_estimates(long_client: Client) -> None:
    """Chunks of a round that the reader has begun are not mixed with those of the next one."""
    ignored = range(20, 502)
    task = TokenClassification(long_text(), ignored_indexes=ignored)
    with long_client.stream(
        "long", task, tolerance=1e-4, max_points=400, estimate_interval=0.0, timeout=300
    ) as stream:
        rounds = [event.round for event in stream if isinstance(event, EstimateEvent) and event.target == 0]
        assert stream.result().targets
    assert rounds == sorted(set(rounds))
