"""Points in coarser arithmetic: what they promise of the deployed model, on every architecture."""

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.texts import SHORT
from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import ClassOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import may_share
from ligserve.server.workers.explainers.options.precision import chosen_precision
from ligserve.server.workers.models.layers import EmbeddingLayer
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.precision import Precision, device_precisions
from ligserve.server.workers.probes.precision_probe import with_precisions
from ligserve.server.workers.quadrature import (
    AdaptiveRule,
    FixedRule,
    PathEstimate,
    QuadratureRule,
    gauss_legendre,
)
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import spec_of
from tests.zoo import ARCHITECTURES

FLOAT32 = pb.PRECISION_FLOAT32
COARSE = [pb.PRECISION_BFLOAT16, pb.PRECISION_FLOAT16]
SPACES = [space for space in pb.OutputSpace.values() if space]
OUTPUTS = [ClassOutput(index, None, space) for index in range(2) for space in SPACES]
FAST, EXACT = 0.05, 0.001
# A reference that is not this good itself cannot judge single scores.
GOOD_REFERENCE = 1e-4


@dataclass(frozen=True)
class Answer:
    """What a rule made of a path."""

    estimate: PathEstimate
    reasons: list["service_pb.StopReason.ValueType"]


def answer_of(
    engine: Engine, model: TextModel, text: str, rule: QuadratureRule, precision: Precision
) -> Answer:
    spec = dataclasses.replace(spec_of(model, text), precision=precision)
    recorder = Recorder(OUTPUTS)
    engine.submit(Path(spec, rule, recorder, None))
    assert recorder.wait().error is None
    estimate = rule.estimate()
    assert estimate is not None
    return Answer(estimate, list(rule.stop_reasons()))


def deployed_change(model: TextModel, text: str) -> NDArray[np.float64]:
    """(K,): f(input) - f(baseline) of every output by two float32 passes of the whole network."""
    spec = spec_of(model, text)
    ends = spec.ends()
    with torch.no_grad():
        at_start, at_end = (spec.run([spec.row], [each[n][None] for each in ends]) for n in (0, 1))
        changes = [output(at_end) - output(at_start) for output in OUTPUTS]
    return torch.cat(changes).numpy()


@dataclass(frozen=True)
class Case:
    """A path of a model in coarse arithmetic, and the deployed model's."""

    change: NDArray[np.float64]
    found: PathEstimate
    reasons: list["service_pb.StopReason.ValueType"]
    exact: PathEstimate

    @property
    def size(self) -> NDArray[np.float64]:
        size: NDArray[np.float64] = np.maximum(np.abs(self.change), np.abs(self.found.scores).sum(axis=1))
        return size


@pytest.fixture(scope="module")
def cases(load_zoo: LoadZoo) -> list[Case]:
    engine = Engine()
    found = [
        case
        for model in map(load_zoo, ARCHITECTURES)
        for text in SHORT[:2]
        for case in cases_of(engine, model, text)
    ]
    engine.close()
    return found


def cases_of(engine: Engine, model: TextModel, text: str) -> list[Case]:
    exact = answer_of(engine, model, text, FixedRule(*gauss_legendre(50)), FLOAT32).estimate
    change, tried = deployed_change(model, text), dataclasses.replace(model, precisions=tuple(COARSE))
    offered = [each for each in with_precisions(tried).precisions if each in COARSE]
    answers = [answer_of(engine, model, text, AdaptiveRule(FAST, 256), each) for each in offered]
    return [Case(change, answer.estimate, answer.reasons, exact) for answer in answers]


def test_no_completeness_error_of_the_deployed_model_is_above_its_bound(cases: list[Case]) -> None:
    assert len(cases) >= 70
    for case in cases:
        found = case.found
        assert found.f_input - found.f_baseline == pytest.approx(case.change, abs=1e-5)
        error = np.abs(found.scores.sum(axis=1) - (found.f_input - found.f_baseline))
        assert (error <= found.error_bound * (1 + 1e-9)).all()


