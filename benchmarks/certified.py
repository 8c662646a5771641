"""Hold what answers promise against the truth: python -m benchmarks.certified.

Every class of small random models of all architectures, and of a real classifier, is explained in this
process to three tolerances, as probability, log-odds and logit. The truth is worked out with plain torch:
both outputs by forward passes of one row, the scores with 2,000 points. The exit code is 1 if a completeness
error is above its bound, or fewer than nine of ten error bars hold the true error.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.models.integral import Floats, Integral, Integrator, Target
from benchmarks.models.silence import silence_loading
from benchmarks.quadrature import PredictedClass
from benchmarks.reports.table import aligned, percent
from benchmarks.texts import SHORT
from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.engine.path import Path as LinePath
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.explainers.options.baselines import DEFAULT_BASELINE, replacement_token
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.quadrature import AdaptiveRule, PathEstimate
from ligserve.v1 import explanation_pb2 as pb
from tests.zoo import ARCHITECTURES, build_model

TOLERANCES = (0.05, 0.01, 0.001)
SPACES = {
    "probability": pb.OUTPUT_SPACE_PROBABILITY,
    "log-odds": pb.OUTPUT_SPACE_LOG_ODDS,
    "logit": pb.OUTPUT_SPACE_LOGIT,
}
TRUE_POINTS, MOST_POINTS = 2000, 1024
NINE_OF_TEN = 0.9
COLUMNS = (
    "tolerance",
    "cases",
    "completeness error within its bound",
    "worst error / bound",
    "bars that hold",
    "cases whose error in all is within that of the bars",
    "scores' error: median, worst",
    "the reference's own error: worst",
)


@dataclass(frozen=True)
class Case:
    """One target of one text on one model, to one tolerance; errors are relative to max(|df|, sum |scores|).

    Attributes:
        name: of the model.
        tolerance: what was asked for.
        completeness: error of the scores' sum, against plain forward passes.
        bound: what the answer says of that.
        wrong: true error of the scores in all.
        bars: what the answer's bars add up to.
        held: (tokens that move,), whether a bar holds its score's true error.
        reference: how far the reference's scores are from adding up.
    """

    name: str
    tolerance: float
    completeness: float
    bound: float
    wrong: float
    bars: float
    held: NDArray[np.bool_]
    reference: float


class Targets(PredictedClass):
    """Explains given outputs."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        super().__init__()
        self._outputs = outputs

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        """All of them."""
        return self._outputs


def main() -> int:
    """Measure and print the table; 0 if all holds."""
    arguments = parse()
    silence_loading()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        models = {name: build_model(kind, Path(scratch) / name) for name, kind in ARCHITECTURES.items()}
        cases = list(cases_of(models, SHORT[: arguments.texts], TRUE_POINTS))
    if arguments.model:
        cases += cases_of({"real": arguments.model}, SHORT[: arguments.real_texts], TRUE_POINTS)
    rows = [COLUMNS, *(cells(tolerance, cases) for tolerance in TOLERANCES)]
    print(aligned(rows))
    return 0 if all(well(tolerance, cases) for tolerance in TOLERANCES) else 1


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.certified", description=__doc__)
    parser.add_argument("--model", type=Path, help="directory of a real classifier of texts")
    parser.add_argument("--texts", type=int, default=2, help="texts for each small model, 1 to 20 (2)")
    parser.add_argument("--real-texts", type=int, default=5, help="texts for the real one, 1 to 20 (5)")
    return parser.parse_args()


def cases_of(models: Mapping[str, Path], texts: Sequence[str], points: int) -> Iterator[Case]:
    """Every class, space and tolerance, for every text on every model."""
    for name, directory in models.items():
        model = load_model(ModelSource(name=name, source=str(directory)), "cpu")
        if not isinstance(model, TextModel):
            raise TypeError(f"{name} is no model of texts")
        integrator, engine = Integrator(directory, points), Engine()
        targets = [(index, space) for index in range(model.num_logits) for space in SPACES]
        for text in texts:
            true = integrator.of(text, replacement_token(model, DEFAULT_BASELINE), targets)
            for tolerance in TOLERANCES:
                found = estimate(engine, model, text, targets, tolerance)
                yield from (compared(name, tolerance, found, true, row) for row in range(len(targets)))
        engine.close()


def estimate(
    engine: Engine, model: TextModel, text: str, targets: Sequence[Target], tolerance: float
) -> tuple[PathEstimate, Floats]:
    """What the engine answers, and the error bars (K, T) among it."""
    prepared = faithful_input(model, text, "text", replacement_token(model, DEFAULT_BASELINE))
    layer = model.layers[pb.EMBEDDING_LAYER_WORD]
    spec = EmbeddingPathSpec(model, layer, prepared.row, prepared.baseline_row, prepared.prediction_row)
    rule = AdaptiveRule(tolerance, MOST_POINTS)
    listener = Targets([ClassOutput(index, None, SPACES[space]) for index, space in targets])
    engine.submit(LinePath(spec, rule, listener, None))
    listener.wait()
    found = rule.estimate()
    if found is None or found.score_errors is None:
        raise RuntimeError("an adaptive answer has error bars")
    return found, found.score_errors


def compared(
    name: str, tolerance: float, answer: tuple[PathEstimate, Floats], true: Integral, row: int
) -> Case:
    """A target's answer against the truth."""
    found = answer[0]
    scores, bars = found.scores[row], answer[1][row]
    change = float(true.changes[row])
    scale = max(abs(change), float(np.abs(true.scores[row]).sum()))
    wrong = np.abs(scores - true.scores[row])
    return Case(
        name=name,
        tolerance=tolerance,
        completeness=abs(float(scores.sum()) - change) / scale,
        bound=float(found.error_bound[row]) / scale,
        wrong=float(wrong.sum()) / scale,
        bars=float(bars.sum()) / scale,
        held=(wrong <= bars)[true.moves],
        reference=abs(float(true.scores[row].sum()) - change) / scale,
    )


def broken(cases: Sequence[Case]) -> list[Case]:
    """Those whose completeness error is above its bound."""
    return [case for case in cases if case.completeness > case.bound]


def bars_that_hold(cases: Sequence[Case]) -> float:
    """Share of all tokens that move."""
    return float(np.concatenate([case.held for case in cases]).mean())


def well(tolerance: float, cases: Sequence[Case]) -> bool:
    """Whether what a tolerance's answers promise holds."""
    own = [case for case in cases if case.tolerance == tolerance]
    return not broken(own) and bars_that_hold(own) >= NINE_OF_TEN


def cells(tolerance: float, cases: Sequence[Case]) -> tuple[str, ...]:
    """One row of the table."""
    own = [case for case in cases if case.tolerance == tolerance]
    wrong = [case.wrong for case in own]
    return (
        f"{100 * tolerance:g} %",
        str(len(own)),
        f"{len(own) - len(broken(own))} of {len(own)}",
        f"{max(case.completeness / case.bound for case in own):.2f}",
        f"{bars_that_hold(own):.1%}",
        f"{sum(case.wrong <= case.bars for case in own)} of {len(own)}",
        f"{percent(float(np.median(wrong)))}, {percent(max(wrong))}",
        f"{max(case.reference for case in own):.1e}",
    )


if __name__ == "__main__":
    sys.exit(main())
