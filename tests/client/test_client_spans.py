"""Answers to questions and labels of tokens in an explanation: what they hold, and how they are shown."""

import json
from io import StringIO

import pytest
from rich.console import Console

from ligserve.client import (
    AsyncClient,
    Explanation,
    MalformedAnswerError,
    QuestionAnswering,
    TokenClassification,
)
from ligserve.client.folding import fold_answer
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.scripted_answer import to_answer
from tests.client.scripted_server import Script
from tests.client.scripted_spans import ANSWER_PROBABILITY, TAG_PROBABILITY, label_messages

QUESTION, CONTEXT = "Where is Ada?", "Ada 🙂 lives\nin London"
TEXT = "great great Ada Lovelace lives in London"


def shown(explanation: Explanation) -> str:
    out = StringIO()
    Console(file=out, width=200, color_system=None).print(explanation)
    return out.getvalue()


async def answered(script: Script, client: AsyncClient, ends: tuple[int, int] | None = None) -> Explanation:
    script.answer = ends
    return await client.explain("squad", QuestionAnswering(QUESTION, CONTEXT))


async def test_an_answer_is_a_slice_of_the_context(script: Script, client: AsyncClient) -> None:
    explanation = await answered(script, client, (8, 9))
    answer = explanation.answer
    assert answer is not None
    assert (answer.text, answer.probability) == ("in London", ANSWER_PROBABILITY)
    assert CONTEXT[answer.start : answer.end] == answer.text
    assert [token.text for token in explanation.answer_tokens] == ["Ġin", "ĠLondon"]
    assert explanation.prediction is None
    assert (explanation.answer_target("start"), explanation.answer_target("end")) == (0, 1)
    assert explanation.targets[1].target.answer_end == "end"
    words = explanation.words(explanation.answer_target("end"))
    assert [(word.segment, word.text) for word in words][:4] == [
        (0, "Where"),
        (0, "is"),
        (0, "Ada?"),
        (1, "Ada"),
    ]
    assert all((QUESTION, CONTEXT)[word.segment][word.start : word.end] == word.text for word in words)


async def test_targets_are_found_by_what_they_are_about(script: Script, client: AsyncClient) -> None:
    explanation = await client.explain("ner", TokenClassification(TEXT, [0], "O"))
    assert [target.target.token for target in explanation.targets] == [3, 4, 7]
    assert explanation.token_target(4) == 1
    with pytest.raises(LookupError, match="no target is about token 1"):
        explanation.token_target(1)
    with pytest.raises(LookupError, match="no target is about the answer's start"):
        explanation.answer_target("start")
    with pytest.raises(ValueError, match="end must be one of"):
        explanation.answer_target("middle")
    with pytest.raises(LookupError):
        explanation.answer_target("unspecified")


async def test_repeated_tokens_stay_apart(script: Script, client: AsyncClient) -> None:
    explanation = await client.explain("ner", TokenClassification(TEXT))
    assert len(explanation.targets) == len(explanation.tokens) == len(explanation.token_predictions)
    first, second = (explanation.targets[explanation.token_target(place)] for place in (1, 2))
    assert (first.label, second.label) == ("O", "O")
    assert first.scores != second.scores
    assert (str(first.target), str(second.target)) == ("O of token 1", "O of token 2")
    assert [(each.label, each.text, each.probability) for each in explanation.entities()] == [
        ("PER", "Ada Lovelace", TAG_PROBABILITY),
        ("LOC", "London", TAG_PROBABILITY),
    ]


async def test_json_has_answers_labels_and_entities(script: Script, client: AsyncClient) -> None:
    explanation = await answered(script, client)
    read = json.loads(json.dumps(explanation.to_dict()))
    assert read["answer"]["text"] == "London"
    assert [target["target"]["answer_end"] for target in read["targets"]] == ["start", "end"]
    assert read["entities"] == []
    labels = await client.explain("ner", TokenClassification(TEXT, ignored_labels=["O"]))
    read = json.loads(json.dumps(labels.to_dict()))
    assert [entity["text"] for entity in read["entities"]] == ["Ada Lovelace", "London"]
    assert read["token_predictions"][3]["label"] == "B-PER"


