"""Long contexts in a worker: the best window's answer is explained, and only that window."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import PLANNERS, Plan
from ligserve.server.workers.explainers.plans.document_outcome import DocumentOutcome, WindowLogits
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadQa
from tests.workers.test_documents import FAITHFUL, LIBRARY, WINDOW, Front
from tests.zoo.corpus import SENTENCES

WORDS = " ".join(SENTENCES).split()
QUESTION = "Who hated the film? (so did I)"
CONTEXT = "\n".join(SENTENCES * 2)
MODELS = [
    ("bert", FAITHFUL),
    ("bert", LIBRARY),
    ("roberta", FAITHFUL),
    ("deberta-v2", FAITHFUL),
    ("deberta-v2", LIBRARY),
    ("gpt2", FAITHFUL),
    ("xlnet", FAITHFUL),
]


def request_of(context: str, **window: Any) -> service_pb.ExplainRequest:
    request = service_pb.ExplainRequest()
    request.question_answering.question = QUESTION
    request.question_answering.context = context
    request.options.long_input.window.CopyFrom(WINDOW(**window))
    return request


def plan_of(model: TextModel, request: service_pb.ExplainRequest) -> Plan:
    return PLANNERS["question_answering"](request, model)


@pytest.mark.parametrize(("name", "convention"), MODELS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_best_answer_of_all_windows_is_explained(
    load_qa: LoadQa, engine: Engine, name: str, convention: "pb.Convention.ValueType", data: st.DataObject
) -> None:
    context = " ".join(data.draw(st.lists(st.sampled_from(WORDS), min_size=150, max_size=250)))
    request = request_of(context, stride=data.draw(st.integers(20, 60)))
    request.options.convention = convention
    request.options.tolerance.relative = tolerance = data.draw(st.sampled_from([0.2, 0.02]))
    model = load_qa(name)
    front = Front().run(plan_of(model, request), engine)
    assert front.failure is None
    header, answer = front.header, front.header.answer
    assert answer.text == context[answer.start : answer.end]
    assert {target.window for target in header.targets} == {answer.window}
    assert {estimate.window for estimate in front.finals()} == {answer.window}
    for window in header.windows:
        assert len(window.changes) == (2 if window.index == answer.window else 0)
    assert_adds_up(front, tolerance)
    # Each window's answer by itself, as a request about that window alone would have it.
    alone = [alone_in(model, request, window) for window in header.windows]
    probabilities = [each.probability for each in alone if each.text] or [each.probability for each in alone]
    assert answer.probability == pytest.approx(max(probabilities), abs=1e-6)
    assert alone[answer.window].text == answer.text
    gap = answer.probability - sorted([0.0, *probabilities])[-2]
    assert header.targets[0].runner_up_gap == pytest.approx(gap, abs=1e-6)
    nulls = [each.no_answer_probability for each in alone if each.HasField("no_answer_probability")]
    assert answer.HasField("no_answer_probability") == bool(nulls)
    assert answer.no_answer_probability == pytest.approx(min(nulls, default=0.0), abs=1e-6)


def alone_in(
    model: TextModel, request: service_pb.ExplainRequest, window: service_pb.Window
) -> service_pb.Answer:
    """The answer from the model's output for a window's very tokens."""
    library = request.options.convention == LIBRARY
    rows = plan_of(model, request).paths[window.index].spec
    with torch.no_grad():
        logits = model.logits(model.batch([rows.prediction_row]))[0]
    tokens = window.tokens
    inside = [of == 1 and not skip for of, skip in zip(tokens.segments, tokens.special, strict=True)]
    if library:
        first, last = logits.argmax(dim=0).tolist()
        chances = logits.softmax(dim=0)
        answer = service_pb.Answer(probability=float(chances[first, 0] * chances[last, 1]))
        if first <= last and inside[first] and inside[last]:
            answer.text = request.question_answering.context[tokens.starts[first] : tokens.ends[last]]
        return answer
    return pipelines_answer(logits, inside, tokens, model, request.question_answering.context)


def pipelines_answer(
    logits: Tensor, inside: list[bool], tokens: service_pb.Tokens, model: TextModel, context: str
) -> service_pb.Answer:
    null = None
    if model.tokenizer.cls_token_id is not None:
        null = next(p for p in range(len(inside)) if tokens.special[p] and tokens.ids[p] == cls_of(model))
    allowed = np.array([each or place == null for place, each in enumerate(inside)])
    powers = np.where(allowed[:, None], np.exp(logits.numpy() - logits.numpy()[allowed].max(axis=0)), 0.0)
    chances = powers / powers.sum(axis=0)
    spans = {
        (first, last): chances[first, 0] * chances[last, 1]
        for first in np.flatnonzero(inside)
        for last in np.flatnonzero(inside)
        if first <= last < first + 30
    }
    first, last = max(spans, key=lambda span: spans[span])
    answer = service_pb.Answer(
        probability=spans[first, last], text=context[tokens.starts[first] : tokens.ends[last]]
    )
    if null is not None:
        answer.no_answer_probability = chances[null].prod()
    return answer


def cls_of(model: TextModel) -> int:
    token: int = model.tokenizer.cls_token_id
    return token


def assert_adds_up(front: Front, tolerance: float) -> None:
    (start, end), summary = front.header.windows[front.header.answer.window].changes, front.summary
    for target, change in zip(summary.targets, (start, end), strict=True):
        scores = [s for e in front.finals() if e.target == target.target for s in e.scores]
        found = target.f_input - target.f_baseline
        assert found == pytest.approx(change, abs=1e-4)
        assert sum(scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert abs(target.score_sum - found) <= target.error_bound + 1e-12
        noise = 1e-5 * max(1.0, abs(target.f_input), abs(target.f_baseline))
        assert target.error_bound <= max(tolerance * max(abs(found), sum(map(abs, scores))), noise)


def test_only_the_best_windows_path_is_touched(
    load_qa: LoadQa, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One forward pass of every window, two of the best one's path at its ends, then its points."""
    # Loaded first: its probe runs paths, too.
    model, rows = load_qa("bert"), list[int]()
    run = EmbeddingPathSpec.run

    def counting(spec: EmbeddingPathSpec, some: Any, *rest: Any) -> Tensor:
        rows.append(len(some))
        return run(spec, some, *rest)

    monkeypatch.setattr(EmbeddingPathSpec, "run", counting)
    request = request_of(CONTEXT, stride=20)
    request.options.fixed_steps.n_steps = 5
    front = Front().run(plan_of(model, request), engine)
    windows, cost = len(front.header.windows), front.summary.cost
    assert windows > 5
    # 5 nodes and both ends; before them the baseline of the best window's path.
    assert sum(rows) == 1 + 7
    assert cost.points == 7
    assert cost.rows == windows + sum(rows)


