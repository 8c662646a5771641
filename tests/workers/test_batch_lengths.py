"""Batches of a length that a GPU likes: scores stay, and no row is longer than the model takes."""

import dataclasses

import pytest
import torch

from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.engine.span_outputs import START, SpanEndOutput
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.models.limits import length_step
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.probes.probe import probed
from ligserve.server.workers.quadrature import FixedRule, gauss_legendre
from ligserve.v1 import explanation_pb2 as pb
from tests.workers.conftest import LoadQa, LoadZoo, Recorder
from tests.workers.test_engine import PROBABILITY, TEXT, explained, spec_of
from tests.zoo import ARCHITECTURES

STEP = length_step(torch.device("cuda"))


def in_steps(model: TextModel) -> TextModel:
    return dataclasses.replace(model, length_step=STEP)


def length_of_batch(model: TextModel, text: str) -> int:
    row = faithful_input(model, text, "text", 0).row
    return int(model.batch([row])["input_ids"].shape[1])


def test_a_cpu_pads_no_more_than_it_must() -> None:
    assert STEP > 1
    assert length_step(torch.device("cpu")) == 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_lengths_are_multiples_where_padding_changes_nothing(load_zoo: LoadZoo, name: str) -> None:
    model = load_zoo(name)
    texts = [" ".join(TEXT.split()[:count]) for count in range(1, 9)]
    plain = [length_of_batch(model, text) for text in texts]
    rounded = [length_of_batch(in_steps(model), text) for text in texts]
    assert any(length % STEP for length in plain)
    if model.pads_safely:
        assert [-(-length // STEP) * STEP for length in plain] == rounded
    else:
        assert plain == rounded


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_stay(load_zoo: LoadZoo, engine: Engine, name: str) -> None:
    model = load_zoo(name)
    texts = [text for text in (TEXT, f"{TEXT} soup") if length_of_batch(model, text) % STEP]
    assert texts
    for text in texts:
        expected = explained(engine, spec_of(model, text), PROBABILITY)
        found = explained(engine, spec_of(in_steps(model), text), PROBABILITY)
        assert found.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-6)
        assert found.f_input == pytest.approx(expected.f_input, rel=1e-5)


@pytest.mark.parametrize("kind", [pb.EMBEDDING_LAYER_POSITION, pb.EMBEDDING_LAYER_ALL])
def test_scores_of_other_layers_stay(
    load_zoo: LoadZoo, engine: Engine, kind: "pb.EmbeddingLayer.ValueType"
) -> None:
    model = load_zoo("bert")
    expected = explained(engine, spec_of(model, TEXT, kind), PROBABILITY)
    found = explained(engine, spec_of(in_steps(model), TEXT, kind), PROBABILITY)
    assert found.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-6)


def test_scores_of_an_answer_stay(load_qa: LoadQa, engine: Engine) -> None:
    output = SpanEndOutput(START, 4, (0, 5, 6, 9), pb.OUTPUT_SPACE_PROBABILITY)
    estimates = []
    for model in (load_qa("bert"), in_steps(load_qa("bert"))):
        recorder = Recorder([output])
        path = Path(spec_of(model, TEXT), FixedRule(*gauss_legendre(9)), recorder, None)
        engine.submit(path)
        assert recorder.wait().error is None
        estimates.append(path.rule.estimate())
    expected, found = estimates
    assert expected is not None
    assert found is not None
    assert found.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-6)


def test_a_row_of_the_longest_input_is_not_made_longer(load_zoo: LoadZoo) -> None:
    model = dataclasses.replace(in_steps(load_zoo("bert")), max_tokens=129)
    assert [model.padded_length(tokens) for tokens in (1, 8, 121, 128, 129)] == [8, 8, 128, 128, 129]
    unlimited = dataclasses.replace(model, max_tokens=0)
    assert unlimited.padded_length(129) == 136


@pytest.mark.parametrize("name", ["bert", "llama", "xlnet"])
def test_the_probe_of_padding_pads_nothing_by_itself(load_zoo: LoadZoo, name: str) -> None:
    model = load_zoo(name)
    again = probed(dataclasses.replace(in_steps(model), pads_safely=True))
    assert again.pads_safely == model.pads_safely
