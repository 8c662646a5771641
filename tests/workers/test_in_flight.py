"""Results that come late: the next batch is queued meanwhile, and nothing else changes."""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import pytest
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.engine import MAX_IN_FLIGHT, Engine
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.self_prediction import OUTPUTS_PER_TURN
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    PathEstimate,
    QuadratureRule,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.late_device import NEVER, LateDevice
from tests.workers.test_engine import PROBABILITY, TEXT, hold_engine, spec_of
from tests.zoo import ARCHITECTURES

SPACES = [space for space in pb.OutputSpace.values() if space]
# Several turns of a batch.
MANY = [ClassOutput(index, None, space) for space in SPACES for index in range(3)]
MAKE_RULES: list[Callable[[], QuadratureRule]] = [
    lambda: AdaptiveRule(1e-4, 512),
    lambda: FixedRule(*gauss_legendre(20)),
]

StartEngine = Callable[[int], Engine]


@pytest.fixture
def start_engine() -> Iterator[StartEngine]:
    """Starts engines of so many rows of TEXT a batch, and closes them."""
    running: list[Engine] = []

    def start(tokens: int) -> Engine:
        running.append(Engine(token_budget=tokens))
        return running[-1]

    yield start
    for engine in running:
        engine.close()


def on(model: TextModel, device: LateDevice) -> TextModel:
    return dataclasses.replace(model, transfer=device)


def finished(
    engine: Engine, model: TextModel, rule: QuadratureRule, outputs: Sequence[Output] = (PROBABILITY,)
) -> Path:
    recorder = Recorder(outputs)
    path = Path(spec_of(model, TEXT), rule, recorder, None)
    engine.submit(path)
    assert recorder.wait().error is None
    return path


def estimate_of(path: Path) -> PathEstimate:
    estimate = path.rule.estimate()
    assert estimate is not None
    return estimate


def out_of_memory() -> Exception:
    return RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize("looks", [0, 3, NEVER])
