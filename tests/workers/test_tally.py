"""What the engine says that it computed."""

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.engine.tally import Tally
from ligserve.server.workers.quadrature import FixedRule, gauss_legendre
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import PROBABILITY, TEXT, explained, spec_of


def test_points_of_answers_and_of_a_cancelled_call_are_told_apart(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    spec = spec_of(model, TEXT)
    engine = Engine(token_budget=spec.length * 2)
    explained(engine, spec, PROBABILITY, steps=6)
    # The second of the points at hand is heard of when it is computed: for nobody.
    recorder = Recorder([PROBABILITY], on_points=lambda path: path.cancel())
    engine.submit(Path(spec, FixedRule(*gauss_legendre(50)), recorder, None))
    explained(engine, spec_of(model, "good"), PROBABILITY, steps=6)
    engine.close()
    counts = engine.tally.counts()
    assert counts["points"] == 8 + 2 + 8, "6 nodes and both ends; the batch at hand; 6 nodes and both ends"
    assert counts["late_points"] == 0
    assert counts["batches"] >= 4 + 1 + 1


def test_points_are_late_from_the_second_batch_after_the_call_was_cancelled(load_zoo: LoadZoo) -> None:
    path = Path(spec_of(load_zoo("bert"), TEXT), FixedRule(*gauss_legendre(5)), Recorder([]), None)
    tally = Tally()
    tally.begin([Slice(path, [0.1])])
    path.cancel()
    tally.done([Slice(path, [0.1])])
    tally.begin([Slice(path, [0.2, 0.3])])
    assert (tally.cancelled_points, tally.late_points) == (1, 0)
    tally.begin([Slice(path, [0.4, 0.5])])
    assert tally.late_points == 2
