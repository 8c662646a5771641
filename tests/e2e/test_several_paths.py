"""Answers that are made of several paths: order of events, finals, the unary answer, bad input."""

from collections import Counter
from typing import Any

import pytest

from ligserve.client import (
    Client,
    FailedPreconditionError,
    InvalidRequestError,
    LigserveError,
    MultiLabelClassification,
    PairwiseSequenceClassification,
    Task,
    ZeroShotClassification,
)
from ligserve.client.types.events import EstimateEvent, HeaderEvent, ProgressEvent, SummaryEvent

TEXT = "The film was long, loud and not funny at all; my parents hated it (so did I)!"
# Hypotheses of unequal length, so that paths end at different times.
LABELS = ("movie", "a phone whose battery dies before noon, never again", "soup", "bank")
ZERO_SHOT = ZeroShotClassification(TEXT, LABELS, multi_label=True)
COMPETING = ZeroShotClassification(TEXT, LABELS)


@pytest.mark.parametrize("options", [{"tolerance": 0.002}, {"n_steps": 20}, {"convention": "library"}])
@pytest.mark.parametrize(
    ("model", "task"),
    [
        ("bert-nli", ZERO_SHOT),
        ("bert-nli", COMPETING),
        ("bert", MultiLabelClassification(TEXT)),
        ("bert", PairwiseSequenceClassification(TEXT, "never", targets=[0, 2])),
    ],
    ids=["zero-shot", "competing", "multi-label", "pairwise"],
)
def test_the_stream_is_the_unary_answer_bit_for_bit(
    client: Client, model: str, task: Task, options: dict[str, Any]
) -> None:
    unary = client.explain(model, task, **options)
    with client.stream(model, task, **options) as stream:
        streamed = stream.result()
    assert unary.targets == streamed.targets
    assert unary.tokens == streamed.tokens
    assert unary.prediction == streamed.prediction
    assert unary.hypotheses == streamed.hypotheses


def test_the_header_comes_first_and_every_final_once(client: Client) -> None:
    with client.stream("bert-nli", ZERO_SHOT, tolerance=0.0005) as stream:
        events = [event for event in stream if not isinstance(event, ProgressEvent)]
    header, *estimates, summary = events
    assert isinstance(header, HeaderEvent)
    assert isinstance(summary, SummaryEvent)
    assert [target.window for target in header.targets] == [0, 1, 2, 3]
    assert header.prediction is not None
    assert len(header.prediction.probabilities) == len(LABELS)
    finals: Counter[tuple[int, int]] = Counter()
    for event in estimates:
        assert isinstance(event, EstimateEvent)
        assert event.window == event.target
        finals[event.target, event.window] += event.final
    assert finals == {(number, number): 1 for number in range(len(LABELS))}
    assert len(summary.targets) == len(LABELS)
    assert summary.cost.points == sum(target.points for target in summary.targets)


def test_a_label_alone_gets_the_scores_that_it_gets_among_others(client: Client) -> None:
    together = client.explain("bert-nli", ZERO_SHOT, n_steps=20)
    for number, label in enumerate(LABELS):
        task = ZeroShotClassification(TEXT, [label], multi_label=True)
        alone = client.explain("bert-nli", task, n_steps=20)
        assert together.targets[number].scores == pytest.approx(alone.targets[0].scores, abs=1e-6)


def test_a_stream_that_is_left_early_frees_the_server(client: Client) -> None:
    many = ZeroShotClassification(TEXT, [f"label {n}" for n in range(40)], multi_label=True)
    with client.stream("bert-nli", many, n_steps=500) as stream:
        next(event for event in stream if isinstance(event, HeaderEvent))
    assert client.explain("bert", MultiLabelClassification("soup"), n_steps=5).targets


ZERO, PAIR, MULTI = (
    "zero_shot_classification",
    "pairwise_sequence_classification",
    "multi_label_classification",
)


@pytest.mark.parametrize(
    ("task", "field"),
    [
        (ZeroShotClassification(" ", ["a"], multi_label=True), f"{ZERO}.text"),
        (ZeroShotClassification("a", [], multi_label=True), f"{ZERO}.labels"),
        (ZeroShotClassification("a", ["x"] * 1001, multi_label=True), f"{ZERO}.labels"),
        (ZeroShotClassification("a", ["x", " "], multi_label=True), f"{ZERO}.labels[1]"),
        (ZeroShotClassification("a", ["x"], "about", multi_label=True), f"{ZERO}.hypothesis_template"),
        (ZeroShotClassification("a", ["x"], "{} {}", multi_label=True), f"{ZERO}.hypothesis_template"),
        (ZeroShotClassification("a", ["so " * 200], multi_label=True), f"{ZERO}.labels[0]"),
        (ZeroShotClassification("so " * 200, ["a"], multi_label=True), f"{ZERO}.text"),
        (ZeroShotClassification("\x01", ["a"], multi_label=True), f"{ZERO}.text"),
        (ZeroShotClassification("a", ["x", "\x01"], "{}", multi_label=True), f"{ZERO}.labels[1]"),
        (PairwiseSequenceClassification("", "a"), f"{PAIR}.text1"),
        (PairwiseSequenceClassification("a", "\n"), f"{PAIR}.text2"),
        (PairwiseSequenceClassification("a", "so " * 200), f"{PAIR}.text2"),
        (PairwiseSequenceClassification("a", "b", [3]), f"{PAIR}.targets[0].label"),
        (PairwiseSequenceClassification("a", "b", (), ["x"]), f"{PAIR}.custom_labels"),
        (MultiLabelClassification(""), f"{MULTI}.text"),
        (MultiLabelClassification("a", ["contradiction", "nonsense"]), f"{MULTI}.labels[1]"),
        (MultiLabelClassification("a", [0] * 1001), f"{MULTI}.labels"),
        (MultiLabelClassification("a", (), ["x", "x", "y"]), f"{MULTI}.custom_labels[1]"),
    ],
)
@pytest.mark.parametrize("convention", ["faithful", "library"])
def test_bad_input_is_told_with_its_field(client: Client, task: Task, field: str, convention: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        client.explain("bert-nli", task, convention=convention, long_input="refuse")
    assert [violation.field for violation in raised.value.violations] == [field]


@pytest.mark.parametrize(
    ("model", "task", "convention", "error", "reason"),
    [
        ("bert", ZERO_SHOT, "faithful", FailedPreconditionError, "EXPLAINER_UNSUPPORTED"),
        ("bert-odd-nli", ZERO_SHOT, "library", FailedPreconditionError, "LIBRARY_CONVENTION_UNSUPPORTED"),
        (
            "bert-1",
            MultiLabelClassification("a"),
            "faithful",
            FailedPreconditionError,
            "EXPLAINER_UNSUPPORTED",
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    client: Client, model: str, task: Task, convention: str, error: type[LigserveError], reason: str
) -> None:
    with pytest.raises(error) as raised:
        client.explain(model, task, convention=convention)
    assert raised.value.reason == reason
