"""What only a GPU can show: its scores, its queue, its memory."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.batch import Batch
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.scheduler import Slice
from ligserve.server.workers.models.limits import length_step
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from ligserve.server.workers.probes.probe import probed
from ligserve.server.workers.quadrature import AdaptiveRule, FixedRule, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import ZooModel
from tests.workers.conftest import LoadZoo, Recorder
from tests.workers.test_engine import PROBABILITY, TEXT, explained, spec_of
from tests.workers.test_waits import CLASSES, WAIT_BY_THEMSELVES
from tests.zoo import ARCHITECTURES

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
GPU = torch.device("cuda:0")
ROOM = 200 << 20

LoadOnGpu = Callable[[str], TextModel]


@pytest.fixture(scope="module")
def load_on_gpu(zoo_model: ZooModel) -> LoadOnGpu:
    """A zoo model on the GPU, probed."""

    def load(name: str) -> TextModel:
        model = probed(load_model(ModelSource(name=name, source=str(zoo_model(name))), str(GPU)))
        assert isinstance(model, TextModel)
        return model

    return load


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Lets this process take little more of the GPU's memory than it has."""
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info(GPU)
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(GPU) + ROOM) / total, GPU)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0, GPU)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_equal_a_cpus(load_zoo: LoadZoo, load_on_gpu: LoadOnGpu, engine: Engine, name: str) -> None:
    model = load_on_gpu(name)
    assert model.length_step == length_step(GPU)
    assert model.pads_safely == load_zoo(name).pads_safely
    expected = explained(engine, spec_of(load_zoo(name), TEXT), *CLASSES[:2])  # type: ignore[arg-type]
    found = explained(engine, spec_of(model, TEXT), *CLASSES[:2])  # type: ignore[arg-type]
    assert found.scores == pytest.approx(expected.scores, abs=1e-4 * np.abs(expected.scores).sum())
    assert found.f_input == pytest.approx(expected.f_input, rel=1e-4)


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name not in WAIT_BY_THEMSELVES])
@pytest.mark.parametrize("precision", [pb.PRECISION_FLOAT32, pb.PRECISION_BFLOAT16])
def test_a_batch_is_queued_without_waiting(
    load_on_gpu: LoadOnGpu, name: str, precision: "pb.Precision.ValueType"
) -> None:
    spec = dataclasses.replace(spec_of(load_on_gpu(name), TEXT), precision=precision)
    path = Path(spec, FixedRule(*gauss_legendre(3)), Recorder(CLASSES), None)
    path.outputs = CLASSES

    def queued() -> Batch:
        batch = Batch([Slice(path, [0.0, 0.4, 1.0], (tuple(CLASSES),) * 3)])
        (values,) = batch.values(batch.turn().tensors())
        assert all(np.isfinite(point.value.token_sums).all() for point in values)
        return batch

    # The libraries set themselves up.
    queued()
    torch.cuda.synchronize(GPU)
    batch = Batch([Slice(path, [0.0, 0.4, 1.0], (tuple(CLASSES),) * 3)])
    torch.cuda.set_sync_debug_mode("error")
    try:
        arrival = batch.turn()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batch.queued
    arrived = arrival.tensors()
    assert all(tensor.is_pinned() for tensor in arrived)
    assert batch.values(arrived)


def test_memory_that_is_short_halves_batches_and_fails_nobody(
    load_zoo: LoadZoo, load_on_gpu: LoadOnGpu, little_memory: None
) -> None:
    engine, steps, model = Engine(token_budget=1 << 20), 2000, load_on_gpu("bert")
    found = explained(engine, spec_of(model, f"{TEXT} {TEXT}"), PROBABILITY, steps=steps)
    assert engine.budgets.of(model) < 1 << 20
    expected = explained(engine, spec_of(load_zoo("bert"), f"{TEXT} {TEXT}"), PROBABILITY, steps=50)
    assert found.scores == pytest.approx(expected.scores, abs=1e-3 * np.abs(expected.scores).sum())
    engine.close()


def test_many_requests_at_once_come_out_right(load_zoo: LoadZoo, load_on_gpu: LoadOnGpu) -> None:
    engine, model = Engine(token_budget=512), load_on_gpu("bert")
    texts = [" ".join(TEXT.split()[:count]) for count in range(1, 13)]
    recorders = [Recorder([PROBABILITY]) for _ in texts]
    paths = [
        Path(spec_of(model, text), AdaptiveRule(1e-3, 512), recorder, None)
        for text, recorder in zip(texts, recorders, strict=True)
    ]
    engine.submit(*paths)
    for text, path, recorder in zip(texts, paths, recorders, strict=True):
        assert recorder.wait().error is None
        found = path.rule.estimate()
        assert found is not None
        expected = explained(engine, spec_of(load_zoo("bert"), text), PROBABILITY, steps=50)
        size = np.abs(expected.scores).sum()
        assert found.scores == pytest.approx(expected.scores, abs=3e-3 * size)
    engine.close()
