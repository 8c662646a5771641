"""Documents by the mean of their windows' logits: one path of all windows, whose scores add up."""

import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo
from tests.workers.test_documents import MODELS, TEXT, WINDOW, Front, counted_points, plan_of
from tests.zoo.corpus import SENTENCES

MEAN_LOGITS = WINDOW.AGGREGATE_MEAN_LOGITS
LOGIT, LOG_ODDS, PROBABILITY = pb.OUTPUT_SPACE_LOGIT, pb.OUTPUT_SPACE_LOG_ODDS, pb.OUTPUT_SPACE_PROBABILITY


def request_of(
    text: str = TEXT,
    targets: tuple[int, ...] = (0,),
    stride: int = 126,
    space: "pb.OutputSpace.ValueType" = PROBABILITY,
) -> service_pb.ExplainRequest:
    request = service_pb.ExplainRequest()
    request.sequence_classification.text = text
    for index in targets:
        request.sequence_classification.targets.add().label.index = index
    request.options.output_space = space
    request.options.long_input.window.CopyFrom(WINDOW(stride=stride, aggregate=MEAN_LOGITS))
    return request


class WholeDocument:
    """All windows at one place of their common path, in plain torch."""

    def __init__(self, model: TextModel, header: service_pb.Header) -> None:
        self._network = model.network
        table = model.network.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        ids = [torch.tensor(list(window.tokens.ids)) for window in header.windows]
        special = [torch.tensor(list(window.tokens.special)) for window in header.windows]
        padded = [i.where(s, model.tokenizer.pad_token_id) for i, s in zip(ids, special, strict=True)]
        self._ends = [(table(p).detach(), table(i).detach()) for p, i in zip(padded, ids, strict=True)]

    def logits(self, places: list[Tensor]) -> Tensor:
        """The mean of the windows' logits, (C,)."""
        rows = [self._network(inputs_embeds=place[None]).logits[0].double() for place in places]
        return torch.stack(rows).mean(dim=0)

    def at(self, alpha: float) -> list[Tensor]:
        return [torch.lerp(start, end, alpha).requires_grad_() for start, end in self._ends]

    def scores(self, target: int, steps: int) -> list[Tensor]:
        """For each window the scores of a class' probability, by Gauss-Legendre."""
        totals = [torch.zeros(len(start), dtype=torch.float64) for start, _ in self._ends]
        for node, weight in zip(*gauss_legendre(steps), strict=True):
            places = self.at(float(node))
            probability = self.logits(places).softmax(dim=0)[target]
            for total, gradient, (start, end) in zip(
                totals, torch.autograd.grad(probability, places), self._ends, strict=True
            ):
                total += weight * (gradient.double() * (end - start)).sum(dim=1)
        return totals


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "deberta-v2", "modernbert"])
def test_the_scores_are_the_integral_over_all_windows_together(
    load_zoo: LoadZoo, engine: Engine, name: str
) -> None:
    model, request = load_zoo(name), request_of(targets=(0, 2), stride=90)
    request.options.fixed_steps.n_steps = 6
    front = Front().run(plan_of(model, request), engine)
    assert front.failure is None
    header = front.header
    assert header.window_count > 2
    whole = WholeDocument(model, header)
    with torch.no_grad():
        expected = whole.logits(whole.at(1.0)).softmax(dim=0).tolist()
    assert list(header.prediction.probabilities) == pytest.approx(expected, abs=1e-6)
    for number, index in enumerate((0, 2)):
        assert front.summary.targets[number].f_input == pytest.approx(expected[index], abs=1e-6)
        reference = whole.scores(index, steps=6)
        ours = {e.window: [] for e in front.finals()}  # type: dict[int, list[float]]
        for estimate in front.finals():
            if estimate.target == number:
                ours[estimate.window] += estimate.scores
        for window, scores in enumerate(reference):
            assert ours[window] == pytest.approx(scores.tolist(), abs=2e-6)


@pytest.mark.parametrize(("name", "convention"), MODELS)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_scores_add_up_to_the_documents_change(
    load_zoo: LoadZoo,
    engine: Engine,
    name: str,
    convention: "pb.Convention.ValueType",
    data: st.DataObject,
) -> None:
    words = data.draw(st.lists(st.sampled_from(TEXT.split()), min_size=150, max_size=300))
    tolerance = data.draw(st.sampled_from([0.3, 0.05, 0.01]))
    space = data.draw(st.sampled_from([PROBABILITY, LOG_ODDS, LOGIT]))
    request = request_of(" ".join(words), (0, 1), data.draw(st.integers(60, 126)), space)
    request.options.convention = convention
    request.options.tolerance.relative = tolerance
    front = Front().run(plan_of(load_zoo(name), request), engine)
    assert front.failure is None
    assert sum(window.share for window in front.header.windows) == pytest.approx(1)
    for target in front.summary.targets:
        scores = [s for e in front.finals() if e.target == target.target for s in e.scores]
        change = target.f_input - target.f_baseline
        assert sum(scores) == pytest.approx(target.score_sum, abs=1e-9)
        assert abs(target.score_sum - change) <= target.error_bound + 1e-12
        assert target.stop_reason == service_pb.STOP_REASON_TOLERANCE
        assert target.error_bound <= tolerance * max(abs(change), sum(map(abs, scores)))
        assert target.unexplained == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("classes", "space"), [(3, LOGIT), (2, LOG_ODDS)])
