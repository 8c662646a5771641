"""The answer of a question answerer, and the ends that are explained: against the pipeline's arithmetic."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ligserve.server.workers.engine.outputs import ROUNDING, Output
from ligserve.server.workers.engine.span_outputs import END, START, LargestLogitOutput, SpanEndOutput
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.explainers.targets.answers import AnswerRule, BestSpan, LargestLogits, places_in
from ligserve.server.workers.explainers.targets.passage import Passage
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1.explanation_service_pb2 import Answer, ExplainRequest, Tokens
from tests.workers.conftest import LoadQa

QUESTION = "Who hated the film?"
CONTEXT = "The film was long, loud and not funny at all; my parents hated it (so did I)!"
SPACES = [space for space in pb.OutputSpace.values() if space]
ALPHABET = "abcdefghijklmnopqrstuvwxyz"

Floats = NDArray[np.float64]


def passage_of(inside: list[bool], classification: int | None, rule: AnswerRule) -> Passage:
    """A row of one-character tokens with ids 10, 11...; the classification token has id 1."""
    special = [not each for each in inside]
    ids = [1 if place == classification else 10 + place for place in range(len(inside))]
    places = range(len(inside))
    tokens = Tokens(ids=ids, starts=places, ends=[p + 1 for p in places], special=special)
    tokens.segments.extend(int(each) for each in inside)
    return Passage(tokens, ALPHABET[: len(inside)], places_in(tokens, 1), rule)


def of_pipeline(
    logits: Floats, allowed: NDArray[np.bool_], longest: int, classification: int
) -> tuple[int, int, float, float]:
    """First and last token, score and null score, as transformers 4.57 has them.

    Source: select_starts_ends and decode_spans in pipelines/question_answering.py of that release, with the
    classification token unmasked in its p_mask and handle_impossible_answer=True.
    """
    masked = np.where(allowed[:, None], logits, -10000.0)
    powers = np.exp(masked - masked.max(axis=0))
    start, end = (powers / powers.sum(axis=0)).T
    null = start[classification] * end[classification]
    start[classification] = end[classification] = 0.0
    candidates = np.tril(np.triu(np.outer(start, end)), longest - 1)
    first, last = np.unravel_index(np.argmax(candidates), candidates.shape)
    return int(first), int(last), float(candidates[first, last]), float(null)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), length=st.integers(2, 26), longest=st.integers(1, 30))
def test_answers_are_the_pipelines(data: st.DataObject, length: int, longest: int) -> None:
    first = data.draw(st.integers(1, length - 1))
    inside = [place >= first for place in range(length)]
    logits = data.draw(arrays(np.float64, (length, 2), elements=st.floats(-12, 12, allow_subnormal=False)))
    asked = passage_of(inside, 0, BestSpan(longest, pb.OUTPUT_SPACE_PROBABILITY))
    header = asked.outcome([torch.tensor(logits)])
    allowed = np.array(inside)
    allowed[0] = True
    *_, score, null = of_pipeline(logits, allowed, longest, 0)
    answer = header.answer
    assert answer.probability == pytest.approx(score, rel=1e-9, abs=1e-12)
    assert answer.no_answer_probability == pytest.approx(null, rel=1e-9, abs=1e-12)
    assert answer.text == ALPHABET[answer.first_token : answer.last_token + 1]
    assert bool(header.warnings) == (answer.no_answer_probability > answer.probability)
    ends = [each.output(torch.tensor(logits)[None]) for each in asked.explained(torch.tensor(logits))]
    assert float(ends[0] * ends[1]) == pytest.approx(score, rel=1e-9, abs=1e-12)


def test_the_spaces_of_an_end_belong_together() -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 9, 2, dtype=torch.float64) * 4
    outputs = [SpanEndOutput(END, 4, (0, 5, 6), space) for space in SPACES]
    probability, log_odds, logit = (output(logits) for output in outputs)
    expected = torch.softmax(logits[:, [4, 0, 5, 6], END], dim=1)[:, 0]
    assert torch.allclose(probability, expected)
    assert torch.allclose(log_odds, torch.log(expected / (1 - expected)))
    assert torch.equal(logit, logits[:, 4, END])
    same = SpanEndOutput(END, 4, (0, 5, 6), SPACES[0])
    assert {*outputs, same} == {*outputs}, "one that is asked for twice is computed once"


def test_without_a_classification_token_the_context_shares_out_the_probability() -> None:
    logits = torch.tensor([[9.0, 9.0], [0.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
    asked = passage_of([False, True, True], None, BestSpan(30, pb.OUTPUT_SPACE_PROBABILITY))
    answer = asked.outcome([logits]).answer
    assert (answer.first_token, answer.last_token) == (2, 2)
    assert not answer.HasField("no_answer_probability")
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-1)) / (1 + np.exp(-2)))


def test_the_only_token_of_a_context_is_certain() -> None:
    logits = torch.zeros(1, 2, 2, dtype=torch.float64, requires_grad=True)
    output = SpanEndOutput(START, 1, (), pb.OUTPUT_SPACE_PROBABILITY)
    value = output(logits)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.tolist() == [1.0]
    assert bool((gradient == 0).all())
    assert float(output.noise(logits.detach())) < 1e-5


@pytest.mark.parametrize(
    ("starts", "ends", "text"),
    [
        ([0, 9, 0, 0], [0, 0, 0, 9], "bcd"),
        ([0, 0, 0, 9], [0, 9, 0, 0], ""),
        ([9, 0, 0, 0], [0, 0, 9, 0], ""),
        ([0, 0, 9, 0], [0, 0, 9, 0], "c"),
    ],
    ids=["a span", "end before start", "from a special token", "one token"],
)
def test_the_librarys_answer_is_what_it_is(starts: list[float], ends: list[float], text: str) -> None:
    logits = torch.tensor([starts, ends], dtype=torch.float64).T
    answer = passage_of([False, True, True, True], 0, LargestLogits()).outcome([logits]).answer
    assert (answer.first_token, answer.last_token) == (starts.index(9), ends.index(9))
    assert answer.text == text
    assert (answer.end > 0) == bool(text)
    assert answer.probability == pytest.approx((np.exp(9) / (np.exp(9) + 3)) ** 2)
    assert not answer.HasField("no_answer_probability")


@pytest.mark.parametrize("size", [1e6, 1e30, float(torch.finfo(torch.float32).max)])
def test_logits_that_a_model_pushes_down_are_no_noise(size: float) -> None:
    """BigBird takes 1e6 from the question's, Splinter all that float32 has from the padding's."""
    logits = torch.tensor([[[2.0, 2.0], [-3.0, -3.0], [-size, -size]]], dtype=torch.float64)
    outputs: list[Output] = [
        LargestLogitOutput(START),
        SpanEndOutput(START, 0, (1, 2), pb.OUTPUT_SPACE_LOG_ODDS),
    ]
    for output in outputs:
        assert ROUNDING < float(output.noise(logits)) < 20 * ROUNDING


def answer_of(model: TextModel, context: str) -> tuple[Answer, Tokens]:
    asked = pb.QuestionAnswering(question=QUESTION, context=context)
    plan = PLANNERS["question_answering"](ExplainRequest(question_answering=asked), model)
    (path,) = plan.paths
    return plan.outcome([path.spec.predict()]).answer, path.tokens


def test_a_tokenizer_that_pads_on_the_left_gets_the_context_first(load_qa: LoadQa) -> None:
    plain = load_qa("bert")
    tokenizer = type(plain.tokenizer).from_pretrained(plain.tokenizer.name_or_path, padding_side="left")
    answer, tokens = answer_of(dataclasses.replace(plain, tokenizer=tokenizer), CONTEXT)
    assert list(tokens.ids) == tokenizer(CONTEXT, QUESTION)["input_ids"]
    texts = (QUESTION, CONTEXT)
    columns = zip(tokens.special, tokens.segments, tokens.starts, tokens.ends, tokens.texts, strict=True)
    for special, segment, start, end, token in columns:
        assert special or texts[segment][start:end].lower() == token.removeprefix("##")
    assert answer.text
    assert answer.text == CONTEXT[answer.start : answer.end]


def test_special_tokens_that_a_caller_writes_are_text(load_qa: LoadQa) -> None:
    answer, tokens = answer_of(load_qa("bert"), "[CLS]")
    assert answer.text == "[CLS]"
    assert not tokens.special[answer.first_token]
    assert 0 < answer.no_answer_probability < 1
    assert list(tokens.ids).count(tokens.ids[0]) == 2, "its own and the caller's"


@pytest.mark.parametrize("name", ["bert", "albert", "roberta"])
def test_an_answer_keeps_its_last_accent(load_qa: LoadQa, name: str) -> None:
    context = "e\u0301\u0302"
    answer, _ = answer_of(load_qa(name), context)
    assert answer.text == context[answer.start :]
