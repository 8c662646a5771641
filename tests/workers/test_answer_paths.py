"""Paths over questions and contexts, and over whole embeddings blocks: against captum, and in batches."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LayerIntegratedGradients
from torch import Tensor

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.engine.embedding_path import EmbeddingPathSpec
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.engine.outputs import Output
from ligserve.server.workers.engine.path import Path
from ligserve.server.workers.explainers import PLANNERS, PathPlan
from ligserve.server.workers.explainers.options.moved_layer import supported_layers
from ligserve.server.workers.models.layers import EmbeddingLayer
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.server.workers.models.precision import Precision
from ligserve.server.workers.probes.probe import probed
from ligserve.server.workers.quadrature import PathEstimate
from ligserve.v1 import explanation_pb2 as pb
from ligserve.v1.explanation_service_pb2 import ExplainRequest
from tests.workers.conftest import LoadQa, Recorder

QUESTION = "Who hated the film?"
CONTEXT = "The film was long, loud and not funny at all; my parents hated it (so did I)!"
LIBRARY, FAITHFUL = pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL
SPACES = [space for space in pb.OutputSpace.values() if space]
LAYERS = [layer for layer in pb.EmbeddingLayer.values() if layer]
# Those whose tokens are looked up once and not padded to a window: captum knows of no others.
ARCHITECTURES = ("bert", "distilbert", "roberta", "electra", "albert", "mpnet", "deberta-v2", "modernbert")


def request_of(question: str = QUESTION, context: str = CONTEXT, **options: Any) -> ExplainRequest:
    request = ExplainRequest(
        question_answering=pb.QuestionAnswering(question=question, context=context),
        options=pb.ExplainOptions(**options),
    )
    request.options.fixed_steps.n_steps = 20
    return request


def path_of(load_qa: LoadQa, name: str, *texts: str, **options: Any) -> tuple[PathPlan, EmbeddingPathSpec]:
    (path,) = PLANNERS["question_answering"](request_of(*texts, **options), load_qa(name)).paths
    assert isinstance(path.spec, EmbeddingPathSpec)
    return path, path.spec


def estimates(engine: Engine, *plans: PathPlan) -> list[PathEstimate]:
    """All paths submitted together, so that they share batches."""
    asked = [(plan, Recorder([e.output for e in plan.explained(plan.spec.predict())])) for plan in plans]
    paths = [Path(plan.spec, plan.rule, recorder, None) for plan, recorder in asked]
    engine.submit(*paths)
    found = []
    for path, (_, recorder) in zip(paths, asked, strict=True):
        assert recorder.wait().error is None
        estimate = path.rule.estimate()
        assert estimate is not None
        found.append(estimate)
    return found


def by_captum(spec: EmbeddingPathSpec, output: Output, steps: int = 20) -> tuple[Tensor, Tensor]:
    """(T,) raw scores of captum's LayerIntegratedGradients, and f of the input.

    Every input of the baseline is captum's own baseline, as in transformers-interpret.
    """
    positions = {"position_ids": spec.model.positions(spec.row["input_ids"])}
    inputs = {name: {**positions, **spec.row}[name][None] for name in spec.baseline_row}
    names = [name for name in inputs if name != "attention_mask"]
    mask = inputs["attention_mask"]

    def forward(*values: Tensor) -> Tensor:
        given = dict(zip(names, values, strict=True))
        found = spec.model.network(**given, attention_mask=mask.expand(len(values[0]), -1))
        return output(torch.stack([found.start_logits, found.end_logits], dim=-1))

    explainer = LayerIntegratedGradients(forward, spec.layer.modules[0])
    attributions = explainer.attribute(
        tuple(inputs[name] for name in names),
        baselines=tuple(spec.baseline_row[name][None] for name in names),
        n_steps=steps,
        method="gausslegendre",
    )
    with torch.no_grad():
        value = forward(*(inputs[name] for name in names))
    return attributions.sum(dim=-1)[0].detach(), value


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    ("convention", "space"), [(LIBRARY, pb.OUTPUT_SPACE_LOGIT), *((FAITHFUL, space) for space in SPACES)]
)
@pytest.mark.parametrize("layer", LAYERS)
def test_scores_equal_captums(
    load_qa: LoadQa,
    engine: Engine,
    name: str,
    convention: "pb.Convention.ValueType",
    space: "pb.OutputSpace.ValueType",
    layer: "pb.EmbeddingLayer.ValueType",
) -> None:
    model = load_qa(name)
    options = {"convention": convention, "output_space": space, "embedding_layer": layer}
    if convention == FAITHFUL and layer not in supported_layers(model, FAITHFUL):
        with pytest.raises(FailedPreconditionError):
            path_of(load_qa, name, **options)
        return
    plan, spec = path_of(load_qa, name, **options)
    (estimate,) = estimates(engine, plan)
    for number, explained in enumerate(plan.explained(spec.predict())):
        expected, value = by_captum(spec, explained.output)
        assert estimate.f_input[number] == pytest.approx(float(value), abs=1e-5)
        assert np.abs(expected.numpy()).max() > 1e-3
        # Both round in float32, DeBERTa's steep paths by up to 5e-5.
        bound = 1e-4 * float(expected.abs().max()) + 1e-7
        assert estimate.scores[number] == pytest.approx(expected.numpy(), abs=bound)


class LoudPadding(EmbeddingPathSpec):
    """A path in whose batches the padding has by far the largest logits; counts the rows with padding."""

    padded = 0

    def run(
        self,
        rows: Sequence[RowInputs],
        moved: Sequence[Tensor],
        precision: Precision = pb.PRECISION_FLOAT32,
    ) -> Tensor:
        logits = super().run(rows, moved, precision)
        lengths = torch.tensor([len(row["input_ids"]) for row in rows])
        padding = torch.arange(logits.shape[1]) >= lengths[:, None]
        LoudPadding.padded += int(padding.any(dim=1).sum())
        return logits + 100.0 * padding[:, :, None]


@pytest.mark.parametrize("convention", [LIBRARY, FAITHFUL])
def test_the_padding_of_a_batch_is_nobodys_answer(
    load_qa: LoadQa, engine: Engine, convention: "pb.Convention.ValueType"
) -> None:
    words = CONTEXT.split()

    def plans() -> list[PathPlan]:
        contexts = (" ".join(words[:count]) for count in range(11, len(words) + 1))
        found = [path_of(load_qa, "bert", QUESTION, each, convention=convention) for each in contexts]
        return [dataclasses.replace(plan, spec=LoudPadding(**vars(spec))) for plan, spec in found]

    alone = [estimates(engine, plan)[0] for plan in plans()]
    LoudPadding.padded = 0
    for together, single in zip(estimates(engine, *plans()), alone, strict=True):
        assert together.f_input == pytest.approx(single.f_input, abs=1e-5)
        assert together.scores == pytest.approx(single.scores, abs=1e-5 * np.abs(single.scores).max())
    assert LoudPadding.padded > 0


@pytest.mark.parametrize("name", ["bert", "roberta", "albert", "deberta-v2"])
def test_the_whole_block_starts_from_the_tokens_alone(load_qa: LoadQa, engine: Engine, name: str) -> None:
    """In FAITHFUL the words' path and the block's start from the same padding, each token in its place."""
    plans = [path_of(load_qa, name, embedding_layer=layer)[0] for layer in (LAYERS[0], LAYERS[2])]
    words, block = (estimates(engine, plan)[0] for plan in plans)
    assert block.f_input == pytest.approx(words.f_input, abs=1e-6)
    assert block.f_baseline == pytest.approx(words.f_baseline, abs=1e-6)
    assert np.abs(words.f_input - words.f_baseline).max() > 1e-3


def test_positions_are_those_that_the_model_counts(load_qa: LoadQa) -> None:
    for name in ("bert", "roberta"):
        model = load_qa(name)
        ids = model.tokenizer(f"so{model.tokenizer.pad_token}did I", return_tensors="pt")["input_ids"]
        with torch.no_grad():
            by_itself = model.network(input_ids=ids).start_logits
            told = model.network(input_ids=ids, position_ids=model.positions(ids[0])[None]).start_logits
        assert torch.equal(by_itself, told)
        assert model.tokenizer.pad_token_id in ids[0]


def test_a_block_that_cannot_be_moved_is_not_offered(load_qa: LoadQa) -> None:
    assert pb.EMBEDDING_LAYER_ALL in load_qa("bert").layers
    assert pb.EMBEDDING_LAYER_ALL not in load_qa("gpt2").layers, "it has none"


def test_a_block_that_a_forward_pass_leaves_out_is_not_offered(load_qa: LoadQa) -> None:
    model = load_qa("bert")
    unused = {**model.layers, pb.EMBEDDING_LAYER_ALL: EmbeddingLayer((torch.nn.Identity(),))}
    found = probed(dataclasses.replace(model, layers=unused))
    assert isinstance(found, TextModel)
    assert set(found.layers) == set(model.layers) - {pb.EMBEDDING_LAYER_ALL}
