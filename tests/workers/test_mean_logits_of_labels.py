"""Premises by the mean of their windows' logits, for labels that compete and for labels by themselves."""

import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import gauss_legendre
from ligserve.server.workers.quadrature.adaptive import LEAST_POINTS
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.conftest import NLI_LABELS
from tests.workers.conftest import LoadZoo
from tests.workers.test_documents import Front, counted_points
from tests.workers.test_zero_shot_documents import (
    CONTRADICTS,
    ENTAILS,
    LABELS,
    LIBRARY,
    MEAN,
    MEAN_LOGITS,
    batch,
    nli,
    plan_of,
    request_of,
    window_logits,
)
from tests.zoo.corpus import SENTENCES

STEPS = 5
COUNT = len(LABELS)
LOGIT, LOG_ODDS, PROBABILITY = pb.OUTPUT_SPACE_LOGIT, pb.OUTPUT_SPACE_LOG_ODDS, pb.OUTPUT_SPACE_PROBABILITY


def asked(*, alone: bool, stride: int = 90) -> service_pb.ExplainRequest:
    request = request_of(alone=alone, stride=stride, aggregate=MEAN_LOGITS)
    request.options.fixed_steps.n_steps = STEPS
    return request


def chances(logits: Tensor, *, alone: bool) -> Tensor:
    """(L, C) mean logits to the labels' probabilities."""
    if alone:
        return (logits[:, ENTAILS] - logits[:, CONTRADICTS]).sigmoid()
    return logits[:, ENTAILS].softmax(dim=0)


class WholePremise:
    """All windows of all labels at one place of their common path, in plain torch."""

    def __init__(self, model: TextModel, header: service_pb.Header) -> None:
        self._network = model.network
        table = model.network.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        self._types = [torch.tensor([list(window.tokens.segments)]) for window in header.windows]
        self._ends = []
        for window in header.windows:
            ids, special = torch.tensor(list(window.tokens.ids)), torch.tensor(list(window.tokens.special))
            padded = ids.where(special, model.tokenizer.pad_token_id)
            self._ends.append((table(padded).detach(), table(ids).detach()))

    def logits(self, places: list[Tensor]) -> Tensor:
        """(L, C), the mean over the parts of the text."""
        rows = [
            self._network(inputs_embeds=place[None], token_type_ids=types).logits[0].double()
            for place, types in zip(places, self._types, strict=True)
        ]
        return torch.stack(rows).reshape(-1, COUNT, len(NLI_LABELS)).mean(dim=0)

    def scores(self, target: int, *, alone: bool) -> list[list[float]]:
        """For each window the scores of a label's probability, by Gauss-Legendre."""
        totals = [torch.zeros(len(start), dtype=torch.float64) for start, _ in self._ends]
        for node, weight in zip(*gauss_legendre(STEPS), strict=True):
            places = [torch.lerp(start, end, float(node)).requires_grad_() for start, end in self._ends]
            probability = chances(self.logits(places), alone=alone)[target]
            gradients = torch.autograd.grad(probability, places)
            for total, gradient, (start, end) in zip(totals, gradients, self._ends, strict=True):
                total += weight * (gradient.double() * (end - start)).sum(dim=1)
        return [total.tolist() for total in totals]