def test_where_the_mean_of_logits_is_a_mean_windows_are_explained_apart(
    load_zoo: LoadZoo, engine: Engine, classes: int, space: "pb.OutputSpace.ValueType"
) -> None:
    model, request = load_zoo("bert", classes), request_of(space=space)
    request.options.fixed_steps.n_steps = 4
    apart = Front().run(plan_of(model, request), engine)
    request.options.long_input.window.aggregate = WINDOW.AGGREGATE_MEAN
    mean = Front().run(plan_of(model, request), engine)
    assert all(len(window.changes) == 1 for window in apart.header.windows)
    assert [e.scores for e in apart.finals()] == [e.scores for e in mean.finals()]
    logits = torch.tensor(list(apart.header.prediction.logits))
    assert list(logits) == pytest.approx(list(mean.header.prediction.logits))
    probabilities = list(apart.header.prediction.probabilities)
    assert probabilities == pytest.approx(logits.softmax(dim=0).tolist(), abs=1e-6)
    assert probabilities != pytest.approx(list(mean.header.prediction.probabilities), abs=1e-6)


@pytest.mark.parametrize(("classes", "followed"), [(1, 1), (2, 1), (3, 2)])
def test_of_n_classes_all_but_one_are_followed(
    load_zoo: LoadZoo, engine: Engine, classes: int, followed: int
) -> None:
    request = request_of()
    request.options.fixed_steps.n_steps = 2
    cost = Front().run(plan_of(load_zoo("bert", classes), request), engine).summary.cost
    assert cost.gradients == followed * cost.points


def test_each_label_follows_its_own_logit(load_zoo: LoadZoo, engine: Engine) -> None:
    """A label that is done costs no backward pass, whatever the others need."""
    request = service_pb.ExplainRequest()
    request.multi_label_classification.text = TEXT
    request.options.long_input.window.CopyFrom(WINDOW(stride=126, aggregate=MEAN_LOGITS))
    request.options.tolerance.relative = 1e-3
    model = load_zoo("bert")
    front = Front().run(PLANNERS["multi_label_classification"](request, model), engine)
    header, summary = front.header, front.summary
    logits = torch.tensor(list(header.prediction.logits))
    assert list(header.prediction.probabilities) == pytest.approx(logits.sigmoid().tolist(), abs=1e-6)
    for number, target in enumerate(summary.targets):
        assert target.f_input == pytest.approx(header.prediction.probabilities[number], abs=1e-6)
        assert abs(target.convergence_delta) <= target.error_bound
        assert target.stop_reason == service_pb.STOP_REASON_TOLERANCE
    assert summary.cost.gradients == sum(target.points for target in summary.targets)


def test_a_window_that_stands_still_goes_along_while_labels_are_done_one_by_one(
    load_zoo: LoadZoo, engine: Engine
) -> None:
    """A stretch of unknown words, from the unknown token on."""
    request = service_pb.ExplainRequest()
    request.multi_label_classification.text = f"{TEXT} {'漢' * 400} {TEXT}"
    request.options.long_input.window.CopyFrom(WINDOW(stride=126, aggregate=MEAN_LOGITS))
    request.options.baselines.add().unknown_token.SetInParent()
    request.options.tolerance.relative = 1e-4
    plan = PLANNERS["multi_label_classification"](request, load_zoo("electra"))
    still = sum(path.spec.stands_still for path in plan.paths)
    front = Front().run(plan, engine)
    assert front.failure is None
    points = {target.points for target in front.summary.targets}
    assert still
    assert len(points) > 1, "labels need different numbers of points"
    for target in front.summary.targets:
        assert abs(target.convergence_delta) <= target.error_bound
    last = front.all("progress")[-1]
    assert last.points_done == last.points_planned == front.summary.cost.points


def test_every_round_tells_all_windows_and_nothing_is_known_before_all_is(
    load_zoo: LoadZoo, engine: Engine
) -> None:
    request = request_of()
    request.options.tolerance.relative = 1e-4
    front = Front().run(plan_of(load_zoo("gpt2"), request), engine, partial_estimates=True)
    windows = {window.index for window in front.header.windows}
    assert not any(window.changes for window in front.header.windows)
    (target,) = front.summary.targets
    change = target.f_input - target.f_baseline
    rounds: dict[int, dict[int, float]] = {}
    bounds: dict[int, float] = {}
    for estimate in front.all("estimate"):
        sums = rounds.setdefault(estimate.round, {})
        sums[estimate.window] = sums.get(estimate.window, 0.0) + sum(estimate.scores)
        bounds[estimate.round] = estimate.error_bound
    assert len(rounds) > 1
    for number, sums in rounds.items():
        assert set(sums) == windows
        assert abs(sum(sums.values()) - change) <= bounds[number] + 1e-9
    for event in front.all("progress"):
        if event.unexplained:
            left = 0.0 if event.windows_done == event.windows else change
            assert event.unexplained[0] == pytest.approx(left, abs=1e-6)


