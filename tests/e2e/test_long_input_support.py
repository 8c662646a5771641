"""What ModelService tells of long texts is what requests can ask for."""

import json

import pytest
from typer.testing import CliRunner

from ligserve.client import (
    Aggregate,
    Client,
    Convention,
    InvalidRequestError,
    LongInputPolicy,
    LongInputSupport,
    MultiLabelClassification,
    PairwiseSequenceClassification,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    UnimplementedError,
    Window,
    ZeroShotClassification,
)
from ligserve.client.cli.app import app
from ligserve.client.options import LongInputLike
from ligserve.client.tasks import Task
from tests.live_server import LiveServer

TEXT = "The film was long."
TASKS: dict[str, tuple[str, Task]] = {
    "sequence_classification": ("bert", SequenceClassification(TEXT)),
    "pairwise_sequence_classification": ("bert", PairwiseSequenceClassification(TEXT, TEXT)),
    "multi_label_classification": ("bert", MultiLabelClassification(TEXT)),
    "zero_shot_classification": ("bert-nli", ZeroShotClassification(TEXT, ["soup"])),
    "token_classification": ("bert-entities", TokenClassification(TEXT, [0, 1, 2, 3])),
}


def told(client: Client, model: str, explainer: str) -> tuple[LongInputSupport, ...]:
    (support,) = [each for each in client.model(model).explainers if each.explainer == explainer]
    assert tuple(each.convention for each in support.long_inputs) == support.conventions
    return support.long_inputs


def can_be_asked(
    client: Client, model: str, task: Task, convention: Convention, long_input: LongInputLike
) -> bool:
    try:
        client.explain(model, task, convention=convention, long_input=long_input, n_steps=1)
    except UnimplementedError:
        return False
    except InvalidRequestError as error:
        if [violation.field for violation in error.violations] != ["options.long_input.window.aggregate"]:
            raise
        return False
    return True


def assert_told_as_it_is(client: Client, model: str, explainer: str, task: Task) -> None:
    for support in told(client, model, explainer):
        convention = support.convention
        for policy in LongInputPolicy:
            asked = can_be_asked(client, model, task, convention, policy)
            assert asked == (policy in support.policies), (convention, policy)
        if LongInputPolicy.WINDOW not in support.policies:
            continue
        # Where windows are not aggregated, the client's default stands for nothing.
        aggregates = support.aggregates or (Aggregate.MEAN,)
        for aggregate in Aggregate:
            asked = can_be_asked(client, model, task, convention, Window(aggregate=aggregate))
            assert asked == (aggregate in aggregates), (convention, aggregate)


@pytest.mark.parametrize("explainer", TASKS)
def test_what_is_told_can_be_asked_for(client: Client, explainer: str) -> None:
    model, task = TASKS[explainer]
    assert_told_as_it_is(client, model, explainer, task)


def test_what_is_told_of_answers_can_be_asked_for(qa_client: Client) -> None:
    assert_told_as_it_is(qa_client, "bert", "question_answering", QuestionAnswering(TEXT, TEXT))
    supports = told(qa_client, "bert", "question_answering")
    assert {each.convention: each.default_policy for each in supports} == {
        Convention.LIBRARY: LongInputPolicy.REFUSE,
        Convention.FAITHFUL: LongInputPolicy.WINDOW,
    }
    assert {each.aggregates for each in supports} == {()}


def test_the_default_is_what_a_request_without_a_policy_gets(client: Client) -> None:
    task = SequenceClassification(f"{TEXT} " * 60)
    for support in told(client, "bert", "sequence_classification"):
        if support.default_policy is LongInputPolicy.REFUSE:
            with pytest.raises(InvalidRequestError, match="takes at most 128"):
                client.explain("bert", task, convention=support.convention, n_steps=1)
        else:
            explanation = client.explain("bert", task, convention=support.convention, n_steps=1)
            shares = {window.share for window in explanation.windows}
            assert shares == {1 / len(explanation.windows)}, support.aggregates[0]


def test_images_are_not_long(image_client: Client) -> None:
    for support in image_client.model("vit").explainers:
        assert support.long_inputs == ()


def test_the_command_line_tells_of_long_texts(qa_live: LiveServer) -> None:
    result = CliRunner().invoke(app, ["models", "--server", qa_live.address], env={"COLUMNS": "400"})
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("bert ")]
    assert "refuse, window, truncate" in line
    result = CliRunner().invoke(app, ["models", "--server", qa_live.address, "--json"])
    (bert,) = [model for model in json.loads(result.output) if model["name"] == "bert"]
    (support,) = bert["explainers"]
    assert support["long_inputs"][0] == {
        "convention": "library",
        "policies": ["refuse", "window", "truncate"],
        "default_policy": "refuse",
        "aggregates": [],
    }
