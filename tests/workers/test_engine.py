"""The engine against captum, and its promises to many requests at once."""

import copy
import dataclasses
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerIntegratedGradients
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError, ResourceExhaustedError
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.explainers.options.baselines import DEFAULT_BASELINE, replacement_token
from ligserve.server.workers.failures import as_serve_error
from ligserve.server.workers.models.layers import EmbeddingLayer
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, PathEstimate, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.zoo import ARCHITECTURES

TEXT = "The film was long, loud and not funny at all; my parents hated it."
PROBABILITY = ClassOutput(1, None, pb.OUTPUT_SPACE_PROBABILITY)


def spec_of(
    model: TextModel, text: str, layer: "pb.EmbeddingLayer.ValueType" = pb.EMBEDDING_LAYER_WORD
) -> EmbeddingPathSpec:
    baseline = replacement_token(model, DEFAULT_BASELINE)
    prepared = faithful_input(model, text, "text", baseline)
    return EmbeddingPathSpec(
        model, model.layers[layer], prepared.row, prepared.baseline_row, prepared.prediction_row
    )


def explained(
    engine: Engine, spec: EmbeddingPathSpec, *outputs: ClassOutput, steps: int = 20
) -> PathEstimate:
    recorder = Recorder(outputs)
    path = Path(spec, FixedRule(*gauss_legendre(steps)), recorder, None)
    engine.submit(path)
    assert recorder.wait().error is None
    estimate = path.rule.estimate()
    assert estimate is not None
    return estimate


def by_captum(spec: EmbeddingPathSpec, output: ClassOutput, steps: int = 20) -> Tensor:
    """(T,) raw scores of captum, the same inputs along the whole path, all look-ups hooked."""
    others = {name: values[None] for name, values in spec.row.items() if name != "input_ids"}
    ids, baseline_ids = (row["input_ids"][None] for row in (spec.row, spec.baseline_row))
    options = {"additional_forward_args": (others,), "n_steps": steps, "method": "gausslegendre"}

    def forward(tokens: Tensor, rest: Mapping[str, Tensor], name: str = "input_ids") -> Tensor:
        copies = {name: values.expand(len(tokens), -1) for name, values in rest.items()}
        return output(spec.model.network(**{name: tokens}, **copies).logits)

    if spec.layer.time_first:
        # captum takes a layer's first dimension for the batch.
        table = spec.layer.modules[0]
        whole = IntegratedGradients(lambda vectors, rest: forward(vectors, rest, "inputs_embeds"))
        found = [whole.attribute(table(ids), table(baseline_ids), **options)]
    else:
        layers = LayerIntegratedGradients(forward, list(spec.layer.modules))
        found = layers.attribute(ids, baseline_ids, **options)
    total = torch.zeros(spec.length)
    for part, shift in zip(found, spec.layer.shifts, strict=True):
        total[: spec.length - shift] += part.sum(dim=-1)[0, shift : spec.length].detach()
    return total


@pytest.mark.filterwarnings("ignore:Multiple layers provided")
@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("space", [s for s in pb.OutputSpace.values() if s])
def test_scores_equal_captums(
    load_zoo: LoadZoo, engine: Engine, name: str, space: "pb.OutputSpace.ValueType"
) -> None:
    spec = spec_of(load_zoo(name), TEXT)
    output = ClassOutput(1, None, space)
    scores = explained(engine, spec, output).scores[0]
    expected = by_captum(spec, output)
    assert np.abs(scores).max() > 1e-3
    assert scores == pytest.approx(expected.numpy(), abs=2e-5 * float(expected.abs().max()) + 1e-7)


def test_targets_that_share_a_path_equal_targets_alone(load_zoo: LoadZoo, engine: Engine) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    outputs = [
        ClassOutput(0, None, pb.OUTPUT_SPACE_PROBABILITY),
        ClassOutput(2, None, pb.OUTPUT_SPACE_LOG_ODDS),
        ClassOutput(0, 2, pb.OUTPUT_SPACE_LOGIT),
    ]
    together = explained(engine, spec, *outputs)
    for number, output in enumerate(outputs):
        alone = explained(engine, spec, output)
        assert together.scores[number] == pytest.approx(alone.scores[0], rel=1e-5, abs=1e-7)
        assert together.f_input[number] == pytest.approx(alone.f_input[0], rel=1e-6)