def test_a_tolerance_is_reached_or_the_floor_is(cases: list[Case]) -> None:
    reached = []
    for case in cases:
        assert set(case.reasons) <= {service_pb.STOP_REASON_TOLERANCE, service_pb.STOP_REASON_NOISE_FLOOR}
        done = np.array(case.reasons) == service_pb.STOP_REASON_TOLERANCE
        assert (case.found.error_bound <= FAST * case.size * (1 + 1e-6))[done].all()
        reached.append(done)
    assert np.concatenate(reached).mean() > 0.5, "most of these rough paths take no more than 5 %"


def test_nine_of_ten_bars_hold_the_true_error(cases: list[Case]) -> None:
    held = []
    for case in cases:
        assert case.found.score_errors is not None
        good = np.abs(case.exact.convergence_delta) <= GOOD_REFERENCE * case.size
        wrong = np.abs(case.found.scores - case.exact.scores)
        held.append((wrong <= case.found.score_errors + 1e-6 * case.size[:, None])[good].ravel())
    bars = np.concatenate(held)
    assert len(bars) > 3000
    assert bars.mean() >= 0.9


@pytest.mark.parametrize("name", ["bert", "gpt2", "bart", "modernbert"])
def test_a_tolerance_below_the_floor_ends_early_with_the_floor_stated(
    load_zoo: LoadZoo, engine: Engine, name: str
) -> None:
    answer = answer_of(engine, load_zoo(name), SHORT[0], AdaptiveRule(EXACT, 1024), pb.PRECISION_BFLOAT16)
    found = answer.estimate
    assert answer.reasons == [service_pb.STOP_REASON_NOISE_FLOOR] * len(OUTPUTS)
    assert found.points.max() < 300
    assert found.score_error_sum is not None
    assert (found.score_error_sum / 2 > EXACT * np.abs(found.scores).sum(axis=1)).all()


