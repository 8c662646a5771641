"""Long premises on the real server: windows beside every label's hypothesis, put together by the client."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from typer.testing import CliRunner

from ligserve.client import (
    AsyncClient,
    Client,
    EstimateEvent,
    Explanation,
    HeaderEvent,
    InvalidRequestError,
    ProgressEvent,
    Window,
    ZeroShotClassification,
    ZeroShotClassificationExplainer,
)
from ligserve.client.cli.app import app
from ligserve.client.document_scores import RunningScores
from tests.conftest import NLI_LABELS, ZooModel
from tests.live_server import LiveServer
from tests.zoo.corpus import SENTENCES

# Some 270 tokens for the zoo's models, which take 128.
TEXT = "\n\n".join(" ".join(SENTENCES[2 * n : 2 * n + 2]) for n in range(5)) * 2
# Hypotheses of unequal length.
LABELS = ("movie", "a phone whose battery dies", "soup")
TEMPLATE = "It is about {}, is it?"
HYPOTHESES = tuple(TEMPLATE.format(label) for label in LABELS)
ALONE = ZeroShotClassification(TEXT, LABELS, TEMPLATE, multi_label=True)
COMPETING = ZeroShotClassification(TEXT, LABELS, TEMPLATE)
ALL = Window(stride=60)
ENTAILS, CONTRADICTS = NLI_LABELS.index("entailment"), NLI_LABELS.index("contradiction")


@pytest.fixture(scope="module")
def alone(live: LiveServer) -> Explanation:
    with Client(live.address) as client:
        return client.explain("bert-nli", ALONE, long_input=ALL, tolerance=0.05)


@pytest.fixture(scope="module")
def competing(live: LiveServer) -> Explanation:
    with Client(live.address) as client:
        return client.explain("bert-nli", COMPETING, long_input=ALL, tolerance=0.05)


def check_sums(explanation: Explanation, tolerance: float) -> None:
    for target in explanation.targets:
        change = target.f_input - target.f_baseline
        assert sum(target.scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert abs(sum(target.scores) - change) <= target.error_bound
        assert target.error_bound <= tolerance * max(abs(change), sum(map(abs, target.scores)))
        assert target.stop_reason == "tolerance"


def test_labels_by_themselves_have_tokens_of_their_own(alone: Explanation) -> None:
    check_sums(alone, 0.05)
    assert alone.hypotheses == HYPOTHESES
    assert len(alone.windows) % 3 == 0
    premises = []
    for number, target in enumerate(alone.targets):
        tokens = alone.tokens_of(number)
        assert len(tokens) == len(target.scores)
        assert alone.texts_of(number) == (TEXT, HYPOTHESES[number])
        premises.append([token.id for token in tokens if not (token.special or token.segment)])
        covered = {place for t in tokens if t.segment == 0 for place in range(t.start, t.end)}
        assert covered >= {place for place, char in enumerate(TEXT) if not char.isspace()}
        hypothesis = "".join(word.text for word in alone.words(number) if word.segment == 1)
        assert hypothesis == "".join(HYPOTHESES[number].split())
        own = [window for window in alone.windows if window.candidate == number]
        assert all(window.targets == (number,) for window in own)
        total = sum(sum(scores) for window in own for scores in window.scores)
        assert total == pytest.approx(target.score_sum, abs=1e-9)
    assert premises[0] == premises[1] == premises[2]


def test_a_tokens_score_is_the_sum_over_its_labels_windows(alone: Explanation) -> None:
    for number, target in enumerate(alone.targets):
        tokens = alone.tokens_of(number)
        first = next(place for place, token in enumerate(tokens) if not token.special)
        count = sum(1 for token in tokens if not (token.special or token.segment))
        sums = [0.0] * count
        for window in alone.windows[number::3]:
            own = window.scores[0][first : first + window.token_count]
            for place, score in enumerate(own, window.first_token):
                sums[place] += score
        assert list(target.scores[first : first + count]) == pytest.approx(sums, abs=1e-12)


def test_labels_that_compete_take_from_each_other(competing: Explanation) -> None:
    check_sums(competing, 0.05)
    assert sum(target.f_input for target in competing.targets) == pytest.approx(1.0)
    assert competing.prediction is not None
    for number, target in enumerate(competing.targets):
        assert target.f_input == pytest.approx(competing.prediction.probabilities[number], abs=1e-6)
        assert competing.texts_of(number) == (TEXT, *HYPOTHESES)
        words = competing.words(number)
        assert sum(word.score for word in words) == pytest.approx(
            target.score_sum
            - sum(s for t, s in zip(competing.tokens_of(number), target.scores, strict=True) if t.special),
            abs=1e-9,
        )
        for segment, text in enumerate(competing.texts_of(number)):
            assert "".join(w.text for w in words if w.segment == segment) == "".join(text.split())
        sentences = competing.sentences(number)
        assert sentences[0].text == SENTENCES[0]
        assert len(competing.top(2, number, level="sentence")) == 2
    assert all(window.targets == (0, 1, 2) for window in competing.windows)
    sums = [sum(scores) for scores in zip(*(t.scores for t in competing.targets), strict=True)]
    assert max(map(abs, sums)) <= sum(sum(target.score_errors) for target in competing.targets)


@pytest.mark.parametrize("name", ["alone", "competing"])
def test_pages_hold_every_label(name: str, request: pytest.FixtureRequest) -> None:
    explanation: Explanation = request.getfixturevalue(name)
    html = explanation.html()
    assert html.count("<nav") == 3
    # Marks stand around parts of words.
    shown = re.sub("<[^>]*>", "", html)
    for label, word in zip(LABELS, HYPOTHESES, strict=True):
        assert label in html
        assert word in shown
    plain = explanation.to_dict()
    assert json.loads(json.dumps(plain))["hypotheses"] == list(HYPOTHESES)


def check_what_is_left(explanation: Explanation | None) -> None:
    """At any time the scores so far are off by what is left, and no more than told."""
    for target in explanation.targets if explanation else ():
        assert abs(target.convergence_delta) <= target.error_bound + 1e-9


@pytest.mark.parametrize("task", [ALONE, COMPETING], ids=["alone", "competing"])
def test_the_stream_is_the_unary_answer(client: Client, task: ZeroShotClassification) -> None:
    with client.stream("bert-nli", task, long_input=ALL, n_steps=5) as stream:
        events = []
        for event in stream:
            events.append(event)
            check_what_is_left(stream.so_far())
        streamed = stream.result()
    unary = client.explain("bert-nli", task, long_input=ALL, n_steps=5)
    assert streamed.tokens == unary.tokens
    for one, other in zip(streamed.targets, unary.targets, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
    header = next(event for event in events if isinstance(event, HeaderEvent))
    assert header.document is not None
    assert header.hypotheses == HYPOTHESES
    running = RunningScores(header.document, header.targets)
    for event in events:
        if isinstance(event, EstimateEvent) and event.target == 0:
            running.add(event)
    assert len(running.scores) == header.document.windows[0].row[1]
    assert all(running.known)
    told = [event for event in events if isinstance(event, ProgressEvent) and event.unexplained]
    assert all(event.windows == len(header.windows) and event.windows_done <= event.windows for event in told)


def test_the_largest_window_of_each_label(client: Client) -> None:
    largest = Window(stride=60, aggregate="max")
    explanation = client.explain("bert-nli", ALONE, long_input=largest, tolerance=0.05)
    check_sums(explanation, 0.05)
    for number, target in enumerate(explanation.targets):
        assert target.target.window is not None
        window = explanation.windows[target.target.window]
        assert window.candidate == number
        assert target.target.runner_up_gap is not None
        assert len(explanation.tokens_of(number)) == len(target.scores) <= 128
        assert explanation.texts_of(number) == (TEXT, HYPOTHESES[number])
        words = [word for word in explanation.words(number) if word.segment == 0]
        assert words[0].start == window.start
        assert words[-1].end == window.end
    assert explanation.html().count("<nav") == 3


def test_of_competing_labels_each_has_its_largest_part(client: Client, competing: Explanation) -> None:
    largest = Window(stride=60, aggregate="max")
    with client.stream("bert-nli", COMPETING, long_input=largest, tolerance=0.05) as stream:
        for _ in stream:
            check_what_is_left(stream.so_far())
        explanation = stream.result()
    check_sums(explanation, 0.05)
    unary = client.explain("bert-nli", COMPETING, long_input=largest, tolerance=0.05)
    assert explanation.prediction is not None
    assert sum(explanation.prediction.probabilities) > 1
    for number, target in enumerate(explanation.targets):
        assert target.scores == pytest.approx(unary.targets[number].scores, abs=1e-5)
        assert target.f_input == pytest.approx(explanation.prediction.probabilities[number], abs=1e-6)
        assert target.f_input >= competing.targets[number].f_input
        assert target.target.windows is not None
        own = [explanation.windows[each] for each in target.target.windows]
        assert [window.candidate for window in own] == [0, 1, 2]
        assert len({(window.start, window.end) for window in own}) == 1
        assert all(number in window.targets for window in own)
        assert all(number not in w.targets for w in explanation.windows if w not in own)
        assert target.target.runner_up_gap is not None
        assert len(explanation.tokens_of(number)) == len(target.scores) == len(target.score_errors)
        assert explanation.texts_of(number) == (TEXT, *HYPOTHESES)
        words = explanation.words(number)
        premise = [word for word in words if word.segment == 0]
        assert (premise[0].start, premise[-1].end) == (own[0].start, own[0].end)
        for segment, text in enumerate(HYPOTHESES, 1):
            assert "".join(w.text for w in words if w.segment == segment) == "".join(text.split())
        special = zip(explanation.tokens_of(number), target.scores, strict=True)
        of_words = target.score_sum - sum(score for token, score in special if token.special)
        assert sum(word.score for word in words) == pytest.approx(of_words, abs=1e-9)
    html = explanation.html()
    assert html.count("<nav") == 3
    first = explanation.targets[0].target.window
    assert first is not None
    assert f"in windows {first} to {first + 2}, characters" in html
    told = json.loads(json.dumps(explanation.to_dict()))["targets"]
    assert all(target["target"]["window_count"] == 3 for target in told)


@pytest.mark.parametrize("task", [ALONE, COMPETING], ids=["alone", "competing"])
def test_the_mean_of_logits(client: Client, zoo_model: ZooModel, task: ZeroShotClassification) -> None:
    means = Window(stride=60, aggregate="mean_logits")
    with client.stream("bert-nli", task, long_input=means, tolerance=0.01, estimate_interval=0) as stream:
        known = []
        for _ in stream:
            so_far = stream.so_far()
            deltas = [math.isnan(target.convergence_delta) for target in so_far.targets] if so_far else [True]
            known.append(not any(deltas))
            if known[-1]:
                check_what_is_left(so_far)
        explanation = stream.result()
    # The header cannot tell what there is to explain; from the first progress on it is known.
    assert known.count(True) > 1
    check_sums(explanation, 0.01)
    logits = mean_logits_by_hand(zoo_model("bert", labels=NLI_LABELS), explanation)
    judged = logits[:, ENTAILS] - task.multi_label * logits[:, CONTRADICTS]
    expected = (judged.sigmoid() if task.multi_label else judged.softmax(dim=0)).tolist()
    assert explanation.prediction is not None
    assert explanation.prediction.probabilities == pytest.approx(expected, abs=1e-6)
    unary = client.explain("bert-nli", task, long_input=means, tolerance=0.01)
    for number, target in enumerate(explanation.targets):
        assert target.f_input == pytest.approx(expected[number], abs=1e-6)
        assert target.scores == pytest.approx(unary.targets[number].scores, abs=1e-5)
        assert len(explanation.tokens_of(number)) == len(target.scores)
        own = [window for window in explanation.windows if number in window.targets]
        assert len(own) == len(explanation.windows) // (3 if task.multi_label else 1)
        assert not any(window.changes for window in own)
        assert explanation.sentences(number)[0].text == SENTENCES[0]
    assert explanation.html().count("<nav") == 3


def mean_logits_by_hand(path: Path, explanation: Explanation) -> Tensor:
    """(labels, classes), from each window's text and hypothesis in plain transformers."""
    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(path).eval()
    tokenizer = AutoTokenizer.from_pretrained(path)
    rows = []
    for window in explanation.windows:
        assert window.candidate is not None
        part = TEXT[window.start : window.end]
        with torch.no_grad():
            encoded = tokenizer(part, HYPOTHESES[window.candidate], return_tensors="pt")
            rows.append(model(**encoded).logits[0].double())
    return torch.stack(rows).reshape(-1, 3, len(NLI_LABELS)).mean(dim=0)