def test_the_answer_comes_before_the_first_gradient(load_qa: LoadQa, engine: Engine) -> None:
    front = Front().run(plan_of(load_qa("roberta"), request_of(CONTEXT)), engine)
    kinds = [event.WhichOneof("event") for event in front.events]
    assert kinds.index("header") < kinds.index("estimate")
    assert next(kind for kind in kinds if kind != "progress") == "header"


def outcome_of(load_qa: LoadQa, logits: list[Tensor], stride: int) -> service_pb.Header:
    """What is told of a context of one-token words whose windows have these logits."""
    document = plan_of(load_qa("bert"), request_of(" a" * 200, stride=stride)).document
    assert document is not None
    assert len(document.token_counts) == len(logits)
    (best,) = document.ends_of(logits) if document.ends_of else ()
    outcome = document.outcome(WindowLogits(logits, [logits[best]], [logits[best]]))
    assert isinstance(outcome, DocumentOutcome)
    return outcome.header


def logits_with(length: int, peaks: dict[int, float]) -> Tensor:
    logits = torch.zeros(length, 2)
    for place, height in peaks.items():
        logits[place] = height
    return logits


def test_another_answer_that_is_nearly_as_likely_is_told(load_qa: LoadQa) -> None:
    plan = plan_of(load_qa("bert"), request_of(" a" * 200, stride=90))
    lengths = [len(path.tokens.ids) for path in plan.paths]
    before = list(plan.paths[0].tokens.segments).index(1)
    # The second window starts 90 tokens on.
    tied = [logits_with(lengths[0], {before + 3: 6.0}), logits_with(lengths[1], {before + 5: 6.0})]
    tied += [logits_with(length, {}) for length in lengths[2:]]
    header = outcome_of(load_qa, tied, 90)
    (warning,) = [each for each in header.warnings if each.code == "WINDOWS_NEARLY_TIED"]
    assert header.answer.window in (0, 1)
    assert f"window {1 - header.answer.window} answers 'a'" in warning.message
    same = [
        logits_with(lengths[0], {before + 93: 6.0}),
        logits_with(lengths[1], {before + 3: 6.0}),
        *tied[2:],
    ]
    header = outcome_of(load_qa, same, 90)
    assert not [each for each in header.warnings if each.code == "WINDOWS_NEARLY_TIED"]
    assert header.answer.start == 2 * 93 + 1


def test_the_least_chance_of_no_answer_counts(load_qa: LoadQa) -> None:
    lengths = [
        len(path.tokens.ids) for path in plan_of(load_qa("bert"), request_of(" a" * 200, stride=90)).paths
    ]
    sure = [logits_with(length, {0: 9.0}) for length in lengths]
    header = outcome_of(load_qa, sure, 90)
    assert {each.code for each in header.warnings} >= {"NO_ANSWER_IS_LIKELIER"}
    unsure = [*sure[:-1], logits_with(lengths[-1], {0: -9.0})]
    header = outcome_of(load_qa, unsure, 90)
    assert header.answer.no_answer_probability < 1e-6
    assert header.answer.window == len(lengths) - 1
    assert "NO_ANSWER_IS_LIKELIER" not in {each.code for each in header.warnings}
