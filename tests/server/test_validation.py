"""The table of what is wrong with a request, by field path."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from ligserve.server.validation import violations
from ligserve.v1 import explanation_pb2 as pb2
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1 import model_service_pb2 as model_pb
from tests.server.front_harness import ask

TEXT = "sequence_classification.text"
PAIR = "pairwise_sequence_classification"
MULTI = "multi_label_classification"
ZERO = "zero_shot_classification"
QA = "question_answering"


def paths(request: Message) -> list[str]:
    return [violation.field for violation in violations(request, max_text_chars=10)]


def classify(**fields: Any) -> pb.ExplainRequest:
    return pb.ExplainRequest(model="m", **{"sequence_classification": {"text": "t", **fields}})  # type: ignore[arg-type]


def other(explainer: str, **fields: Any) -> pb.ExplainRequest:
    return pb.ExplainRequest(model="m", **{explainer: fields})  # type: ignore[arg-type]


def library_answer(space: Any) -> pb.ExplainRequest:
    request = other(QA, question="t", context="t")
    request.options.convention = pb2.CONVENTION_LIBRARY
    request.options.output_space = space
    return request


def options(**fields: Any) -> pb.ExplainRequest:
    return ask("t", options=fields)


@pytest.mark.parametrize("text", ["a", "a\0b", "é" * 10, "\u200b", " a "])
def test_texts_that_are_taken(text: str) -> None:
    assert paths(classify(text=text)) == []


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003", "x" * 11])
def test_texts_that_are_not(text: str) -> None:
    assert paths(classify(text=text)) == [TEXT]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (pb.ExplainRequest(), ["model", "explainer"]),
        (classify(targets=[{}] * 65), ["sequence_classification.targets"]),
        (
            classify(targets=[{"output_space": space} for space in range(5)]),
            ["sequence_classification.targets[4].output_space"],
        ),
        (
            other(PAIR, text1="t", text2="t", targets=[{"output_space": -1}]),
            [f"{PAIR}.targets[0].output_space"],
        ),
        (
            classify(targets=[{}, {"label": {"index": 0}}, {"label": {}, "versus": {"name": ""}}]),
            ["sequence_classification.targets[2].label", "sequence_classification.targets[2].versus.name"],
        ),
        (
            classify(custom_labels=["a", "", "a"]),
            ["sequence_classification.custom_labels[1]", "sequence_classification.custom_labels[2]"],
        ),
        (other(PAIR, text1="t", text2=" "), [f"{PAIR}.text2"]),
        (
            other(PAIR, text2="x" * 11, targets=[{"label": {}}], custom_labels=[""]),
            [f"{PAIR}.text1", f"{PAIR}.text2", f"{PAIR}.targets[0].label", f"{PAIR}.custom_labels[0]"],
        ),
        (
            other(MULTI, text="t", labels=[{"index": 0}, {}, {"name": ""}]),
            [f"{MULTI}.labels[1]", f"{MULTI}.labels[2].name"],
        ),
        (other(MULTI, text="t", labels=[{"index": 0}] * 1001), [f"{MULTI}.labels"]),
        (other(ZERO, text="t"), [f"{ZERO}.labels"]),
        (other(ZERO, text="t", labels=["x"] * 1001), [f"{ZERO}.labels"]),
        (other(ZERO, text="", labels=["x", ""]), [f"{ZERO}.text", f"{ZERO}.labels[1]"]),
        (other(ZERO, text="t", labels=["x"], hypothesis_template=""), [f"{ZERO}.hypothesis_template"]),
        (other(ZERO, text="t", labels=["x"], hypothesis_template="{}{}"), [f"{ZERO}.hypothesis_template"]),
        (
            other(ZERO, text="t", labels=["x"], hypothesis_template="{}" + "b" * 9),
            [f"{ZERO}.hypothesis_template"],
        ),
        (other(ZERO, text="t", labels=["x"] * 1000, hypothesis_template="{}"), []),
        (other(QA), [f"{QA}.question", f"{QA}.context"]),
        (other(QA, question="x" * 11, context="\n"), [f"{QA}.question", f"{QA}.context"]),
        (other(QA, question="t", context="t", max_answer_tokens=0), [f"{QA}.max_answer_tokens"]),
        (other(QA, question="t", context="t", max_answer_tokens=513), [f"{QA}.max_answer_tokens"]),
        (other(QA, question="t", context="t", max_answer_tokens=512), []),
        (library_answer(pb2.OUTPUT_SPACE_PROBABILITY), ["options.output_space"]),
        (library_answer(pb2.OUTPUT_SPACE_LOG_ODDS), ["options.output_space"]),
        (library_answer(pb2.OUTPUT_SPACE_LOGIT), []),
        (library_answer(pb2.OUTPUT_SPACE_UNSPECIFIED), []),
        (library_answer(9), ["options.output_space"]),
        (options(convention=9), ["options.convention"]),
        (options(output_space=9), ["options.output_space"]),
        (options(embedding_layer=-1), ["options.embedding_layer"]),
        (options(precision=9), ["options.precision"]),
        (options(baselines=[{}] * 17), ["options.baselines"]),
        (options(fixed_steps={"n_steps": 0}), ["options.fixed_steps.n_steps"]),
        (options(fixed_steps={"n_steps": 10_000_000}), ["options.fixed_steps.n_steps"]),
        (options(fixed_steps={"rule": 7}), ["options.fixed_steps.rule"]),
        (options(tolerance={"max_points": 16}), ["options.tolerance.max_points"]),
        (options(tolerance={"max_points": 16385}), ["options.tolerance.max_points"]),
        (model_pb.ListModelsRequest(page_size=1001), ["page_size"]),
        (model_pb.GetModelRequest(), ["name"]),
    ],
)
def test_violations(request_: Message, expected: list[str]) -> None:
    assert paths(request_) == expected


@pytest.mark.parametrize("relative", [0.0, -0.1, 1.5, float("nan"), float("inf"), -float("inf")])
def test_tolerances_that_are_refused(relative: float) -> None:
    assert paths(options(tolerance={"relative": relative})) == ["options.tolerance.relative"]


@pytest.mark.parametrize(
    "fields",
    [
        {"tolerance": {"relative": 1.0, "max_points": 17}},
        {"tolerance": {}},
        {"fixed_steps": {"n_steps": 4096, "rule": 2}},
        {"fixed_steps": {}},
        {"baselines": [{}]},
    ],
)
def test_options_that_are_taken(fields: dict[str, Any]) -> None:
    assert paths(options(**fields)) == []


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        ({"seconds": 60}, []),
        ({}, []),
        ({"seconds": 61}, ["stream.estimate_interval"]),
        ({"seconds": -1}, ["stream.estimate_interval"]),
        ({"seconds": 2**62}, ["stream.estimate_interval"]),
    ],
)
def test_estimate_interval(interval: dict[str, int], expected: list[str]) -> None:
    stream = pb.StreamOptions(estimate_interval=Duration(**interval))
    request = pb.StreamExplainRequest(request=ask("t"), stream=stream)
    assert paths(request) == expected


def test_a_stream_without_a_request() -> None:
    assert paths(pb.StreamExplainRequest()) == ["model", "explainer"]