@pytest.mark.parametrize("aggregate", ["mean", "max", "mean_logits"])
@pytest.mark.parametrize("alone", [False, True])
def test_a_premise_that_fits_is_plain(client: Client, aggregate: str, *, alone: bool) -> None:
    short = ZeroShotClassification(SENTENCES[0], LABELS, TEMPLATE, multi_label=alone)
    plain = client.explain("bert-nli", short, n_steps=5)
    window = Window(stride=60, aggregate=aggregate)
    windowed = client.explain("bert-nli", short, n_steps=5, long_input=window)
    assert windowed.windows == ()
    assert windowed.targets == plain.targets
    assert windowed.tokens == plain.tokens


def test_a_cut_premise_says_how_much_was_lost(client: Client) -> None:
    for task in (ALONE, COMPETING):
        explanation = client.explain("bert-nli", task, n_steps=3, long_input="truncate")
        (warning,) = [w for w in explanation.warnings if w.code == "TEXT_TRUNCATED"]
        assert f"the last {explanation.truncated_tokens} tokens" in warning.message
        assert len(explanation.targets) == 3


def test_what_cannot_be_is_refused(client: Client) -> None:
    with pytest.raises(InvalidRequestError, match="takes at most 128"):
        client.explain("bert-nli", ALONE, long_input="refuse")
    long = ZeroShotClassification(TEXT, ["soup", " ".join(["movie"] * 110)], TEMPLATE)
    with pytest.raises(InvalidRequestError, match="shorten it") as raised:
        client.explain("bert-nli", long, long_input="window")
    assert [violation.field for violation in raised.value.violations] == [
        "zero_shot_classification.labels[1]"
    ]


