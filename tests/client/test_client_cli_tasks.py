"""`ligserve explain`, explainer by explainer."""

import json

import pytest

from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.command import run
from tests.client.scripted_server import Script

TEXT = "Ada lives in London"


async def asked(script: Script, *options: str) -> service_pb.ExplainRequest:
    done = await run("explain", TEXT, "-m", "m", *options, script=script)
    assert (done.code, done.err) == (0, "")
    return script.requests[-1]


async def test_a_pair(script: Script) -> None:
    task = (await asked(script, "--pair", "She does.", "--class", "1")).pairwise_sequence_classification
    assert (task.text1, task.text2) == (TEXT, "She does.")
    assert task.targets[0].label.index == 1


async def test_every_label_or_some(script: Script) -> None:
    assert not (await asked(script, "--multi-label")).multi_label_classification.labels
    task = (await asked(script, "--multi-label", "-c", "joy", "-c", "2")).multi_label_classification
    assert task.text == TEXT
    assert [label.name or label.index for label in task.labels] == ["joy", 2]


async def test_candidate_labels(script: Script) -> None:
    options = ("-l", "town", "--label", "soup", "--hypothesis", "It is about {}.", "--multi-label")
    task = (await asked(script, *options)).zero_shot_classification
    assert (list(task.labels), task.hypothesis_template) == (["town", "soup"], "It is about {}.")
    assert task.multi_label
    plain = (await asked(script, "--label", "town")).zero_shot_classification
    assert not plain.multi_label
    assert not plain.HasField("hypothesis_template")


async def test_a_question(script: Script) -> None:
    done = await run("explain", "-", "-q", "Where?", "-m", "squad", script=script, stdin=TEXT.encode())
    task = script.requests[-1].question_answering
    assert (task.question, task.context) == ("Where?", TEXT)
    for expected in ("answer London 0.6250", "why start of the answer: London", TEXT):
        assert expected in done.out


async def test_tokens(script: Script) -> None:
    done = await run("explain", TEXT, "--tokens", "--ignore-label", "O", "-m", "ner", script=script)
    task = script.requests[-1].token_classification
    assert (task.text, list(task.ignored_labels)) == (TEXT, ["O"])
    assert done.out.startswith("PER Ada 0.8750  LOC London 0.8750")
    assert f"B-LOC: London (token 4)  {TEXT}\n" in done.out
    machine = await run("explain", TEXT, "--tokens", "--json", "-m", "ner", script=script)
    read = json.loads(machine.out)
    assert [target["target"]["token"] for target in read["targets"]] == list(range(6))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--pair", "a", "--question", "b"), "different explainers"),
        (("--tokens", "--multi-label"), "different explainers"),
        (("--tokens", "--label", "a"), "different explainers"),
        (("--question", "a", "--class", "b"), "--class"),
        (("--label", "a", "--class", "b"), "--class"),
        (("--hypothesis", "{}"), "--label"),
        (("--ignore-label", "O"), "--tokens"),
    ],
    ids=" ".join,
)
async def test_options_that_do_not_go_together(options: tuple[str, ...], words: str) -> None:
    done = await run("explain", TEXT, "-m", "m", *options)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err
    assert words in done.err
