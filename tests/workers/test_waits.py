"""A batch is queued without a look at any number of a tensor, for any architecture and kind of output."""

import dataclasses
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.outputs import ClassOutput, Output, TokenOutput
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.engine.span_outputs import START, LargestLogitOutput, SpanEndOutput
from ligserve.server.workers.engine.spec import PathSpec
from ligserve.server.workers.explainers import PLANNERS
from ligserve.server.workers.models.head import TOKEN
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.models.precision import Precision
from ligserve.server.workers.probes.probe import probed
from ligserve.server.workers.probes.probe_requests import PROBE_REQUESTS
from ligserve.server.workers.quadrature import FixedRule, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import ZooModel
from tests.workers.conftest import LoadQa, LoadZoo, Recorder
from tests.workers.test_engine import TEXT, spec_of
from tests.workers.waits import Waits, WatchedTransfer
from tests.zoo import ARCHITECTURES

# Their code in transformers waits: BART's and T5's to find the last token by a mask, Longformer's to find the
# tokens that all others see, DeBERTa's and XLNet's to lay out relative positions and segments.
WAIT_BY_THEMSELVES = {"deberta", "longformer", "xlnet", "bart", "t5", "mt5"}
SPACES = [space for space in pb.OutputSpace.values() if space]
CLASSES: list[Output] = [
    ClassOutput(0, None, SPACES[0]),
    ClassOutput(1, 2, SPACES[1]),
    ClassOutput(2, None, SPACES[1], among=(0, 2)),
    ClassOutput(0, None, SPACES[0], among=(0,), flipped=True),
]


def waits_of(spec_for: Callable[[Waits], PathSpec], outputs: Sequence[Output]) -> Waits:
    """What a batch of three rows of one path waits for, from its inputs to its results."""
    waits = Waits()
    spec = spec_for(waits)
    path = Path(spec, FixedRule(*gauss_legendre(3)), Recorder(outputs), None)
    path.outputs = outputs
    batch = Batch([Slice(path, [0.0, 0.4, 1.0], (tuple(outputs),) * 3)])
    with waits.watching(spec.model.network):
        while not batch.queued:
            arrival = batch.turn()
    (values,) = batch.values(arrival.tensors())
    assert all(value.value.token_sums.any() for value in values)
    return waits


def text_waits(
    model: TextModel, outputs: Sequence[Output], precision: Precision = pb.PRECISION_FLOAT32
) -> Waits:
    def spec(waits: Waits) -> EmbeddingPathSpec:
        watched = dataclasses.replace(model, transfer=WatchedTransfer(waits))
        return dataclasses.replace(spec_of(watched, TEXT), precision=precision)

    return waits_of(spec, outputs)


def assert_no_wait(waits: Waits) -> None:
    assert waits.own == []
    assert waits.not_sent == []


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_batch_waits_for_nothing(load_zoo: LoadZoo, name: str) -> None:
    waits = text_waits(load_zoo(name), CLASSES)
    assert_no_wait(waits)
    if name not in WAIT_BY_THEMSELVES:
        assert waits.of_network == []


def test_nor_does_one_in_coarse_arithmetic_with_the_deployed_models_ends(load_zoo: LoadZoo) -> None:
    for precision in (pb.PRECISION_BFLOAT16, pb.PRECISION_FLOAT16):
        assert_no_wait(text_waits(load_zoo("bert"), CLASSES, precision))


def test_nor_does_one_about_answers(load_qa: LoadQa) -> None:
    outputs: list[Output] = [SpanEndOutput(START, 4, (0, 5, 6, 9), space) for space in SPACES]
    assert_no_wait(text_waits(load_qa("bert"), [*outputs, LargestLogitOutput(START)]))


def test_nor_does_one_about_tokens_that_takes_several_turns(load_zoo: LoadZoo) -> None:
    outputs = [TokenOutput(token, ClassOutput(0, None, space)) for token in range(4) for space in SPACES]
    assert_no_wait(text_waits(load_zoo("bert", 3, head=TOKEN), outputs))


def test_nor_does_one_about_an_image(image_model: ZooModel) -> None:
    model = probed(load_model(ModelSource(name="vit", source=str(image_model("vit"))), "cpu"))

    def spec(waits: Waits) -> PathSpec:
        watched = dataclasses.replace(model, transfer=WatchedTransfer(waits))
        planned = PLANNERS["image_classification"](PROBE_REQUESTS["image_classification"], watched)
        return planned.paths[0].spec

    waits = waits_of(spec, CLASSES)
    assert_no_wait(waits)
    assert waits.of_network == []


class Looking(nn.Module):
    """A network that looks at its input."""

    def forward(self, numbers: Tensor) -> Tensor:
        return numbers + 1 if bool(numbers.all()) else numbers


def test_waits_are_seen() -> None:
    network, numbers, waits = Looking(), torch.ones(2, 2), Waits()
    with waits.watching(network):
        network(numbers)
        numbers[:, [1, 0]].sum()
        numbers[numbers > 0].sum()
        float(numbers.sum())
    assert [each.split()[0] for each in waits.own] == ["index", "_local_scalar_dense"]
    assert waits.of_network == ["_local_scalar_dense"]
    assert len(waits.not_sent) == 1
