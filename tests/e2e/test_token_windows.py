"""Labels of long texts over the wire: each token in one window, as the model judges that window."""

import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForTokenClassification, AutoTokenizer
from typer.testing import CliRunner

from ligserve.client import (
    Aggregate,
    Client,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    InvalidRequestError,
    TokenClassification,
    TokenClassificationExplainer,
    Window,
)
from ligserve.client.cli.app import app
from ligserve.client.folding import StreamFolder
from ligserve.server.workers.models.head import TOKEN
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.conftest import ENTITY_LABELS, ZooModel
from tests.live_server import LiveServer
from tests.zoo.corpus import SENTENCES

# One for each kind of tokenizer and of frame; the zoo's models take 128 tokens.
MODELS = ["bert", "roberta", "gpt2", "deberta-v2", "modernbert"]
WORDS = " ".join(SENTENCES).split()
TEXT = " ".join(SENTENCES * 3)
TOLERANCE = 0.05
PROBABILITY_TOLERANCE = 1e-6


@cache
def deployed(directory: Path) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    model = AutoModelForTokenClassification.from_pretrained(directory).eval()
    return AutoTokenizer.from_pretrained(directory), model


def entities_of(zoo_model: ZooModel, name: str) -> tuple[Any, Any]:
    return deployed(zoo_model(name, labels=ENTITY_LABELS, head=TOKEN))


def frame_of(explanation: Explanation) -> tuple[int, int]:
    special = [token.special for token in explanation.tokens]
    return special.index(False), special[::-1].index(False)


def best_window(explanation: Explanation, token: int) -> int:
    """The window where a token, special ones not counted, has most context."""
    context = [
        min(token - each.first_token, each.first_token + each.token_count - 1 - token)
        for each in explanation.windows
    ]
    return context.index(max(context))


def probabilities_by_window(explanation: Explanation, tokenizer: Any, model: Any) -> Iterator[Tensor]:
    """(T, C) of every window, from the whole text's ids and an independent loop over the windows."""
    whole = tokenizer(explanation.text, return_special_tokens_mask=True)
    ids, special = whole["input_ids"], whole["special_tokens_mask"]
    first, last = special.index(0), len(ids) - special[::-1].index(0)
    for window in explanation.windows:
        start = first + window.first_token
        row = [*ids[:first], *ids[start : start + window.token_count], *ids[last:]]
        with torch.no_grad():
            yield model(torch.tensor([row])).logits[0].softmax(dim=1)


def assert_as_deployed(explanation: Explanation, tokenizer: Any, model: Any) -> None:
    """Every token has the label and the probabilities that its best window gives it."""
    before, after = frame_of(explanation)
    by_window = list(probabilities_by_window(explanation, tokenizer, model))
    content = len(explanation.tokens) - before - after
    assert len(explanation.token_predictions) == len(explanation.tokens)
    for token in range(content):
        window = best_window(explanation, token)
        expected = by_window[window][before + token - explanation.windows[window].first_token]
        found = explanation.token_predictions[before + token]
        assert (torch.tensor(found.probabilities) - expected).abs().max() <= PROBABILITY_TOLERANCE
        assert found.label == ENTITY_LABELS[int(expected.argmax())]


def assert_explained_once(explanation: Explanation) -> None:
    """Every token of the text is a target, about the window where it has most context."""
    before, after = frame_of(explanation)
    content = range(before, len(explanation.tokens) - after)
    assert [target.target.token for target in explanation.targets] == list(content)
    for target in explanation.targets:
        token = target.target.token or 0
        assert target.target.window == best_window(explanation, token - before)
        assert target.label == explanation.token_predictions[token].label
    about = [place for window in explanation.windows for place in window.targets]
    assert about == list(range(len(explanation.targets))), "each in one window, and no window without one"