async def test_an_answer_is_shown_with_its_ends(script: Script, client: AsyncClient) -> None:
    explanation = await answered(script, client, (8, 9))
    out, html = shown(explanation), explanation.html()
    for expected in (
        "answer in London 0.6250  by squad, faithful convention",
        "why start of the answer: in (token 8)",
        "why end of the answer: London (token 9)",
        QUESTION,
        "Ada 🙂 lives",
    ):
        assert expected in out
    for expected in ("in London (0.62)", "start of the answer: in (token 8)", "London (token 9): scores add"):
        assert expected in html
    assert html.count("<tr>") == 3


async def test_an_answer_over_lines_is_one_line_above_the_text(script: Script, client: AsyncClient) -> None:
    explanation = await answered(script, client, (7, 9))
    assert "answer lives in London 0.6250  by squad" in shown(explanation)
    assert explanation.answer is not None
    assert explanation.answer.text == "lives\nin London"


@pytest.mark.parametrize("ends", [(9, 8), (2, 2), (500, 500)], ids=str)
async def test_an_answer_that_is_no_span_is_shown_as_such(
    script: Script, client: AsyncClient, ends: tuple[int, int]
) -> None:
    explanation = await answered(script, client, ends)
    assert "answer no span of the context 0.6250" in shown(explanation)
    assert "no span of the context (0.62)" in explanation.html()


async def test_labels_are_shown_in_a_row_each(script: Script, client: AsyncClient) -> None:
    explanation = await client.explain("ner", TokenClassification(TEXT))
    lines = shown(explanation).splitlines()
    assert lines[0] == "PER Ada Lovelace 0.8750  LOC London 0.8750  by ner, faithful convention"
    rows = [line for line in lines if line.rstrip().endswith(TEXT)]
    captions = [row.split("  ")[0] for row in rows]
    assert captions == [
        "O: [CLS] (token 0)",
        "O: great (token 1)",
        "O: great (token 2)",
        "B-PER: Ada (token 3)",
        "I-PER: Lovelace (token 4)",
        "O: lives (token 5)",
        "O: in (token 6)",
        "B-LOC: London (token 7)",
        "O: [SEP] (token 8)",
    ]
    assert "9 targets; the worst is off by 1.0e-05, at most 1.0e-04; 50 points, stopped by tolerance" in lines
    html = explanation.html()
    assert html.count("<tr>") == 10
    assert "I-PER (0.88)" in html
    assert all(f"<b>{caption}</b>" in html for caption in captions)


async def test_what_is_left_when_all_is_ignored(script: Script, client: AsyncClient) -> None:
    explanation = await client.explain("ner", TokenClassification("so it is", ignored_labels="O"))
    assert explanation.targets == ()
    out = shown(explanation)
    assert "no explained entity  by ner" in out
    assert "nothing was explained" in out
    assert explanation.html().count("<tr>") == 1


async def test_labels_are_streamed(script: Script, client: AsyncClient) -> None:
    task = TokenClassification(TEXT, ignored_labels="O")
    async with client.stream("ner", task, output_space="logit") as stream:
        explanation = await stream.result()
    assert [target.label for target in explanation.targets] == ["B-PER", "I-PER", "B-LOC"]
    assert script.requests[0].options.output_space == pb.OUTPUT_SPACE_LOGIT


def test_labels_of_other_tokens_than_the_header_s_are_refused() -> None:
    request = service_pb.ExplainRequest()
    request.token_classification.text = TEXT
    answer = to_answer(label_messages(request))
    answer.header.targets[0].token = 9
    with pytest.raises(MalformedAnswerError, match="about a token that is not in the header"):
        fold_answer(answer, (TEXT,))
    answer.header.targets[0].token = 0
    predictions = answer.header.windows[0].token_predictions
    del predictions.predicted[0]
    with pytest.raises(MalformedAnswerError, match="45 logits came for 8 tokens and 5 labels"):
        fold_answer(answer, (TEXT,))
    del predictions.probabilities[:5], predictions.logits[:5]
    with pytest.raises(MalformedAnswerError, match="8 predictions came for 9 tokens"):
        fold_answer(answer, (TEXT,))
    predictions.predicted[0] = 5
    with pytest.raises(MalformedAnswerError, match="label 5 is predicted, but there are 5"):
        fold_answer(answer, (TEXT,))