@pytest.mark.parametrize("alone", [False, True])
def test_the_scores_are_the_integral_over_all_windows_together(
    load_zoo: LoadZoo, engine: Engine, *, alone: bool
) -> None:
    model = nli(load_zoo)
    front = Front().run(plan_of(model, asked(alone=alone)), engine)
    assert front.failure is None
    header = front.header
    expected = chances(window_logits(model, header).mean(dim=0), alone=alone).tolist()
    assert list(header.prediction.probabilities) == pytest.approx(expected, abs=1e-6)
    assert not any(window.changes for window in header.windows)
    whole, parts = WholePremise(model, header), header.window_count // COUNT
    assert parts > 2
    assert {window.share for window in header.windows} == {1 / parts}
    for number, target in enumerate(header.targets):
        reached = front.summary.targets[number]
        assert reached.f_input == pytest.approx(expected[number], abs=1e-6)
        assert abs(reached.convergence_delta) <= reached.error_bound
        ours: dict[int, list[float]] = {}
        for estimate in front.finals():
            if estimate.target == number:
                ours.setdefault(estimate.window, []).extend(estimate.scores)
        reference = whole.scores(number, alone=alone)
        assert not target.HasField("window")
        if alone:
            assert target.candidate == number
            assert set(ours) == set(range(number, header.window_count, COUNT))
            assert all(not any(scores) for at, scores in enumerate(reference) if at not in ours)
        else:
            assert not target.HasField("candidate")
            assert set(ours) == set(range(header.window_count))
        for window, scores in ours.items():
            assert scores == pytest.approx(reference[window], abs=1e-6)
    cost = front.summary.cost
    assert cost.points == cost.gradients == header.window_count * (STEPS + 2)


def test_in_the_library_all_classes_share_the_probability(load_zoo: LoadZoo, engine: Engine) -> None:
    request, model = asked(alone=True), nli(load_zoo)
    request.options.convention = LIBRARY
    plan = plan_of(model, request)
    front = Front().run(plan, engine)
    rows = [model.network(**batch(path)).logits[0].detach().double() for path in plan.paths]
    mean = torch.stack(rows).reshape(-1, COUNT, len(NLI_LABELS)).mean(dim=0)
    judged = mean[:, ENTAILS].sigmoid()
    assert list(front.header.prediction.probabilities) == pytest.approx(
        (judged / judged.sum()).tolist(), abs=1e-6
    )
    for target in front.summary.targets:
        assert abs(target.convergence_delta) <= target.error_bound
        scores = [s for e in front.finals() if e.target == target.target for s in e.scores]
        assert sum(scores) == pytest.approx(target.score_sum, abs=1e-9)
    # Of three classes two differences are followed.
    assert front.summary.cost.gradients == 2 * front.summary.cost.points


@pytest.mark.parametrize(
    ("labels", "alone", "space"),
    [(LABELS, False, LOGIT), (LABELS[:2], False, LOG_ODDS), (LABELS, True, LOGIT), (LABELS, True, LOG_ODDS)],
)
def test_where_the_mean_of_logits_is_a_mean_windows_are_explained_apart(
    load_zoo: LoadZoo,
    engine: Engine,
    labels: tuple[str, ...],
    space: "pb.OutputSpace.ValueType",
    *,
    alone: bool,
) -> None:
    model, request = nli(load_zoo), request_of(labels=labels, alone=alone, aggregate=MEAN_LOGITS)
    request.options.fixed_steps.n_steps = 3
    request.options.output_space = space
    apart = Front().run(plan_of(model, request), engine)
    request.options.long_input.window.aggregate = MEAN
    mean = Front().run(plan_of(model, request), engine)
    assert any(window.changes for window in apart.header.windows)
    finals = [{(e.target, e.window): list(e.scores) for e in front.finals()} for front in (apart, mean)]
    assert finals[0].keys() == finals[1].keys()
    for place, scores in finals[0].items():
        assert scores == pytest.approx(finals[1][place], abs=1e-6)
    logits, probabilities = apart.header.prediction.logits, apart.header.prediction.probabilities
    assert list(logits) == pytest.approx(list(mean.header.prediction.logits))
    told = torch.tensor(list(logits), dtype=torch.float64)
    expected = told.sigmoid() if alone else told.softmax(dim=0)
    assert list(probabilities) == pytest.approx(expected.tolist(), abs=1e-6)
    assert list(probabilities) != pytest.approx(list(mean.header.prediction.probabilities), abs=1e-6)


def test_a_label_by_itself_that_is_done_costs_no_more_points(load_zoo: LoadZoo, engine: Engine) -> None:
    request = request_of(alone=True, aggregate=MEAN_LOGITS)
    request.options.tolerance.relative = 1e-5
    front = Front().run(plan_of(nli(load_zoo), request), engine)
    targets = front.summary.targets
    assert len({target.points for target in targets}) > 1, "every label takes as many points"
    assert sum(target.points for target in targets) == front.summary.cost.points


