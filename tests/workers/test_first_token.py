"""Classifiers that read the first token alone: their last layer works out no other, and nothing changes."""

import pytest
import torch
from torch import Tensor, nn

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.engine.engine import Engine
from ligserve.server.workers.models.first_token import keep_first_token
from ligserve.server.workers.models.head import TOKEN
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import load_model
from tests.conftest import ZooModel
from tests.workers.conftest import LoadQa, LoadZoo
from tests.workers.test_engine import PROBABILITY, TEXT, explained, spec_of
from tests.zoo import ARCHITECTURES

READING_THE_FIRST = {
    *("bert", "distilbert", "roberta", "electra", "mpnet", "xlm-roberta", "camembert"),
    *("deberta", "deberta-v2", "deberta-v3"),
}


class MeanPooler(nn.Module):
    """Reads every token."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.mean(dim=1)


class HardlyMeanPooler(nn.Module):
    """Reads every token, but the others too little to be seen in the logits."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden[:, 0] + 1e-9 * hidden.sum(dim=1)


def hooks(network: nn.Module) -> int:
    return sum(len(each._forward_pre_hooks) + len(each._forward_hooks) for each in network.modules())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_are_those_of_the_whole_model(
    load_zoo: LoadZoo, zoo_model: ZooModel, engine: Engine, name: str
) -> None:
    probed, whole = load_zoo(name), load_model(ModelSource(name="whole", source=str(zoo_model(name))), "cpu")
    assert isinstance(whole, TextModel)
    assert probed.first_token_only is (name in READING_THE_FIRST)
    torch.testing.assert_close(
        spec_of(probed, TEXT).predict(), spec_of(whole, TEXT).predict(), rtol=0, atol=0
    )
    found, expected = (explained(engine, spec_of(each, TEXT), PROBABILITY) for each in (probed, whole))
    assert found.scores == pytest.approx(expected.scores, rel=1e-4, abs=1e-5 * abs(expected.scores).sum())
    assert abs(expected.scores).sum() > 1e-4


def test_the_others_are_left_out_after_the_last_attention(load_zoo: LoadZoo) -> None:
    model = load_zoo("bert")
    seen: list[int] = []
    layers = model.network.get_submodule("bert.encoder.layer")
    assert isinstance(layers, nn.ModuleList)
    handles = [
        layer.get_submodule("intermediate").register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0].shape[1])
        )
        for layer in layers
    ]
    spec = spec_of(model, TEXT)
    spec.run([spec.row], [end[None] for _, end in spec.ends()])
    assert seen == [spec.length] * (len(layers) - 1) + [1]
    seen.clear()
    spec.predict()
    for handle in handles:
        handle.remove()
    assert seen == [spec.length] * len(layers), "the prediction is the whole model's"


@pytest.mark.parametrize("pooler", [MeanPooler, HardlyMeanPooler])
def test_a_model_that_reads_every_token_is_left_alone(zoo_model: ZooModel, pooler: type[nn.Module]) -> None:
    network = load_model(ModelSource(name="whole", source=str(zoo_model("bert"))), "cpu").network
    network.set_submodule("bert.pooler", pooler())
    ids = torch.tensor([[2, 5, 6, 7, 3]])
    assert not keep_first_token(network, lambda: network(input_ids=ids).logits)
    assert hooks(network) == 0


def test_heads_that_judge_each_token_are_left_alone(load_zoo: LoadZoo, load_qa: LoadQa) -> None:
    for model in (load_zoo("bert", 3, head=TOKEN), load_qa("bert")):
        assert not model.first_token_only
        assert hooks(model.network) == 0