def test_a_contrast_is_the_difference_of_its_classes(load_zoo: LoadZoo, engine: Engine) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    estimate = explained(
        engine,
        spec,
        ClassOutput(0, None, pb.OUTPUT_SPACE_LOGIT),
        ClassOutput(1, None, pb.OUTPUT_SPACE_LOGIT),
        ClassOutput(0, 1, pb.OUTPUT_SPACE_LOGIT),
    )
    assert estimate.scores[2] == pytest.approx(estimate.scores[0] - estimate.scores[1], abs=1e-5)


@pytest.mark.parametrize("name", ["bert", "distilbert", "roberta", "albert", "gpt2"])
def test_position_embeddings_add_up(load_zoo: LoadZoo, engine: Engine, name: str) -> None:
    spec = spec_of(load_zoo(name), TEXT, pb.EMBEDDING_LAYER_POSITION)
    recorder = Recorder([PROBABILITY])
    path = Path(spec, AdaptiveRule(1e-3, 4096), recorder, None)
    engine.submit(path)
    recorder.wait()
    estimate = path.rule.estimate()
    assert estimate is not None
    assert np.abs(estimate.scores).max() > 1e-3
    assert abs(estimate.convergence_delta[0]) <= 1e-3 * np.abs(estimate.scores).sum()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_batch_mates_do_not_change_scores(
    load_zoo: LoadZoo, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts of many lengths at once, two of each, in one batch as far as the engine allows, against alone."""
    model = load_zoo(name)
    lengths = (1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 14)
    texts = [" ".join(words[:count]) for count in lengths for words in (TEXT.split(), TEXT.split()[::-1])]
    engine = Engine(token_budget=4096)
    alone = [explained(engine, spec_of(model, text), PROBABILITY, steps=7).scores[0] for text in texts]
    recorders = [Recorder([PROBABILITY]) for _ in texts]
    paths = [
        Path(spec_of(model, text), FixedRule(*gauss_legendre(7)), recorder, None)
        for text, recorder in zip(texts, recorders, strict=True)
    ]
    batches = rows_of_batches(monkeypatch)
    hold_engine(engine, model, paths)
    for path, recorder, expected in zip(paths, recorders, alone, strict=True):
        recorder.wait()
        estimate = path.rule.estimate()
        assert estimate is not None
        # Nor can scores be better known than a probability's last digits: some are a thousandth in all.
        digits = 2 * float(torch.finfo(torch.float32).eps)
        assert np.abs(estimate.scores[0] - expected).max() <= 1e-5 * np.abs(expected).sum() + digits
    engine.close()
    mates = [{id(row) for row in rows} for rows in batches]
    mixed = [{row["input_ids"].shape[0] for row in rows} for rows in batches]
    assert max(map(len, mates)) > 1, "points of several texts are in one batch"
    if model.pads_safely:
        assert max(map(len, mixed)) > 2, "and texts of several lengths"
        assert sum(len(lengths) > 1 for lengths in mixed) > len(mixed) / 2
    else:
        assert max(map(len, mixed)) == 1


def rows_of_batches(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[RowInputs]]:
    """From now on, the rows of each batch of points that is computed in this process."""
    batches: list[Sequence[RowInputs]] = []
    run = EmbeddingPathSpec.run

    def seen(spec: EmbeddingPathSpec, rows: Sequence[RowInputs], *moved: Any) -> Tensor:
        if torch.is_grad_enabled():
            batches.append(rows)
        return run(spec, rows, *moved)

    monkeypatch.setattr(EmbeddingPathSpec, "run", seen)
    return batches


def hold_engine(engine: Engine, model: TextModel, paths: Sequence[Path]) -> None:
    """Submit paths while the engine is kept busy by one point, so that they meet in a batch."""
    entered, go_on = threading.Event(), threading.Event()

    def block(_path: Path) -> None:
        entered.set()
        assert go_on.wait(60)

    blocker = Recorder([PROBABILITY], on_points=block)
    engine.submit(Path(spec_of(model, "good"), FixedRule(*gauss_legendre(1)), blocker, None))
    assert entered.wait(60)
    for path in paths:
        engine.submit(path)
    go_on.set()
    blocker.wait()


def test_points_of_many_requests_share_batches(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    engine = Engine(token_budget=4096)
    recorders = [Recorder([PROBABILITY]) for _ in range(6)]
    paths = [Path(spec_of(model, TEXT), AdaptiveRule(0.01, 512), r, None) for r in recorders]
    hold_engine(engine, model, paths)
    for recorder in recorders:
        recorder.wait()
    rows_per_batch = sum(path.cost.rows - 1 for path in paths) / max(path.cost.batches for path in paths)
    assert rows_per_batch > 9, "each of these paths alone has at most 9 points in a batch"
    engine.close()


def test_the_token_budget_bounds_a_batch(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    spec = spec_of(model, TEXT)
    engine = Engine(token_budget=spec.length * 4)
    recorder = Recorder([PROBABILITY])
    path = Path(spec, FixedRule(*gauss_legendre(18)), recorder, None)
    engine.submit(path)
    recorder.wait()
    assert path.cost.batches == 5, "20 points, 4 rows a batch"
    engine.close()


def test_the_header_comes_before_any_gradient_and_rounds_in_order(load_zoo: LoadZoo, engine: Engine) -> None:
    recorder = Recorder([PROBABILITY])
    path = Path(spec_of(load_zoo("gpt2"), TEXT), AdaptiveRule(0.001, 512), recorder, None)
    engine.submit(path)
    recorder.wait()
    assert recorder.heard[0] == "predicted"
    assert recorder.heard[-1] == "finished"
    estimate = path.rule.estimate()
    assert estimate is not None
    assert recorder.heard.count("round") == estimate.round - 1


def test_progress_is_not_done_before_the_work_is(load_zoo: LoadZoo) -> None:
    """A round that ends is told of once the next one is planned."""
    spec = spec_of(load_zoo("gpt2"), TEXT)
    engine = Engine(token_budget=spec.length * 4)
    told: list[tuple[int, int]] = []
    recorder = Recorder([PROBABILITY], on_points=lambda path: told.append((path.cost.points, path.planned)))
    path = Path(spec, AdaptiveRule(0.001, 512), recorder, None)
    engine.submit(path)
    recorder.wait()
    engine.close()
    assert recorder.heard.count("round") >= 1
    assert [done < planned for done, planned in told] == [True] * (len(told) - 1) + [False]
    assert told[-1] == (path.cost.points, path.cost.points)


def test_a_cancelled_path_costs_no_further_point(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    spec = spec_of(model, TEXT)
    engine = Engine(token_budget=spec.length * 2)
    left = threading.Event()

    def leave(path: Path) -> None:
        path.cancel()
        left.set()

    recorder = Recorder([PROBABILITY], on_points=leave)
    path = Path(spec, FixedRule(*gauss_legendre(50)), recorder, None)
    engine.submit(path)
    assert left.wait(60)
    explained(engine, spec_of(model, "good"), PROBABILITY)
    assert path.cost.points == 2, "the batch at hand, and nothing after it"
    assert "finished" not in recorder.heard
    engine.close()


def test_a_short_request_does_not_wait_for_a_long_one(load_zoo: LoadZoo) -> None:
    """Batches that the long path runs between the short path's start and its end."""
    model = load_zoo("bert")
    engine = Engine(token_budget=64)
    long_spec = spec_of(model, " ".join([TEXT] * 6))
    long = Path(long_spec, FixedRule(*gauss_legendre(200)), Recorder([PROBABILITY]), None)
    short_recorder = Recorder([PROBABILITY])
    short = Path(spec_of(model, "good"), FixedRule(*gauss_legendre(7)), short_recorder, None)

    hold_engine(engine, model, [long, short])
    short_recorder.wait()
    assert long.cost.batches <= 3
    long.cancel()
    engine.close()


def test_a_failing_path_does_not_fail_its_batch_mates(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    engine = Engine()
    good, bad = Recorder([PROBABILITY]), Recorder([ClassOutput(99, None, pb.OUTPUT_SPACE_LOGIT)])
    paths = [Path(spec_of(model, TEXT), FixedRule(*gauss_legendre(5)), r, None) for r in (good, bad)]
    hold_engine(engine, model, paths)
    assert isinstance(bad.wait().error, IndexError)
    assert good.wait().error is None
    engine.close()


def test_near_the_deadline_the_last_round_is_the_answer(load_zoo: LoadZoo, engine: Engine) -> None:
    recorder = Recorder([PROBABILITY])
    path = Path(spec_of(load_zoo("gpt2"), TEXT), AdaptiveRule(1e-6, 4096), recorder, None)
    recorder.on_points = lambda done: setattr(done, "deadline", 0.0)
    engine.submit(path)
    recorder.wait()
    assert path.cut_by_deadline
    estimate = path.rule.estimate()
    assert estimate is not None
    assert estimate.round == 1
    assert abs(estimate.convergence_delta[0]) <= estimate.error_bound[0]


def test_the_end_of_the_path_is_the_plain_forward_pass(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    recorder = Recorder([PROBABILITY])
    engine.submit(Path(spec_of(model, TEXT), FixedRule(*gauss_legendre(1)), recorder, None))
    recorder.wait()
    with torch.no_grad():
        plain = model.network(**model.tokenizer(TEXT, return_tensors="pt")).logits[0]
    assert recorder.logits is not None
    assert torch.equal(recorder.logits.float(), plain)


def test_values_that_are_not_finite_are_an_error_not_an_answer(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    network = copy.deepcopy(model.network)
    layer = network.get_input_embeddings()
    assert isinstance(layer, torch.nn.Embedding)
    layer.weight.data.fill_(float("nan"))
    layers = {pb.EMBEDDING_LAYER_WORD: EmbeddingLayer((layer,))}
    spec = spec_of(dataclasses.replace(model, network=network, layers=layers), TEXT)
    recorder = Recorder([PROBABILITY])
    engine.submit(Path(spec, AdaptiveRule(0.01, 512), recorder, None))
    error = recorder.wait().error
    assert isinstance(error, FailedPreconditionError)
    assert error.reason == "NOT_FINITE"


class Forgetful(torch.nn.Module):
    """A network whose memory holds so many rows and no more."""

    def __init__(self, network: torch.nn.Module, rows: int) -> None:
        super().__init__()
        self.network, self.rows = network, rows
        self.refused = 0

    @property
    def config(self) -> object:
        return self.network.config

    @property
    def device(self) -> object:
        return self.network.device

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.network.get_input_embeddings()  # type: ignore[operator]

    def forward(self, input_ids: Tensor, **others: Tensor) -> object:
        if len(input_ids) > self.rows:
            self.refused += 1
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return self.network(input_ids=input_ids, **others)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    load_zoo: LoadZoo, engine: Engine, rows: int
) -> None:
    model = load_zoo("bert")
    expected = explained(engine, spec_of(model, TEXT), PROBABILITY)
    forgetful = Forgetful(model.network, rows)
    small = dataclasses.replace(model, network=cast(Any, forgetful))
    estimate = explained(engine, spec_of(small, TEXT), PROBABILITY)
    assert forgetful.refused > 0
    assert estimate.scores[0] == pytest.approx(expected.scores[0], rel=1e-4, abs=1e-6)


def test_one_row_that_does_not_fit_is_resource_exhausted(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    small = dataclasses.replace(model, network=cast(Any, Forgetful(model.network, 0)))
    recorder = Recorder([PROBABILITY])
    engine.submit(Path(spec_of(small, TEXT), FixedRule(*gauss_legendre(3)), recorder, None))
    error = recorder.wait().error
    assert error is not None
    assert isinstance(as_serve_error(error, "r"), ResourceExhaustedError)


def test_a_target_asked_for_twice_is_answered_twice(load_zoo: LoadZoo, engine: Engine) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    other = ClassOutput(2, None, pb.OUTPUT_SPACE_LOGIT)
    estimate = explained(engine, spec, PROBABILITY, other, PROBABILITY)
    assert (estimate.scores[0] == estimate.scores[2]).all()
    assert estimate.scores[1] == pytest.approx(explained(engine, spec, other).scores[0], rel=1e-5, abs=1e-7)


def test_a_token_without_an_embedding_is_named(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    tokenizer = copy.deepcopy(model.tokenizer)
    tokenizer.add_tokens([f"zqx{number}" for number in range(500)])
    recorder = Recorder([PROBABILITY])
    spec = spec_of(dataclasses.replace(model, tokenizer=tokenizer), "hello zqx499")
    engine.submit(Path(spec, FixedRule(*gauss_legendre(3)), recorder, None))
    error = recorder.wait().error
    assert isinstance(error, FailedPreconditionError)
    assert error.reason == "TOKENIZER_MISMATCH"
    assert "zqx499" in error.message
