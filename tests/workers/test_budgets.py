"""How many tokens a batch may hold: as many as a trial finds worth it, and fewer once memory was short."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from torch import Tensor

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.engine.speed import Speed
from ligserve.server.workers.models.loaded import DEFAULT_TOKEN_BUDGET
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.probes import budget_probe
from ligserve.server.workers.probes.budget_probe import FEWEST, MOST, with_trial
from ligserve.server.workers.probes.probe import probed
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import ZooModel
from tests.workers.conftest import LoadQa, LoadZoo
from tests.workers.test_engine import TEXT, explained, spec_of
from tests.workers.test_precision import OUTPUTS


@pytest.mark.parametrize("name", ["bert", "t5", "xlnet"])
def test_a_trial_finds_a_budget(load_zoo: LoadZoo, load_qa: LoadQa, name: str) -> None:
    for model in (load_zoo(name), load_qa(name)):
        budget = with_trial(model).token_budget
        assert FEWEST <= budget <= MOST
        assert budget & (budget - 1) == 0, "doubled from the fewest"


@pytest.mark.parametrize("most", [40, MOST])
def test_a_trial_starts_the_speed_of_every_precision(load_zoo: LoadZoo, most: int) -> None:
    trial = with_trial(load_zoo("bert"), most)
    passes = [each for each, _ in trial.batches_tried]
    assert passes == sorted(passes)
    assert passes[-1] > 2 * passes[0]
    assert max(passes) <= 2 * min(most, trial.token_budget)
    engine, model = Engine(), replace(load_zoo("bert"), batches_tried=trial.batches_tried)
    for precision in (pb.PRECISION_FLOAT32, pb.PRECISION_BFLOAT16):
        spec = replace(spec_of(model, TEXT), precision=precision)
        assert engine.speed(spec).seconds(1, 100) == Speed(model.batches_tried).seconds(1, 100)
    engine.close()


@pytest.mark.parametrize("most", [40, MOST])
def test_a_trial_sees_what_a_long_row_takes(
    load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    tried: list[tuple[int, int]] = []

    def seconds(spec: PathSpec, _ends: Sequence[Tensor], rows: int) -> float:
        tried.append((rows, spec.tokens))
        return 1e-6 * spec.tokens * rows

    monkeypatch.setattr(budget_probe, "_seconds", seconds)
    model = load_zoo("bert")
    trial = with_trial(model, most)
    longest = max(tokens for _, tokens in tried)
    assert longest == max(each for each in (16, 32, 64, 128, 256, 512) if each <= min(most, model.max_tokens))
    assert (2 * longest, 1e-6 * longest) in trial.batches_tried


def test_a_trial_works_on_images(image_model: ZooModel) -> None:
    model = probed(load_model(ModelSource(name="vit", source=str(image_model("vit"))), "cpu"))
    assert FEWEST <= with_trial(model).token_budget <= MOST


def test_what_is_asked_for_goes_before_what_was_found(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    assert Budgets().of(model) == DEFAULT_TOKEN_BUDGET
    assert Budgets(77).of(model) == 77


def test_a_budget_that_memory_has_halved_is_that_models_and_stays(load_zoo: LoadZoo) -> None:
    budgets, model, other = Budgets(4096), load_zoo("bert"), load_zoo("gpt2")
    budgets.halve(model, 3000)
    assert (budgets.of(model), budgets.of(other)) == (1500, 4096)
    budgets.halve(model, 3000)
    assert budgets.of(model) == 1500, "another part of the batch that taught it"
    budgets.halve(model, 1400)
    assert budgets.of(model) == 700
    budgets.halve(model, 1)
    assert budgets.of(model) == 1


def test_batches_after_a_halving_are_smaller(load_zoo: LoadZoo) -> None:
    spec = spec_of(load_zoo("bert"), TEXT)
    engine = Engine(token_budget=spec.length * 16)
    engine.budgets.halve(spec.model, spec.length * 16)
    before = engine.speed(spec).seconds(1, 1)
    explained(engine, spec, OUTPUTS[0], steps=30)
    assert before is None
    assert engine.budgets.of(spec.model) == spec.length * 8
    engine.close()
