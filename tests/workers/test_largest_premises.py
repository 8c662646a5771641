"""The largest window of labels that compete: all labels' windows on one part of the text, in lock-step."""

import pytest

from ligserve.server.workers.engine.engine import Engine
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo
from tests.workers.test_documents import Front
from tests.workers.test_zero_shot_documents import (
    ENTAILS,
    LABELS,
    MAX,
    Group,
    nli,
    plan_of,
    request_of,
    window_logits,
)

STEPS = 5


def run(
    load_zoo: LoadZoo, engine: Engine, space: "pb.OutputSpace.ValueType" = pb.OUTPUT_SPACE_UNSPECIFIED
) -> Front:
    request = request_of(stride=60, aggregate=MAX)
    request.options.fixed_steps.n_steps = STEPS
    request.options.output_space = space
    front = Front().run(plan_of(nli(load_zoo), request), engine)
    assert front.failure is None
    return front


def part_of(target: service_pb.Target) -> int:
    assert target.window_count == len(LABELS)
    assert target.window % len(LABELS) == 0
    return target.window // len(LABELS)


def test_each_label_is_explained_where_its_share_is_largest(load_zoo: LoadZoo, engine: Engine) -> None:
    front = run(load_zoo, engine)
    header = front.header
    shares = window_logits(nli(load_zoo), header)[..., ENTAILS].softmax(dim=1)
    largest = shares.amax(dim=0).tolist()
    assert list(header.prediction.probabilities) == pytest.approx(largest, abs=1e-6)
    assert sum(largest) > 1
    assert len({part_of(target) for target in header.targets}) > 1, "every label wins on the same part"
    for number, target in enumerate(header.targets):
        part, reached = part_of(target), front.summary.targets[number]
        assert part == int(shares[:, number].argmax())
        ranked = shares[:, number].sort().values
        assert target.runner_up_gap == pytest.approx(float(ranked[-1] - ranked[-2]), abs=1e-6)
        assert reached.f_input == pytest.approx(largest[number], abs=1e-6)
        windows = {estimate.window for estimate in front.finals() if estimate.target == number}
        assert windows == set(range(target.window, target.window + 3))
        assert abs(reached.convergence_delta) <= reached.error_bound


def test_its_scores_are_the_integral_over_the_windows_on_that_part(load_zoo: LoadZoo, engine: Engine) -> None:
    front = run(load_zoo, engine)
    model, header = nli(load_zoo), front.header
    for number, target in enumerate(header.targets):
        windows = list(header.windows[target.window : target.window + 3])
        for window, expected in zip(windows, Group(model, windows).scores(number, STEPS), strict=True):
            ours = [
                score
                for estimate in front.finals()
                if (estimate.target, estimate.window) == (number, window.index)
                for score in estimate.scores
            ]
            assert window.share == 1
            assert ours == pytest.approx(expected.tolist(), abs=1e-6)


@pytest.mark.parametrize(
    "space", [pb.OUTPUT_SPACE_PROBABILITY, pb.OUTPUT_SPACE_LOG_ODDS, pb.OUTPUT_SPACE_LOGIT]
)
def test_a_part_is_told_with_the_targets_that_are_largest_there(
    load_zoo: LoadZoo, engine: Engine, space: "pb.OutputSpace.ValueType"
) -> None:
    """And explained once, whatever the number of these."""
    front = run(load_zoo, engine, space)
    header, cost = front.header, front.summary.cost
    changes: dict[int, float] = {}
    for window in header.windows:
        first = window.index - window.index % len(LABELS)
        own = [number for number, target in enumerate(header.targets) if target.window == first]
        assert len(window.changes) == (len(own) if window.index == first else 0)
        changes |= dict(zip(own, window.changes, strict=False))
    parts = {part_of(target) for target in header.targets}
    assert cost.points == cost.gradients == len(parts) * len(LABELS) * (STEPS + 2)
    for number, reached in enumerate(front.summary.targets):
        assert reached.f_input - reached.f_baseline == pytest.approx(changes[number], abs=1e-5)
        scores = [s for e in front.finals() if e.target == number for s in e.scores]
        assert sum(scores) == pytest.approx(reached.score_sum, abs=1e-9)
    last = front.all("progress")[-1]
    assert last.windows_done == last.windows == header.window_count