@pytest.mark.parametrize("make_rule", MAKE_RULES)
@pytest.mark.parametrize("outputs", [[PROBABILITY], MANY], ids=["one", "many"])
def test_late_results_are_the_same_results(
    load_zoo: LoadZoo,
    start_engine: StartEngine,
    looks: int,
    make_rule: Callable[[], QuadratureRule],
    outputs: list[Output],
) -> None:
    model = load_zoo("bert")
    engine = start_engine(spec_of(model, TEXT).length * 4)
    direct = finished(engine, model, make_rule(), outputs)
    late = finished(engine, on(model, LateDevice(looks)), make_rule(), outputs)
    assert late.cost == direct.cost
    assert estimate_of(late).scores == pytest.approx(estimate_of(direct).scores, rel=1e-6, abs=1e-9)
    assert estimate_of(late).f_input == pytest.approx(estimate_of(direct).f_input, rel=1e-6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_late_results_of_unequal_rows_are_the_same_for_every_architecture(
    load_zoo: LoadZoo, start_engine: StartEngine, name: str
) -> None:
    model = load_zoo(name)
    late, engine = on(model, LateDevice(looks=1)), start_engine(4096)
    found: dict[bool, list[PathEstimate]] = {}
    for each in (model, late):
        recorders = [Recorder([PROBABILITY]) for _ in range(2)]
        texts = (TEXT, TEXT.removesuffix(" hated it."))
        paths = [
            Path(spec_of(each, text), FixedRule(*gauss_legendre(5)), recorder, None)
            for text, recorder in zip(texts, recorders, strict=True)
        ]
        engine.submit(*paths)
        assert [recorder.wait().error for recorder in recorders] == [None, None]
        found[each is late] = [estimate_of(path) for path in paths]
    for direct, delayed in zip(found[False], found[True], strict=True):
        assert delayed.scores == pytest.approx(direct.scores, rel=1e-6, abs=1e-9)


def test_late_results_of_coarse_points_know_the_deployed_models_ends(
    load_zoo: LoadZoo, start_engine: StartEngine
) -> None:
    model = load_zoo("bert")
    engine = start_engine(1024)
    estimates = []
    for each in (model, on(model, LateDevice())):
        spec = dataclasses.replace(spec_of(each, TEXT), precision=pb.PRECISION_BFLOAT16)
        recorder = Recorder([PROBABILITY])
        path = Path(spec, FixedRule(*gauss_legendre(9)), recorder, None)
        engine.submit(path)
        assert recorder.wait().error is None
        estimates.append(estimate_of(path))
    direct, late = estimates
    assert late.f_input == pytest.approx(direct.f_input, rel=1e-6)
    assert late.error_bound == pytest.approx(direct.error_bound, rel=1e-6)
    assert late.scores == pytest.approx(direct.scores, rel=1e-6, abs=1e-9)


def test_many_requests_at_once_come_out_right(load_zoo: LoadZoo, start_engine: StartEngine) -> None:
    model, device = load_zoo("bert"), LateDevice(looks=2)
    engine = start_engine(256)
    texts = [" ".join(TEXT.split()[:count]) for count in range(1, 13)]
    recorders = [Recorder([PROBABILITY]) for _ in texts]
    paths = [
        Path(spec_of(on(model, device), text), AdaptiveRule(1e-3, 512), recorder, None)
        for text, recorder in zip(texts, recorders, strict=True)
    ]
    engine.submit(*paths)
    for text, path, recorder in zip(texts, paths, recorders, strict=True):
        assert recorder.wait().error is None
        alone = Recorder([PROBABILITY])
        expected = Path(spec_of(model, text), AdaptiveRule(1e-3, 512), alone, None)
        engine.submit(expected)
        alone.wait()
        scores = estimate_of(expected).scores
        assert estimate_of(path).scores == pytest.approx(scores, rel=1e-4, abs=1e-5 * np.abs(scores).sum())
    assert engine.tally.points == sum(path.cost.points for path in paths) * 2


def test_the_next_batch_is_queued_before_the_one_before_is_collected(
    load_zoo: LoadZoo, start_engine: StartEngine
) -> None:
    model, device = load_zoo("bert"), LateDevice()
    engine = start_engine(spec_of(model, TEXT).length * 4)
    path = finished(engine, on(model, device), FixedRule(*gauss_legendre(18)))
    assert path.cost.batches == 5
    queued, landed = ([device.log.index((what, n)) for n in range(5)] for what in ("queued", "landed"))
    for number in range(5 - MAX_IN_FLIGHT):
        assert queued[number + MAX_IN_FLIGHT] < landed[number], device.log
    for number in range(5 - MAX_IN_FLIGHT - 1):
        assert landed[number] < queued[number + MAX_IN_FLIGHT + 1], device.log


def test_the_turns_of_many_targets_are_not_queued_all_at_once(
    load_zoo: LoadZoo, start_engine: StartEngine
) -> None:
    model, device = load_zoo("bert"), LateDevice()
    finished(start_engine(1024), on(model, device), FixedRule(*gauss_legendre(3)), MANY)
    ahead = list(accumulate(1 if what == "queued" else -1 for what, _ in device.log))
    assert len(device.log) == 2 * -(-len(MANY) // OUTPUTS_PER_TURN) > 2
    assert max(ahead) == 1 + MAX_IN_FLIGHT


def test_what_is_in_flight_when_a_call_is_cancelled_is_its_last(
    load_zoo: LoadZoo, start_engine: StartEngine
) -> None:
    model, device = load_zoo("bert"), LateDevice()
    engine = start_engine(spec_of(model, TEXT).length * 2)
    cancelled = threading.Event()

    def cancel(path: Path) -> None:
        path.cancel()
        cancelled.set()

    recorder = Recorder([PROBABILITY], on_points=cancel)
    path = Path(spec_of(on(model, device), TEXT), FixedRule(*gauss_legendre(50)), recorder, None)
    engine.submit(path)
    assert cancelled.wait(60)
    other = finished(engine, model, FixedRule(*gauss_legendre(2)))
    assert path.cost.points == 2, "of the first batch"
    assert len(device.log) == 2 * (1 + MAX_IN_FLIGHT)
    assert "finished" not in recorder.heard
    assert engine.tally.points == 2 * (1 + MAX_IN_FLIGHT) + other.cost.points
    assert engine.tally.cancelled_points == 2 * MAX_IN_FLIGHT
    assert engine.tally.late_points == 0


def test_nothing_is_added_to_an_estimate_that_the_deadline_has_cut(
    load_zoo: LoadZoo, start_engine: StartEngine
) -> None:
    model, device = load_zoo("bert"), LateDevice()
    engine = start_engine(spec_of(model, TEXT).length * 2)
    recorder = Recorder([PROBABILITY])
    path = Path(spec_of(on(model, device), TEXT), AdaptiveRule(1e-6, 4096), recorder, None)

    def cut(_path: Path) -> None:
        if "round" in recorder.heard:
            path.deadline = 0.0

    recorder.on_points = cut
    engine.submit(path)
    recorder.wait()
    points = path.cost.points
    engine.close()
    assert path.cut_by_deadline
    assert estimate_of(path).points[0] == path.cost.points == points
    assert engine.tally.points > points, "what was in flight was computed"


@pytest.mark.parametrize("rows", [1, 3])
def test_memory_that_is_short_when_results_are_collected_halves_the_batch(
    load_zoo: LoadZoo, start_engine: StartEngine, rows: int
) -> None:
    def too_large(results: Sequence[Tensor]) -> Exception | None:
        return out_of_memory() if len(results[0]) > rows else None

    model = load_zoo("bert")
    length = spec_of(model, TEXT).length
    engine = start_engine(length * 8)
    expected = finished(engine, model, FixedRule(*gauss_legendre(20)))
    device = LateDevice(failure=too_large)
    path = finished(engine, on(model, device), FixedRule(*gauss_legendre(20)))
    assert engine.budgets.of(model) == length * (1 << (rows.bit_length() - 1))
    assert estimate_of(path).scores == pytest.approx(estimate_of(expected).scores, rel=1e-4, abs=1e-6)


def test_memory_that_others_in_flight_hold_halves_nothing(
    load_zoo: LoadZoo, start_engine: StartEngine
) -> None:
    failures = [None, out_of_memory()]
    model = load_zoo("bert")
    engine = start_engine(spec_of(model, TEXT).length * 4)
    device = LateDevice(failure=lambda _: failures.pop(0) if failures else None)
    path = finished(engine, on(model, device), FixedRule(*gauss_legendre(18)))
    assert engine.budgets.of(model) == spec_of(model, TEXT).length * 4
    assert path.cost.points == 20
    assert path.cost.batches == 5


def test_a_row_whose_results_never_fit_fails_alone(load_zoo: LoadZoo, start_engine: StartEngine) -> None:
    model, device = load_zoo("bert"), LateDevice(failure=lambda _: out_of_memory())
    engine = start_engine(256)
    bad = Recorder([PROBABILITY])
    engine.submit(Path(spec_of(on(model, device), TEXT), FixedRule(*gauss_legendre(5)), bad, None))
    finished(engine, model, FixedRule(*gauss_legendre(5)))
    assert "out of memory" in str(bad.wait().error)


def test_a_failure_of_the_device_is_told_to_the_path(load_zoo: LoadZoo, start_engine: StartEngine) -> None:
    def failure(_results: Sequence[Tensor]) -> Exception:
        return FailedPreconditionError("the device has had enough", reason="TIRED")

    model, engine = load_zoo("bert"), start_engine(4096)
    bad, good = Recorder([PROBABILITY]), Recorder([PROBABILITY])
    tired = on(model, LateDevice(looks=0, failure=failure))
    paths = [
        Path(spec_of(each, TEXT), FixedRule(*gauss_legendre(5)), recorder, None)
        for each, recorder in ((tired, bad), (model, good))
    ]
    hold_engine(engine, model, paths)
    assert isinstance(bad.wait().error, FailedPreconditionError)
    assert good.wait().error is None


def test_an_engine_that_is_closed_waits_for_what_is_in_flight(load_zoo: LoadZoo) -> None:
    model, device = load_zoo("bert"), LateDevice()
    engine = Engine(token_budget=spec_of(model, TEXT).length * 2)
    recorder = Recorder([PROBABILITY])
    engine.submit(Path(spec_of(on(model, device), TEXT), FixedRule(*gauss_legendre(400)), recorder, None))
    assert device.queued.wait(60)
    engine.close()
    queued, landed = ([n for what, n in device.log if what == each] for each in ("queued", "landed"))
    assert queued == landed
    assert engine.tally.points == 2 * len(queued)
    assert "finished" not in recorder.heard
