"""Zero-shot classification of documents in a worker: windows of the premise beside every hypothesis."""

import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import PLANNERS, PathPlan, Plan
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.conftest import NLI_LABELS
from tests.workers.conftest import LoadZoo
from tests.workers.test_documents import TEXT, WINDOW, Front, counted_points
from tests.zoo.corpus import SENTENCES

# Hypotheses of unequal length.
LABELS = ("movie", "a phone whose battery dies", "soup")
TEMPLATE = "It is about {}, is it?"
ENTAILS, CONTRADICTS = NLI_LABELS.index("entailment"), NLI_LABELS.index("contradiction")
LIBRARY, FAITHFUL = pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL
MEAN, WEIGHTED, MAX, MEAN_LOGITS = (
    WINDOW.AGGREGATE_MEAN,
    WINDOW.AGGREGATE_TOKEN_WEIGHTED_MEAN,
    WINDOW.AGGREGATE_MAX,
    WINDOW.AGGREGATE_MEAN_LOGITS,
)


def nli(load_zoo: LoadZoo, name: str = "bert") -> TextModel:
    return load_zoo(name, labels=NLI_LABELS)


def request_of(
    text: str = TEXT,
    labels: tuple[str, ...] = LABELS,
    *,
    alone: bool = False,
    stride: int = 60,
    aggregate: "pb.LongInput.Window.Aggregate.ValueType" = MEAN,
) -> service_pb.ExplainRequest:
    request = service_pb.ExplainRequest()
    request.zero_shot_classification.text = text
    request.zero_shot_classification.labels.extend(labels)
    request.zero_shot_classification.hypothesis_template = TEMPLATE
    request.zero_shot_classification.multi_label = alone
    request.options.long_input.window.CopyFrom(WINDOW(stride=stride, aggregate=aggregate))
    return request


def plan_of(model: TextModel, request: service_pb.ExplainRequest) -> Plan:
    return PLANNERS["zero_shot_classification"](request, model)


def premise_of(tokens: service_pb.Tokens) -> list[int]:
    """Where the text's own tokens stand in a row."""
    return [place for place, segment in enumerate(tokens.segments) if not (segment or tokens.special[place])]


def window_logits(model: TextModel, header: service_pb.Header) -> Tensor:
    """(parts, labels, C): of each window's text and hypothesis in plain transformers."""
    rows = []
    for window in header.windows:
        own = premise_of(window.tokens)
        part = TEXT[window.tokens.starts[own[0]] : window.tokens.ends[own[-1]]]
        encoded = model.tokenizer(part, window.hypothesis, return_tensors="pt")
        assert encoded["input_ids"][0].tolist() == list(window.tokens.ids)
        with torch.no_grad():
            rows.append(model.network(**encoded).logits[0].double())
    return torch.stack(rows).reshape(-1, len(LABELS), len(NLI_LABELS))


