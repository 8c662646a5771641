"""Tasks and options on their way to the wire."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligserve.client import (
    Accuracy,
    ClassTarget,
    ExplainOptions,
    ImageClassification,
    InvalidRequestError,
    MultiLabelClassification,
    NoiseTunnel,
    OutputSpace,
    PairwiseSequenceClassification,
    Precision,
    QuestionAnswering,
    ReferenceText,
    SequenceClassification,
    Task,
    TokenClassification,
    Window,
    ZeroShotClassification,
)
from ligserve.client.requests import explain_request
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb

PLAIN = ExplainOptions()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
UINTS = st.integers(0, 2**32 - 1)
REFERENCES = st.none() | UINTS | TEXTS
TARGETS = st.builds(ClassTarget, REFERENCES, REFERENCES, st.none() | st.sampled_from(OutputSpace))

EVERY_TASK: list[Task] = [
    SequenceClassification("a", ["X", 1, ClassTarget("X", versus=0)], ["n", "p"]),
    PairwiseSequenceClassification("a", "b", [1], ["n"], flip_sign=True),
    MultiLabelClassification("a", ["X", 2], ["n"]),
    ZeroShotClassification("a", ["x", "y"], "about {}", include_hypothesis=True, multi_label=True),
    QuestionAnswering("q", "c", max_answer_tokens=9),
    TokenClassification("a", [0, 3], ["O"]),
    ImageClassification(b"png", [1], ["n"], NoiseTunnel(samples=3, stdev=0.5, seed=2**63)),
]


def read_target(target: Any) -> ClassTarget:
    def read(field: str) -> int | str | None:
        reference = getattr(target, field)
        kind = reference.WhichOneof("reference")
        return getattr(reference, kind) if kind else None

    space = pb.OutputSpace.Name(target.output_space).removeprefix("OUTPUT_SPACE_").lower()
    return ClassTarget(read("label"), read("versus"), None if space == "unspecified" else space)


@pytest.mark.parametrize("task", EVERY_TASK, ids=lambda task: type(task).__name__)
def test_every_explainer_has_a_task(task: Task) -> None:
    request = explain_request("m", task, PLAIN)
    field = request.WhichOneof("explainer")
    assert field is not None
    assert field.replace("_", "") == type(task).__name__.lower()
    filled = {descriptor.name for descriptor, _ in getattr(request, field).ListFields()}
    for descriptor in getattr(request, field).DESCRIPTOR.fields:
        among = descriptor.containing_oneof
        others = {each.name for each in among.fields} if among else set()
        assert filled & {descriptor.name, *others}, descriptor.name


def test_there_are_as_many_tasks_as_explainers() -> None:
    explainers = service_pb.ExplainRequest.DESCRIPTOR.oneofs_by_name["explainer"].fields
    assert len(EVERY_TASK) == len(explainers)


@given(TEXTS, st.lists(TARGETS, max_size=3), st.lists(TEXTS, max_size=3))
def test_a_task_survives_the_wire(text: str, targets: list[ClassTarget], labels: list[str]) -> None:
    task = SequenceClassification(text, targets, labels)
    request = explain_request("m", task, PLAIN)
    sent = service_pb.ExplainRequest.FromString(request.SerializeToString()).sequence_classification
    read = SequenceClassification(sent.text, map(read_target, sent.targets), sent.custom_labels)
    assert read == task


def test_a_target_takes_the_name_of_a_space_alone() -> None:
    assert ClassTarget(0, output_space="log_odds").output_space is OutputSpace.LOG_ODDS
    for wrong in ("logits", "PROBABILITY", 1):
        with pytest.raises(ValueError, match="output_space must be one of probability, log_odds, logit"):
            ClassTarget(0, output_space=wrong)  # type: ignore[arg-type]


def test_targets_have_short_forms() -> None:
    assert SequenceClassification("a", "X") == SequenceClassification("a", [ClassTarget("X")])
    assert SequenceClassification("a", 1) == SequenceClassification("a", (1,))
    assert MultiLabelClassification("a", "X").labels == ("X",)
    assert ZeroShotClassification("a", "X").labels == ("X",)


LONE = "\ud800"
UNSENDABLE = [
    (SequenceClassification(LONE), {}, "sequence_classification.text"),
    (SequenceClassification("a", [0, LONE]), {}, "sequence_classification.targets[1].label.name"),
    (SequenceClassification("a", [-1]), {}, "sequence_classification.targets[0].label.index"),
    (
        SequenceClassification("a", [ClassTarget(0, versus=2**32)]),
        {},
        "sequence_classification.targets[0].versus.index",
    ),
    (SequenceClassification("a", (), ["b", LONE]), {}, "sequence_classification.custom_labels[1]"),
    (MultiLabelClassification("a", [LONE]), {}, "multi_label_classification.labels[0].name"),
    (ZeroShotClassification("a", [LONE]), {}, "zero_shot_classification.labels[0]"),
    (QuestionAnswering("q", LONE), {}, "question_answering.context"),
    (TokenClassification("a", [-3]), {}, "token_classification.ignored_indexes[0]"),
    (SequenceClassification("a"), {"n_steps": -1}, "options.fixed_steps.n_steps"),
    (SequenceClassification("a"), {"max_points": 2**40}, "options.tolerance.max_points"),
    (
        SequenceClassification("a"),
        {"baseline": ["pad_token", ReferenceText(LONE)]},
        "options.baselines[1].reference_text",
    ),
    (SequenceClassification("a"), {"long_input": Window(-1)}, "options.long_input.window.stride"),
]


@pytest.mark.parametrize(("task", "options", "path"), UNSENDABLE, ids=lambda value: str(value)[:40])
def test_what_the_wire_cannot_carry_is_named(task: Task, options: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        explain_request("m", task, ExplainOptions(**options))
    assert [violation.field for violation in caught.value.violations] == [path]
    str(caught.value).encode()


def test_every_violation_is_told_at_once() -> None:
    with pytest.raises(InvalidRequestError, match=r"model.*text1.*text2"):
        explain_request(LONE, PairwiseSequenceClassification(LONE, LONE), PLAIN)


def test_a_text_must_be_a_string() -> None:
    with pytest.raises(TypeError, match=r"sequence_classification\.text must be a string, is list"):
        explain_request("m", SequenceClassification(["a"]), PLAIN)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"tolerance": 0.1, "n_steps": 5},
        {"accuracy": "fast", "n_steps": 5},
        {"accuracy": "fast", "tolerance": 0.05},
        {"accuracy": "faster"},
        {"max_points": 99, "rule": "midpoint"},
        {"convention": "nobody's"},
        {"baseline": "pad"},
        {"output_space": "logits"},
        {"long_input": "cut"},
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"timeout": 10**400},
        {"timeout": 1e9},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"one of|not both|timeout"):
        ExplainOptions(**options)


@pytest.mark.parametrize("value", ["1", True, [1], 1j], ids=repr)
@pytest.mark.parametrize("name", ["tolerance", "n_steps", "max_points", "timeout"])
def test_a_number_of_the_wrong_type_is_named(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be an? (number|int), is {type(value).__name__}"):
        ExplainOptions(**{name: value})


def test_whole_numbers_are_ints() -> None:
    with pytest.raises(TypeError, match="n_steps must be an int, is float"):
        ExplainOptions(n_steps=5.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"max_answer_tokens must be an int, is str"):
        explain_request("m", QuestionAnswering("q", "c", "9"), PLAIN)  # type: ignore[arg-type]


def test_options_are_left_to_the_server_unless_given() -> None:
    assert explain_request("m", SequenceClassification("a"), PLAIN).options.ByteSize() == 0


def test_named_accuracies_are_tolerances() -> None:
    tolerances = {each.value: each.tolerance for each in Accuracy}
    assert tolerances == {"fast": 0.05, "standard": 0.01, "exact": 0.001}


def test_accuracy_is_sent_as_given() -> None:
    task = SequenceClassification("a")
    sent = explain_request("m", task, ExplainOptions(n_steps=0, rule="midpoint")).options
    assert sent.fixed_steps.HasField("n_steps")
    adaptive = explain_request("m", task, ExplainOptions(tolerance=0.0, max_points=17)).options.tolerance
    assert adaptive.HasField("relative")
    assert adaptive.max_points == 17
    named = explain_request("m", task, ExplainOptions(accuracy="exact", max_points=99)).options.tolerance
    assert (named.relative, named.max_points) == (0.001, 99)
    windows = explain_request("m", task, ExplainOptions(long_input=Window(stride=4))).options.long_input
    assert windows.window.stride == 4
    refused = explain_request("m", task, ExplainOptions(long_input="refuse")).options.long_input
    assert refused.WhichOneof("policy") == "refuse"


@pytest.mark.parametrize("precision", list(Precision))
def test_every_precision_has_a_number_on_the_wire(precision: Precision) -> None:
    request = explain_request("m", SequenceClassification("a"), ExplainOptions(precision=precision.value))
    assert pb.Precision.Name(request.options.precision) == f"PRECISION_{precision.name}"