def test_fixed_steps_know_the_deployed_models_ends(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    rule = FixedRule(*gauss_legendre(20))
    found = answer_of(engine, model, SHORT[0], rule, pb.PRECISION_BFLOAT16).estimate
    plain = FixedRule(*gauss_legendre(20))
    exact = answer_of(engine, model, SHORT[0], plain, FLOAT32).estimate
    assert found.f_input == pytest.approx(exact.f_input, rel=1e-5, abs=1e-5)
    assert found.f_baseline == pytest.approx(exact.f_baseline, rel=1e-5, abs=1e-5)
    assert (np.abs(found.convergence_delta) <= found.error_bound).all()
    assert not np.allclose(found.scores, exact.scores, rtol=1e-5), "it was computed in bfloat16"


def test_points_of_different_precisions_share_no_batch(load_zoo: LoadZoo) -> None:
    fine = spec_of(load_zoo("bert"), SHORT[0])
    coarse = dataclasses.replace(fine, precision=pb.PRECISION_BFLOAT16)
    assert may_share(fine, fine)
    assert may_share(coarse, coarse)
    assert not may_share(fine, coarse)


def test_coarse_points_leave_the_network_as_it_is(load_zoo: LoadZoo, engine: Engine) -> None:
    model = load_zoo("bert")
    before = copy.deepcopy(model.network.state_dict())
    answer_of(engine, model, SHORT[0], FixedRule(*gauss_legendre(3)), pb.PRECISION_BFLOAT16)
    after = model.network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert {value.dtype for value in after.values() if value.is_floating_point()} == {torch.float32}


def test_small_slopes_survive_float16(load_zoo: LoadZoo, engine: Engine) -> None:
    """A probability of 1e-9 has derivatives below the smallest number of float16."""
    model = load_zoo("bert")
    network = copy.deepcopy(model.network)
    head = network.classifier
    assert isinstance(head, nn.Linear)
    head.bias.data[0] -= 20
    certain = dataclasses.replace(model, network=network)
    certain = dataclasses.replace(certain, layers=layers_of(certain, model))
    fine, coarse = (
        answer_of(engine, certain, SHORT[0], FixedRule(*gauss_legendre(20)), precision).estimate.scores[0]
        for precision in (FLOAT32, pb.PRECISION_FLOAT16)
    )
    assert 0 < np.abs(fine).max() < 1e-7
    assert coarse == pytest.approx(fine, abs=0.02 * np.abs(fine).sum())


def layers_of(model: TextModel, of: TextModel) -> dict["pb.EmbeddingLayer.ValueType", EmbeddingLayer]:
    """The layers of a copied network, by the names that the other's have."""
    names = {module: name for name, module in of.network.named_modules()}
    return {
        kind: dataclasses.replace(
            layer, modules=tuple(model.network.get_submodule(names[module]) for module in layer.modules)
        )
        for kind, layer in of.layers.items()
    }


def test_a_model_beyond_float16_is_not_offered_in_it(load_zoo: LoadZoo) -> None:
    model = dataclasses.replace(load_zoo("bert"), precisions=(FLOAT32, *COARSE))
    assert with_precisions(model).precisions == model.precisions
    network = copy.deepcopy(model.network)
    feeding, fed = (
        network.get_submodule(f"bert.encoder.layer.0.{part}.dense") for part in ("intermediate", "output")
    )
    assert isinstance(feeding, nn.Linear)
    assert isinstance(fed, nn.Linear)
    feeding.weight.data *= 1e6
    feeding.bias.data *= 1e6
    fed.weight.data /= 1e6
    large = dataclasses.replace(model, network=network)
    large = dataclasses.replace(large, layers=layers_of(large, model))
    assert with_precisions(large).precisions == (FLOAT32, pb.PRECISION_BFLOAT16)


def test_code_that_fails_in_a_precision_is_a_clear_error(load_zoo: LoadZoo, engine: Engine) -> None:
    """BigBird's block-sparse attention of long texts does; its probe is short."""
    model = load_zoo("big-bird")
    assert with_precisions(dataclasses.replace(model, precisions=(COARSE[0],))).precisions == (FLOAT32,)
    spec = dataclasses.replace(spec_of(model, " ".join(SHORT[:2])), precision=pb.PRECISION_BFLOAT16)
    recorder = Recorder(OUTPUTS)
    engine.submit(Path(spec, AdaptiveRule(FAST, 256), recorder, None))
    error = recorder.wait().error
    assert isinstance(error, FailedPreconditionError)
    assert error.reason == "PRECISION_UNSUPPORTED"
    assert "ask for float32" in error.message


def test_what_the_device_has_is_offered_and_the_rest_refused(load_zoo: LoadZoo) -> None:
    offered = device_precisions(torch.device("cpu"))
    assert offered[0] == FLOAT32
    assert not {pb.PRECISION_FLOAT16, pb.PRECISION_TF32} & set(offered)
    assert device_precisions(torch.device("meta")) == [FLOAT32]
    options = pb.ExplainOptions(precision=pb.PRECISION_FLOAT16)
    with pytest.raises(FailedPreconditionError, match="float16 here: it takes a GPU") as refused:
        chosen_precision(options, pb.CONVENTION_FAITHFUL, load_zoo("bert"))
    assert refused.value.reason == "PRECISION_UNSUPPORTED"


def test_the_models_own_precision_is_the_default_but_for_the_librarys_numbers(load_zoo: LoadZoo) -> None:
    own = (pb.PRECISION_BFLOAT16, FLOAT32)
    model, unset = dataclasses.replace(load_zoo("bert"), precisions=own), pb.ExplainOptions()
    assert chosen_precision(unset, pb.CONVENTION_FAITHFUL, model) == pb.PRECISION_BFLOAT16
    assert chosen_precision(unset, pb.CONVENTION_LIBRARY, model) == FLOAT32
    asked = pb.ExplainOptions(precision=pb.PRECISION_BFLOAT16)
    assert chosen_precision(asked, pb.CONVENTION_LIBRARY, model) == pb.PRECISION_BFLOAT16