def assert_adds_up(explanation: Explanation, tolerance: float | None = None) -> None:
    for position, target in enumerate(explanation.targets):
        window = explanation.windows[target.target.window or 0]
        change = window.changes[window.targets.index(position)]
        assert target.scores == window.scores[window.targets.index(position)]
        assert len(target.scores) == len(explanation.tokens_of(position))
        assert target.f_input - target.f_baseline == pytest.approx(change, abs=1e-5)
        assert abs(sum(target.scores) - (target.f_input - target.f_baseline)) <= target.error_bound + 1e-12
        if tolerance is not None:
            scale = max(abs(change), sum(map(abs, target.scores)))
            assert target.error_bound <= max(tolerance * scale * (1 + 1e-6), 1e-5)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=110, max_size=200),
    stride=st.integers(20, 120),
    exact=st.sampled_from([{"n_steps": 2}, {"tolerance": TOLERANCE}]),
)
def test_every_token_is_explained_in_one_window(
    client: Client, zoo_model: ZooModel, name: str, words: list[str], stride: int, exact: dict[str, Any]
) -> None:
    task = TokenClassification(" ".join(words))
    explanation = client.explain(f"{name}-entities", task, long_input=Window(stride), timeout=250, **exact)
    if not explanation.windows:
        assert len(explanation.tokens) <= 128
        return
    assert_explained_once(explanation)
    assert_as_deployed(explanation, *entities_of(zoo_model, name))
    assert_adds_up(explanation, exact.get("tolerance"))
    content = [token for token in explanation.tokens if not token.special]
    covered = {place for token in content for place in range(token.start, token.end)}
    assert {place for place, char in enumerate(task.text) if not char.isspace()} <= covered


@pytest.fixture(scope="module")
def document(live: LiveServer) -> Explanation:
    with Client(live.address) as client:
        return client.explain("bert-entities", TokenClassification(TEXT), n_steps=3)


def test_scores_are_those_of_the_windows_text_by_itself(client: Client, document: Explanation) -> None:
    """bert's windows are cut at words, so that their text has their tokens."""
    for number in (0, len(document.windows) // 2, len(document.windows) - 1):
        window = document.windows[number]
        part = TokenClassification(TEXT[window.start : window.end])
        alone = client.explain("bert-entities", part, n_steps=3)
        assert alone.windows == ()
        assert [token.id for token in alone.tokens] == [
            token.id for token in document.tokens_of(window.targets[0])
        ]
        for position, scores in zip(window.targets, window.scores, strict=True):
            target = document.targets[position]
            here = (target.target.token or 0) - window.first_token
            expected = alone.targets[alone.token_target(here)]
            assert target.label == expected.label
            assert scores == pytest.approx(expected.scores, abs=1e-6)


@pytest.mark.parametrize("name", ["bert", "gpt2"])
@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_a_text_that_fits_is_plain_whatever_the_policy(client: Client, name: str, convention: str) -> None:
    task = TokenClassification(SENTENCES[0])
    plain, *others = (
        client.explain(f"{name}-entities", task, n_steps=3, long_input=policy, convention=convention)
        for policy in ("refuse", "window", "truncate", Window(stride=1))
    )
    for answer in others:
        assert (answer.windows, answer.truncated_tokens) == ((), 0)
        assert answer.targets == plain.targets
        assert answer.tokens == plain.tokens
        assert answer.token_predictions == plain.token_predictions


def test_library_refuses_by_default_and_explains_special_tokens_once(
    client: Client, zoo_model: ZooModel
) -> None:
    task = TokenClassification(TEXT)
    with pytest.raises(InvalidRequestError, match="takes at most 128"):
        client.explain("bert-entities", task, convention="library")
    explanation = client.explain(
        "bert-entities", task, convention="library", n_steps=1, long_input=Window(stride=60)
    )
    assert [t.target.token for t in explanation.targets] == list(range(len(explanation.tokens)))
    first, last = explanation.targets[0].target, explanation.targets[-1].target
    assert (first.window, last.window) == (0, len(explanation.windows) - 1)
    assert_adds_up(explanation)
    _, model = entities_of(zoo_model, "bert")
    for window in explanation.windows:
        ids = torch.tensor([[token.id for token in explanation.tokens_of(window.targets[0])]])
        with torch.no_grad():
            expected = model(ids).logits[0].softmax(dim=1)
        for position in window.targets:
            token = explanation.targets[position].target.token or 0
            found = torch.tensor(explanation.token_predictions[token].probabilities)
            assert (found - expected[token - window.first_token]).abs().max() <= PROBABILITY_TOLERANCE


def test_library_labels_at_the_paths_end_are_told_of_every_token(client: Client) -> None:
    """mpnet counts positions from its padding id, which the library does not know."""
    task = TokenClassification(TEXT)
    explanation = client.explain(
        "mpnet-entities", task, convention="library", n_steps=1, long_input=Window(stride=60)
    )
    assert len(explanation.path_predictions) == len(explanation.tokens) == len(explanation.targets)
    for target in explanation.targets:
        shown = explanation.path_predictions[target.target.token or 0]
        assert target.f_input == pytest.approx(shown.probabilities[target.class_index], abs=1e-5)


@pytest.mark.parametrize("convention", ["library", "faithful"])
def test_a_cut_text_says_how_much_was_lost(client: Client, convention: str) -> None:
    task = TokenClassification(TEXT, ignored_indexes=[5, 300])
    explanation = client.explain(
        "bert-entities", task, long_input="truncate", convention=convention, n_steps=1
    )
    assert len(explanation.tokens) == len(explanation.token_predictions) == 128
    assert explanation.truncated_tokens > 172
    assert [w.code for w in explanation.warnings if w.code == "TEXT_TRUNCATED"]
    assert 5 not in [target.target.token for target in explanation.targets]


def test_what_is_ignored_is_not_explained_and_changes_nothing_else(
    client: Client, document: Explanation
) -> None:
    chosen = random.Random(7)
    ignored = chosen.sample(range(len(document.tokens)), 150)
    label = document.targets[40].label
    task = TokenClassification(TEXT, ignored_indexes=ignored, ignored_labels=[label])
    some = client.explain("bert-entities", task, n_steps=3)
    left = [t for t in document.targets if t.target.token not in ignored and t.label != label]
    assert 0 < len(left) < len(document.targets) - 100
    assert [each.target for each in some.targets] == [each.target for each in left]
    for ours, theirs in zip(some.targets, left, strict=True):
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-7)
    assert some.token_predictions == document.token_predictions
    assert some.cost.gradients < document.cost.gradients