def test_a_label_that_the_deadline_left_out_is_unexplained(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline comes when the first label has points enough for an estimate, others have not."""
    engine, deliver, schedule = Engine(token_budget=1), Path.deliver, Engine.schedule
    scheduled: list[Path] = []

    def noting(self: Engine, path: Path) -> None:
        scheduled.append(path)
        schedule(self, path)

    def overrun(self: Path, *values: Any) -> None:
        deliver(self, *values)
        of_first = scheduled[: len(scheduled) // COUNT]
        if all(path.cost.points >= LEAST_POINTS for path in of_first):
            for path in scheduled:
                path.deadline = time.monotonic()

    monkeypatch.setattr(Engine, "schedule", noting)
    monkeypatch.setattr(Path, "deliver", overrun)
    request = request_of(alone=True, stride=60, aggregate=MEAN_LOGITS)
    request.options.tolerance.relative = 1e-7
    front = Front().run(plan_of(nli(load_zoo), request), engine, partial_estimates=True)
    engine.close()
    assert front.failure is None
    explained = {estimate.target for estimate in front.finals()}
    assert 0 < len(explained) < COUNT
    for number, target in enumerate(front.summary.targets):
        change = target.f_input - target.f_baseline
        assert target.stop_reason == service_pb.STOP_REASON_DEADLINE
        assert abs(target.convergence_delta) <= target.error_bound
        assert target.convergence_delta == pytest.approx(target.score_sum - change, abs=1e-9)
        if number in explained:
            assert target.points > 0
            assert target.unexplained == 0
        else:
            assert (target.points, target.score_sum) == (0, 0)
            assert target.unexplained == pytest.approx(change)
            expected = front.header.prediction.probabilities[number]
            assert target.f_input == pytest.approx(expected, abs=1e-6)


def test_a_label_that_is_done_is_no_longer_unexplained(load_zoo: LoadZoo, engine: Engine) -> None:
    request = asked(alone=True, stride=60)
    front = Front().run(plan_of(nli(load_zoo), request), engine)
    told = [event for event in front.all("progress") if event.unexplained]
    changes = [target.f_input - target.f_baseline for target in front.summary.targets]
    assert list(told[0].unexplained) == pytest.approx(changes, abs=1e-5)
    assert list(told[-1].unexplained) == [0.0] * COUNT
    assert told[-1].windows_done == told[-1].windows == front.header.window_count


def test_more_scores_than_memory_would_hold_are_refused(load_zoo: LoadZoo) -> None:
    labels, text = tuple(f"label {number}" for number in range(40)), " ".join(SENTENCES * 8)
    request = request_of(text, labels=labels, stride=40, aggregate=MEAN_LOGITS)
    with pytest.raises(InvalidArgumentError, match="at most 524288") as raised:
        plan_of(nli(load_zoo), request)
    (violation,) = raised.value.violations
    assert violation.field == "options.long_input.window.aggregate"
    assert "of 40 labels and each of" in violation.description
    assert violation.description.endswith("Ask for a larger stride, fewer labels or another aggregate")
    # By themselves they have one score for each token of their own.
    request.zero_shot_classification.multi_label = True
    assert plan_of(nli(load_zoo), request).document is not None


@pytest.mark.parametrize("alone", [False, True])
def test_cancelling_stops_every_window(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    computed = counted_points(monkeypatch)

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate") and front.job is not None:
            front.job.cancel()

    request = request_of(alone=alone, aggregate=MEAN_LOGITS)
    request.options.tolerance.relative = 1e-6
    model = nli(load_zoo)
    front = Front(at=leave).run(plan_of(model, request), engine, partial_estimates=True)
    first_round = sum(computed)
    # A job after it, so that the engine has gone on.
    after = Front().run(plan_of(model, asked(alone=True)), engine)
    assert sum(computed) - first_round - after.summary.cost.points <= engine.budgets.of(model) // 64
    assert not front.all("summary")
    assert front.failure is None
