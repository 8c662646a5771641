"""Hold the adaptive rule against the truth: python -m benchmarks.quadrature --model DIRECTORY.

The predicted class of every text is explained in this process, to three tolerances and with fixed numbers of
Gauss-Legendre steps; the truth is Gauss-Legendre with many more.
"""

import argparse
import statistics
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.reports.table import aligned, p90, percent
from benchmarks.texts import LONG, SHORT
from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput, Output
from ligserve.server.workers.engine.path import Path as LinePath
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    NodeValue,
    PathEstimate,
    QuadratureRule,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb

COLUMNS = (
    "texts",
    "rule",
    "points: median, p90",
    "rounds",
    "error of the scores in all: median, p90, worst",
    "of their sum: worst",
    "bars hold",
)
TRUE_STEPS = 500
RULES: dict[str, Callable[[], QuadratureRule]] = {
    "Gauss-Legendre, 20": lambda: FixedRule(*gauss_legendre(20)),
    "Gauss-Legendre, 50": lambda: FixedRule(*gauss_legendre(50)),
    "tolerance 5 %": lambda: AdaptiveRule(0.05, 1024),
    "tolerance 1 %": lambda: AdaptiveRule(0.01, 1024),
    "tolerance 0.1 %": lambda: AdaptiveRule(0.001, 1024),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What a rule made of one text; errors are relative to max(|df|, sum |scores|)."""

    points: int
    rounds: int
    token_error: float
    sum_error: float
    bars_that_hold: float


class PredictedClass:
    """Explains the probability of the predicted class (a PathListener)."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._ended = threading.Event()

    def predicted(self, logits: Tensor) -> Sequence[Output]:
        """The class with the largest logit."""
        return [ClassOutput(int(logits.argmax()), None, pb.OUTPUT_SPACE_PROBABILITY)]

    def points_done(self, path: LinePath) -> None:
        """Nothing to do."""

    def previewed(self, path: LinePath, value: NodeValue) -> None:
        """Not asked for."""

    def round_done(self, path: LinePath) -> None:
        """Nothing to do."""

    def finished(self, path: LinePath) -> None:
        """The estimate is final."""
        self._ended.set()

    def failed(self, error: Exception) -> None:
        """There is none."""
        self.error = error
        self._ended.set()

    def wait(self) -> None:
        """Until it has ended.

        Raises:
            RuntimeError: it failed.
        """
        self._ended.wait()
        if self.error is not None:
            raise RuntimeError("a path could not be finished") from self.error


def main() -> None:
    """Measure and print the table."""
    arguments = parse()
    torch.set_num_threads(1)
    model = load_model(ModelSource(name="model", source=str(arguments.model)), "cpu")
    assert isinstance(model, TextModel)
    engine = Engine()
    rows: list[Sequence[str]] = [COLUMNS]
    for name, texts in (("short", SHORT), ("long", LONG)):
        runs = measured(engine, model, texts[: arguments.texts])
        rows += [(name, rule, *cells(of_rule)) for rule, of_rule in runs.items()]
    engine.close()
    print(aligned(rows))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quadrature", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="directory of a text classifier")
    parser.add_argument("--texts", type=int, default=20, help="texts of each length, 1 to 20 (20)")
    return parser.parse_args()


def measured(engine: Engine, model: TextModel, texts: Sequence[str]) -> dict[str, list[Run]]:
    """Every rule on every text."""
    runs: dict[str, list[Run]] = {rule: [] for rule in RULES}
    for text in texts:
        true = estimate(engine, model, text, FixedRule(*gauss_legendre(TRUE_STEPS))).scores[0]
        for rule, made in RULES.items():
            runs[rule].append(compared(estimate(engine, model, text, made()), true))
    return runs


def estimate(engine: Engine, model: TextModel, text: str, rule: QuadratureRule) -> PathEstimate:
    """The final estimate of the text's predicted class."""
    prepared = faithful_input(model, text, "text", model.pad_token_id)
    layer = model.layers[pb.EMBEDDING_LAYER_WORD]
    spec = EmbeddingPathSpec(model, layer, prepared.row, prepared.baseline_row, prepared.prediction_row)
    listener = PredictedClass()
    engine.submit(LinePath(spec, rule, listener, None))
    listener.wait()
    found = rule.estimate()
    assert found is not None
    return found


def compared(found: PathEstimate, true: np.typing.NDArray[np.float64]) -> Run:
    """An estimate against the true scores."""
    wrong = np.abs(found.scores[0] - true)
    scale = max(abs(float(found.f_input[0] - found.f_baseline[0])), float(np.abs(true).sum()))
    held = np.nan if found.score_errors is None else np.mean(wrong <= found.score_errors[0] + 1e-6 * scale)
    return Run(
        points=int(found.points[0]),
        rounds=found.round,
        token_error=float(wrong.sum()) / scale,
        sum_error=abs(float(found.convergence_delta[0])) / scale,
        bars_that_hold=float(held),
    )


def cells(runs: Sequence[Run]) -> tuple[str, ...]:
    """One row of the table, without its name."""
    points, errors = [run.points for run in runs], [run.token_error for run in runs]
    held = statistics.mean(run.bars_that_hold for run in runs)
    return (
        f"{statistics.median(points):.0f}, {p90(points):.0f}",
        f"{statistics.mean(run.rounds for run in runs):.1f}",
        f"{percent(statistics.median(errors))}, {percent(p90(errors))}, {percent(max(errors))}",
        percent(max(run.sum_error for run in runs)),
        "" if np.isnan(held) else f"{held:.0%}",
    )


if __name__ == "__main__":
    main()