def test_more_scores_than_memory_would_hold_are_refused(load_zoo: LoadZoo) -> None:
    request = request_of(" ".join(SENTENCES * 20), targets=(0,) * 64, stride=20)
    with pytest.raises(InvalidArgumentError, match="at most 524288") as raised:
        plan_of(load_zoo("bert"), request)
    (violation,) = raised.value.violations
    assert violation.field == "options.long_input.window.aggregate"
    assert "larger stride" in violation.description
    request.options.long_input.window.stride = 126
    request.sequence_classification.text *= 6
    with pytest.raises(InvalidArgumentError, match="Ask for fewer targets or another aggregate"):
        plan_of(load_zoo("bert"), request)
    # Windows that are explained apart are not held together.
    request.options.output_space = LOGIT
    assert plan_of(load_zoo("bert"), request).document is not None


def test_cancelling_stops_every_window(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = counted_points(monkeypatch)

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate") and front.job is not None:
            front.job.cancel()

    request = request_of(stride=30)
    request.options.tolerance.relative = 1e-6
    front = Front(at=leave).run(plan_of(load_zoo("bert"), request), engine, partial_estimates=True)
    first_round = sum(computed)
    # A job after it, so that the engine has gone on.
    short = request_of(stride=126)
    short.options.fixed_steps.n_steps = 1
    after = Front().run(plan_of(load_zoo("bert"), short), engine)
    # The batch at hand is always finished: some rows of the second round.
    assert (
        sum(computed) - first_round - after.summary.cost.points <= engine.budgets.of(load_zoo("bert")) // 64
    )
    assert not front.all("summary")
    assert front.failure is None


def test_at_the_deadline_the_last_round_goes_out_with_its_bound(load_zoo: LoadZoo, engine: Engine) -> None:
    """The time of one round is found by trying: the machine may be busy with something else now and then."""
    request = request_of(" ".join(SENTENCES * 10), stride=60)
    request.options.tolerance.relative = 1e-7
    plan = plan_of(load_zoo("bert"), request)
    marks: list[float] = []

    def leave(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("estimate") and front.job is not None:
            marks.append(time.monotonic())
            front.job.cancel()

    started = time.monotonic()
    Front(at=leave).run(plan, engine, partial_estimates=True)
    seconds = 1.5 * (marks[0] - started)
    for _ in range(20):
        front = Front().run(plan_of(load_zoo("bert"), request), engine, seconds_left=seconds)
        if front.failure is not None:
            seconds *= 1.6
            continue
        (target,) = front.summary.targets
        if target.stop_reason == service_pb.STOP_REASON_DEADLINE:
            break
        seconds *= 0.7
    assert front.failure is None
    assert {estimate.window for estimate in front.finals()} == set(range(front.header.window_count))
    assert target.stop_reason == service_pb.STOP_REASON_DEADLINE
    assert abs(target.convergence_delta) <= target.error_bound
    assert target.score_sum == pytest.approx(sum(s for e in front.finals() for s in e.scores), abs=1e-9)


def test_a_deadline_before_the_first_round_is_an_error(load_zoo: LoadZoo, engine: Engine) -> None:
    request = request_of(" ".join(SENTENCES * 10), stride=30)
    front = Front().run(plan_of(load_zoo("bert"), request), engine, seconds_left=0.1)
    assert front.failure.code == 4
    assert not front.all("summary")


def test_a_failing_window_ends_the_job_once(
    load_zoo: LoadZoo, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec

    def broken(*_: object) -> None:
        raise RuntimeError("a broken model")

    def fail(front: Front, event: service_pb.StreamExplainResponse) -> None:
        if event.HasField("header"):
            monkeypatch.setattr(EmbeddingPathSpec, "run", broken)

    front = Front(at=fail).run(plan_of(load_zoo("bert"), request_of()), engine)
    assert front.failure.code == 13
    assert not front.all("summary")


def test_pairs_move_together_too(load_zoo: LoadZoo, engine: Engine) -> None:
    request = service_pb.ExplainRequest()
    pair = request.pairwise_sequence_classification
    pair.text1, pair.text2, pair.flip_sign = SENTENCES[0], TEXT, True
    request.options.long_input.window.CopyFrom(WINDOW(stride=80, aggregate=MEAN_LOGITS))
    request.options.tolerance.relative = 0.05
    model = load_zoo("bert", 1)
    front = Front().run(PLANNERS["pairwise_sequence_classification"](request, model), engine)
    (target,) = front.summary.targets
    logits = []
    for window in front.header.windows:
        ids, types = (torch.tensor([list(each)]) for each in (window.tokens.ids, window.tokens.segments))
        with torch.no_grad():
            logits.append(model.network(input_ids=ids, token_type_ids=types).logits[0].double())
    mean = torch.stack(logits).mean()
    assert target.f_input == pytest.approx(1 - float(mean.sigmoid()), abs=1e-6)
    assert abs(target.convergence_delta) <= target.error_bound
    assert target.stop_reason == service_pb.STOP_REASON_TOLERANCE