@pytest.mark.parametrize("aggregate", [MEAN, WEIGHTED, MAX])
def test_each_label_by_itself_has_the_aggregate_of_its_own_windows(
    load_zoo: LoadZoo, engine: Engine, aggregate: "pb.LongInput.Window.Aggregate.ValueType"
) -> None:
    model = nli(load_zoo)
    front = Front().run(plan_of(model, request_of(alone=True, aggregate=aggregate)), engine)
    header = front.header
    assert [window.candidate for window in header.windows] == list(range(3)) * (header.window_count // 3)
    assert [window.hypothesis for window in header.windows[:3]] == [TEMPLATE.format(e) for e in LABELS]
    logits = window_logits(model, header)
    chances = torch.sigmoid(logits[..., ENTAILS] - logits[..., CONTRADICTS])
    tokens = torch.tensor(
        [
            sum(window.tokens.words[p] >= 0 for p, s in enumerate(window.tokens.segments) if not s)
            for window in header.windows[::3]
        ],
        dtype=torch.float64,
    )
    expected = {
        MEAN: chances.mean(dim=0),
        WEIGHTED: (tokens / tokens.sum()) @ chances,
        MAX: chances.amax(dim=0),
    }[aggregate]
    assert list(header.prediction.probabilities) == pytest.approx(expected.tolist(), abs=1e-6)
    for number, target in enumerate(header.targets):
        assert target.candidate == number
        assert front.summary.targets[number].f_input == pytest.approx(float(expected[number]), abs=1e-6)
        windows = {e.window for e in front.finals() if e.target == number}
        if aggregate == MAX:
            assert windows == {target.window} == {int(chances[:, number].argmax()) * 3 + number}
            ranked = chances[:, number].sort().values
            assert target.runner_up_gap == pytest.approx(float(ranked[-1] - ranked[-2]), abs=1e-6)
        else:
            assert windows == set(range(number, header.window_count, 3))


def test_labels_compete_in_every_window(load_zoo: LoadZoo, engine: Engine) -> None:
    model = nli(load_zoo)
    front = Front().run(plan_of(model, request_of()), engine)
    header, summary = front.header, front.summary
    shares = window_logits(model, header)[..., ENTAILS].softmax(dim=1)
    assert list(header.prediction.probabilities) == pytest.approx(shares.mean(dim=0).tolist(), abs=1e-6)
    assert sum(target.f_input for target in summary.targets) == pytest.approx(1)
    for number, target in enumerate(header.targets):
        assert not target.HasField("candidate")
        assert not target.HasField("window")
        windows = [e.window for e in front.finals() if e.target == number]
        assert sorted(windows) == list(range(header.window_count))
    # What there is to explain in a part is told with its first window, and is what its windows add up to.
    for first in range(0, header.window_count, 3):
        changes = list(header.windows[first].changes)
        assert not any(window.changes for window in header.windows[first + 1 : first + 3])
        for number, change in enumerate(changes):
            own = [e for e in front.finals() if e.target == number and first <= e.window < first + 3]
            assert abs(sum(s for e in own for s in e.scores) - change) <= own[0].error_bound + 1e-6


class Group:
    """The windows of one part of the text at one place of their common path, in plain torch."""

    def __init__(self, model: TextModel, windows: list[service_pb.Window]) -> None:
        self._network = model.network
        table = model.network.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        self._types = [torch.tensor([list(window.tokens.segments)]) for window in windows]
        self._ends = []
        for window in windows:
            ids, special = torch.tensor(list(window.tokens.ids)), torch.tensor(list(window.tokens.special))
            padded = ids.where(special, model.tokenizer.pad_token_id)
            self._ends.append((table(padded).detach(), table(ids).detach()))

    def scores(self, target: int, steps: int) -> list[np.ndarray]:
        totals = [np.zeros(len(start)) for start, _ in self._ends]
        for node, weight in zip(*gauss_legendre(steps), strict=True):
            places = [torch.lerp(start, end, float(node)).requires_grad_() for start, end in self._ends]
            logits = [
                self._network(inputs_embeds=place[None], token_type_ids=types).logits[0, ENTAILS].double()
                for place, types in zip(places, self._types, strict=True)
            ]
            probability = torch.stack(logits).softmax(dim=0)[target]
            gradients = torch.autograd.grad(probability, places)
            for total, gradient, (start, end) in zip(totals, gradients, self._ends, strict=True):
                total += weight * (gradient.double() * (end - start)).sum(dim=1).numpy()
        return totals


def test_scores_are_the_integral_of_every_gradient_by_every_row(load_zoo: LoadZoo, engine: Engine) -> None:
    model, request = nli(load_zoo), request_of(stride=90)
    request.options.fixed_steps.n_steps = 5
    front = Front().run(plan_of(model, request), engine)
    header = front.header
    parts = header.window_count // 3
    for part in (0, parts - 1):
        windows = list(header.windows[3 * part : 3 * part + 3])
        group = Group(model, windows)
        for target in range(3):
            for window, expected in zip(windows, group.scores(target, 5), strict=True):
                ours = [
                    score
                    for e in front.finals()
                    if (e.target, e.window) == (target, window.index)
                    for score in e.scores
                ]
                assert ours == pytest.approx((expected / parts).tolist(), abs=2e-6)


@pytest.mark.parametrize("name", ["bert", "roberta", "deberta-v2", "modernbert", "bart"])
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_scores_add_up_to_the_documents_change(
    load_zoo: LoadZoo, engine: Engine, name: str, data: st.DataObject
) -> None:
    alone = data.draw(st.booleans())
    aggregate = data.draw(st.sampled_from([MEAN, WEIGHTED, MAX, MEAN_LOGITS]))
    words = data.draw(st.lists(st.sampled_from(TEXT.split()), min_size=120, max_size=200))
    stride, tolerance = data.draw(st.integers(40, 80)), data.draw(st.sampled_from([0.3, 0.05]))
    request = request_of(" ".join(words), alone=alone, stride=stride, aggregate=aggregate)
    request.options.tolerance.relative = tolerance
    request.options.output_space = data.draw(
        st.sampled_from([pb.OUTPUT_SPACE_PROBABILITY, pb.OUTPUT_SPACE_LOG_ODDS, pb.OUTPUT_SPACE_LOGIT])
    )
    front = Front().run(plan_of(nli(load_zoo, name), request), engine)
    assert front.failure is None
    for target in front.summary.targets:
        scores = [s for e in front.finals() if e.target == target.target for s in e.scores]
        change = target.f_input - target.f_baseline
        assert sum(scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert abs(target.score_sum - change) <= target.error_bound + 1e-12
        assert target.stop_reason == service_pb.STOP_REASON_TOLERANCE
        assert target.error_bound <= tolerance * max(abs(change), sum(map(abs, scores)))


def batch(path: PathPlan) -> dict[str, Tensor]:
    return {name: values[None] for name, values in path.spec.prediction_row.items()}


def test_the_library_has_windows_too(load_zoo: LoadZoo, engine: Engine) -> None:
    request = request_of(alone=True)
    request.options.convention = LIBRARY
    request.options.fixed_steps.n_steps = 3
    model = nli(load_zoo)
    plan = plan_of(model, request)
    front = Front().run(plan, engine)
    header = front.header
    entailed = torch.stack([model.network(**batch(path)).logits[0, ENTAILS].detach() for path in plan.paths])
    chances = entailed.double().sigmoid().reshape(-1, 3).mean(dim=0)
    expected = (chances / chances.sum()).tolist()
    assert list(header.prediction.probabilities) == pytest.approx(expected, abs=1e-6)
    for target in front.summary.targets:
        assert abs(target.convergence_delta) <= target.error_bound


def test_a_cut_premise_is_the_same_for_every_label(load_zoo: LoadZoo) -> None:
    request = request_of(alone=True)
    request.options.long_input.truncate.SetInParent()
    model = nli(load_zoo)
    plan = plan_of(model, request)
    assert plan.document is None
    premises = [[path.tokens.ids[place] for place in premise_of(path.tokens)] for path in plan.paths]
    assert premises[0] == premises[1] == premises[2]
    longest = max(path.spec.length for path in plan.paths)
    assert longest == model.max_tokens
    header = plan.outcome([torch.zeros(3)] * 3)
    whole = len(model.tokenizer(TEXT, add_special_tokens=False)["input_ids"])
    assert header.truncated_tokens == whole - len(premises[0])
    assert header.warnings[0].code == "TEXT_TRUNCATED"


def test_a_hypothesis_that_leaves_no_room_is_refused(load_zoo: LoadZoo) -> None:
    with pytest.raises(InvalidArgumentError, match="shorten it") as raised:
        plan_of(nli(load_zoo), request_of(labels=("soup", " ".join(["movie"] * 110))))
    (violation,) = raised.value.violations
    assert violation.field == "zero_shot_classification.labels[1]"
    assert raised.value.reason == "NO_ROOM_FOR_WINDOWS"


def test_more_labels_than_memory_would_hold_are_refused_before_any_work(load_zoo: LoadZoo) -> None:
    labels = tuple(f"label {number}" for number in range(40))
    with pytest.raises(InvalidArgumentError, match="at most 131072"):
        plan_of(nli(load_zoo), request_of(labels=labels))
    # By themselves they are not held together.
    assert plan_of(nli(load_zoo), request_of(labels=labels, alone=True)).document is not None


def test_windows_of_one_part_are_open_together_and_cancelled_together(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    computed = counted_points(monkeypatch)

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate"):
            done.append(event.estimate.window)
            if len(set(done)) == 3 and front.job is not None:
                front.job.cancel()

    request = request_of(stride=20)
    request.options.fixed_steps.n_steps = 10
    plan = plan_of(nli(load_zoo), request)
    front = Front(at=leave).run(plan, engine)
    assert len(plan.paths) >= 3 * 8
    assert len({window // 3 for window in done}) == 1, "a part's windows are done at once"
    # 12 points for each of a part's 3 windows; one more part was open.
    assert 3 * 12 <= sum(computed) <= 2 * 3 * 12
    assert not front.all("summary")


def test_at_the_deadline_whole_parts_are_left_out(load_zoo: LoadZoo, engine: Engine) -> None:
    """The time of a few parts, measured on this machine."""
    request = request_of(" ".join(SENTENCES * 6), stride=20)
    request.options.fixed_steps.n_steps = 40
    model, marks = nli(load_zoo), list[float]()

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate"):
            marks.append(time.monotonic())
            if len(marks) == 3 * 9 and front.job is not None:
                front.job.cancel()

    started = time.monotonic()
    Front(at=leave).run(plan_of(model, request), engine)
    front = Front().run(plan_of(model, request), engine, seconds_left=marks[-1] - started)
    assert front.failure is None
    header, finished = front.header, {estimate.window // 3 for estimate in front.finals()}
    parts = header.window_count // 3
    assert 0 < len(finished) < parts
    for number, target in enumerate(front.summary.targets):
        left = sum(header.windows[3 * part].changes[number] for part in range(parts) if part not in finished)
        assert target.stop_reason == service_pb.STOP_REASON_DEADLINE
        assert target.unexplained == pytest.approx(left, abs=1e-9)
        assert abs(target.convergence_delta) <= target.error_bound
    assert all(progress.windows_done % 3 == 0 for progress in front.all("progress"))
