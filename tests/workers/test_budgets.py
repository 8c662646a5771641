"""How many tokens a batch may hold: as many as a trial finds worth it, and fewer once memory was short."""

import pytest

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.budgets import Budgets
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.models.loaded import DEFAULT_TOKEN_BUDGET
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.probes.budget_probe import FEWEST, MOST, learnt_budget
from ligserve.server.workers.probes.probe import probed
from tests.conftest import ZooModel
from tests.workers.conftest import LoadQa, LoadZoo
from tests.workers.test_engine import TEXT, explained, spec_of
from tests.workers.test_precision import OUTPUTS


@pytest.mark.parametrize("name", ["bert", "t5", "xlnet"])
def test_a_trial_finds_a_budget(load_zoo: LoadZoo, load_qa: LoadQa, name: str) -> None:
    for model in (load_zoo(name), load_qa(name)):
        budget = learnt_budget(model)
        assert FEWEST <= budget <= MOST
        assert budget & (budget - 1) == 0, "doubled from the fewest"


def test_a_trial_works_on_images(image_model: ZooModel) -> None:
    model = probed(load_model(ModelSource(name="vit", source=str(image_model("vit"))), "cpu"))
    assert FEWEST <= learnt_budget(model) <= MOST


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