def test_drop_ins_take_windows(client: Client) -> None:
    explainer = ZeroShotClassificationExplainer(client, "bert-nli")
    with pytest.raises(InvalidRequestError):
        explainer(TEXT, LABELS, hypothesis_template=TEMPLATE, n_steps=3)
    words = explainer(TEXT, LABELS, hypothesis_template=TEMPLATE, n_steps=3, long_input=ALL)
    assert list(words) == list(LABELS)
    lengths = {len(scores) for scores in words.values()}
    assert len(lengths) == 1
    assert lengths.pop() > 128
    assert explainer.explanation is not None
    assert explainer.explanation.convention == "library"
    assert sum(explainer.pred_probs) == pytest.approx(1.0)
    whole = explainer(
        TEXT, LABELS, hypothesis_template=TEMPLATE, n_steps=3, long_input=ALL, include_hypothesis=True
    )
    assert len(whole[LABELS[1]]) > len(whole[LABELS[0]])
    assert explainer.visualize().data == explainer.explanation.html()


async def test_the_async_client_takes_windows(live: LiveServer, competing: Explanation) -> None:
    async with AsyncClient(live.address) as client:
        explanation = await client.explain("bert-nli", COMPETING, long_input=ALL, tolerance=0.05)
    for one, other in zip(explanation.targets, competing.targets, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_the_command_line_explains_a_file(live: LiveServer, tmp_path: Path) -> None:
    source = tmp_path / "report.txt"
    source.write_text(TEXT, encoding="utf-8")
    labels = [part for label in LABELS for part in ("--label", label)]
    arguments = ["explain", "--file", str(source), "-m", "bert-nli", "--server", live.address, "--json"]
    result = CliRunner().invoke(app, [*arguments, *labels, "--stride", "90", "--tolerance", "0.2"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert len(answer["targets"]) == 3
    assert {window["candidate"] for window in answer["windows"]} == {0, 1, 2}