def test_nothing_left_to_explain_is_an_answer(client: Client) -> None:
    explanation = client.explain("bert-entities", TokenClassification(TEXT, ignored_labels=ENTITY_LABELS))
    assert (explanation.targets, explanation.cost.points) == ((), 0)
    assert [warning.code for warning in explanation.warnings] == ["NOTHING_TO_EXPLAIN"]
    assert len(explanation.token_predictions) == len(explanation.tokens) > 128
    assert {window.targets for window in explanation.windows} == {()}


def test_entities_have_the_scores_of_their_windows(document: Explanation) -> None:
    for combine in ("first", "sum"):
        entities = document.entities(combine)
        assert entities
        for entity in entities:
            assert TEXT[entity.start : entity.end] == entity.text
            windows = {document.targets[place].target.window or 0 for place in entity.targets}
            held = {place for window in windows for place in document.places_of(window)}
            assert list(entity.scored) == sorted(held)
            assert len(entity.scores) == len(entity.scored)
            expected = sum(document.targets[place].score_sum for place in entity.targets)
            assert sum(entity.scores) == pytest.approx(expected, abs=1e-9)
    words = document.words(document.entities()[0])
    assert all(TEXT[word.start : word.end] == word.text for word in words)


def test_windows_with_most_to_explain_come_first_and_their_targets_are_final(client: Client) -> None:
    with client.stream("bert-entities", TokenClassification(TEXT), n_steps=3) as stream:
        events = list(stream)
        explanation = stream.result()
    (header,) = (event for event in events if isinstance(event, HeaderEvent))
    sizes = {window.index: sum(map(abs, window.changes)) for window in header.windows}
    ranks = {window: rank for rank, window in enumerate(sorted(sizes, key=lambda index: -sizes[index]))}
    finals = [event for event in events if isinstance(event, EstimateEvent) and event.final]
    order = list(dict.fromkeys(ranks[event.window] for event in finals))
    # Two windows are open at a time, so neighbours may change places.
    assert all(abs(rank - place) <= 1 for place, rank in enumerate(order))
    assert len(order) == len(explanation.windows)
    for window in explanation.windows:
        own = [event.target for event in finals if event.window == window.index]
        assert own == list(window.targets), "all at once"


def test_messages_stay_small_whatever_the_number_of_targets(live: LiveServer) -> None:
    request = pb.StreamExplainRequest()
    request.request.model = "bert-entities"
    request.request.token_classification.text = " ".join(SENTENCES * 25)
    request.request.options.long_input.window.stride = 126
    request.request.options.fixed_steps.n_steps = 1
    folder, kinds = StreamFolder((request.request.token_classification.text,)), set()
    with grpc.insecure_channel(live.address) as channel:
        for event in ExplanationServiceStub(channel).StreamExplain(request, timeout=250):
            kinds.add(event.WhichOneof("event"))
            assert event.ByteSize() < 256 << 10
            assert not event.progress.unexplained, "it has no room for so many"
            folder.feed(event)
    explanation = folder.result()
    assert len(explanation.targets) > 2500
    assert kinds == {"header", "more_header", "estimate", "progress", "more_targets", "summary"}
    assert_explained_once(explanation)
    assert_adds_up(explanation)


def test_the_unary_answer_is_the_streams(client: Client, document: Explanation) -> None:
    with client.stream("bert-entities", TokenClassification(TEXT), n_steps=3) as stream:
        streamed = stream.result()
    assert streamed.tokens == document.tokens
    assert streamed.token_predictions == document.token_predictions
    for one, other in zip(document.targets, streamed.targets, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_the_drop_in_takes_windows(client: Client) -> None:
    explainer = TokenClassificationExplainer(client, "bert-entities")
    with pytest.raises(InvalidRequestError):
        explainer(TEXT, n_steps=1)
    found = explainer(TEXT, n_steps=1, long_input=Window(stride=126), ignored_labels=ENTITY_LABELS[1:])
    explanation = explainer.explanation
    assert explanation is not None
    assert explainer.predicted_class_names == [each.label for each in explanation.token_predictions]
    assert explainer.attributions is not None
    for target in explanation.targets:
        index = target.target.token or 0
        spelt = explanation.tokens[index].text
        assert found[spelt]["label"] == "O"
        scores = explainer.attributions[index].word_attributions
        assert [token for token, _ in scores] == [
            explanation.tokens[place].text for place in explanation.places_of(target.target.window or 0)
        ]
    assert explainer.visualize().data == explanation.html()


def test_the_command_line_explains_a_files_labels(live: LiveServer, tmp_path: Path) -> None:
    source, page = tmp_path / "report.txt", tmp_path / "report.html"
    source.write_text(TEXT, encoding="utf-8")
    arguments = ["explain", "--tokens", "--file", str(source), "-m", "bert-entities", "--n-steps", "1"]
    ignored = ["--ignore-label", "O", "--ignore-label", ENTITY_LABELS[1]]
    result = CliRunner().invoke(app, [*arguments, *ignored, "--server", live.address, "--html", str(page)])
    assert result.exit_code == 0, result.output
    assert " targets; the worst is off by " in result.output
    html = page.read_text(encoding="utf-8")
    links = re.findall(r'href="#([^"]+)"', html)
    assert links
    assert links == re.findall(r'id="([^"]+)"', html)
    as_json = CliRunner().invoke(app, [*arguments, *ignored, "--server", live.address, "--json"])
    read = json.loads(as_json.stdout)
    assert len(read["token_predictions"]) == len(read["tokens"]) > 128
    assert {target["target"]["label"] for target in read["targets"]} <= set(ENTITY_LABELS[2:])


@pytest.mark.parametrize(
    ("options", "task", "field", "words"),
    [
        ({"long_input": Window(stride=127)}, TokenClassification(TEXT), "window.stride", "127"),
        (
            {"long_input": Window(aggregate=Aggregate.MAX)},
            TokenClassification(TEXT),
            "window.aggregate",
            "not aggregated",
        ),
        ({}, TokenClassification(TEXT, [100_000]), "ignored_indexes[0]", "no token 100000"),
    ],
)
def test_bad_input_is_told_with_its_field(
    client: Client, options: dict[str, Any], task: TokenClassification, field: str, words: str
) -> None:
    with pytest.raises(InvalidRequestError, match=words) as raised:
        client.explain("bert-entities", task, **options)
    assert raised.value.violations[0].field.endswith(field)
