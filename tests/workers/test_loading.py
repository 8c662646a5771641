"""Model sources that are wrong in every way, and what the probe finds out about those that are right."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertForSequenceClassification

from ligserve.internal.v1.frames_pb2 import ModelSource
from ligserve.server.workers.description import describe
from ligserve.server.workers.explainers.options.support import refusal as why_refused
from ligserve.server.workers.models.head import SPAN, TOKEN, Head, head_of
from ligserve.server.workers.models.limits import max_tokens
from ligserve.server.workers.models.loaded import TextModel
from ligserve.server.workers.models.loading import ModelLoadError, load_model
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import NLI_LABELS, ODD_NLI_LABELS, QA_ARCHITECTURES, QA_LIBRARY_RUNS_ON, ZooModel
from tests.workers.conftest import LoadQa, LoadZoo
from tests.zoo import ARCHITECTURES

SEQUENCE, PAIR = "sequence_classification", "pairwise_sequence_classification"
LIBRARY = pb.CONVENTION_LIBRARY


@pytest.fixture
def copied(zoo_model: ZooModel, tmp_path: Path) -> Path:
    """A model directory that a test may spoil."""
    return Path(shutil.copytree(zoo_model("bert"), tmp_path / "copy"))


def refusal(directory: Path | str) -> str:
    with pytest.raises(ModelLoadError) as caught:
        load_model(ModelSource(name="spoilt", source=str(directory)), "cpu")
    message = str(caught.value)
    assert "spoilt" in message
    assert "\n" not in message
    return message


def test_a_missing_directory(tmp_path: Path) -> None:
    assert "there is no directory" in refusal(tmp_path / "nowhere")


def test_a_directory_without_a_configuration(tmp_path: Path) -> None:
    assert "config.json" in refusal(tmp_path)


def test_weights_that_are_not_safetensors(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    torch.save({}, copied / "pytorch_model.bin")
    assert "allow_pickle" in refusal(copied)


def test_broken_weights(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not a header at all")
    assert "cannot load" in refusal(copied)


def test_cut_weights(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "cannot load" in refusal(copied)


def test_a_broken_configuration(copied: Path) -> None:
    (copied / "config.json").write_text("{")
    assert "cannot load" in refusal(copied)


def test_an_unknown_architecture(copied: Path) -> None:
    (copied / "config.json").write_text(json.dumps({"model_type": "abacus"}))
    assert "abacus" in refusal(copied)


def test_a_missing_tokenizer(copied: Path) -> None:
    for path in copied.glob("*token*"):
        path.unlink()
    assert "holds no tokenizer" in refusal(copied)


def test_another_models_tokenizer(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    BertForSequenceClassification(BertConfig.from_dict({**config, "vocab_size": 60})).save_pretrained(copied)
    assert "they do not belong together" in refusal(copied)


def test_the_wrong_head(copied: Path, tmp_path: Path) -> None:
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    other = tmp_path / "filler"
    BertForMaskedLM(config).save_pretrained(other)
    AutoTokenizer.from_pretrained(copied).save_pretrained(other)
    message = refusal(other)
    assert "BertForMaskedLM" in message
    assert "not a trained classifier" in message


def test_the_wrong_head_whose_weights_happen_to_fit(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["architectures"] = ["BertForMaskedLM"]
    (copied / "config.json").write_text(json.dumps(config))
    assert "holds BertForMaskedLM, not a trained classifier" in refusal(copied)


def test_weights_that_do_not_fit_the_number_of_labels(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["id2label"] = {str(index): f"L{index}" for index in range(9)}
    config["label2id"] = {f"L{index}": index for index in range(9)}
    (copied / "config.json").write_text(json.dumps(config))
    refusal(copied)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_is_faithful(load_zoo: LoadZoo, name: str) -> None:
    model = load_zoo(name)
    assert [key for key in model.refusals if key[1] == pb.CONVENTION_FAITHFUL] == []


@pytest.mark.parametrize("name", QA_ARCHITECTURES)
def test_every_question_answerer_is_faithful(load_qa: LoadQa, name: str) -> None:
    model = load_qa(name)
    assert why_refused(model, "question_answering", pb.CONVENTION_FAITHFUL) == ""
    assert bool(why_refused(model, "question_answering", LIBRARY)) == (name not in QA_LIBRARY_RUNS_ON)
    assert (model.labels, model.num_logits) == ((), 2)


@pytest.mark.parametrize(
    ("architecture", "head"),
    [
        ("BertForQuestionAnswering", SPAN),
        ("XLNetForQuestionAnsweringSimple", SPAN),
        ("BertForTokenClassification", TOKEN),
        ("BertForMaskedLM", None),
        ("SimpleForNothing", None),
    ],
)
def test_a_head_is_known_by_the_name_of_its_class(architecture: str, head: Head | None) -> None:
    assert head_of([architecture]) is head


def test_what_the_library_cannot_do_is_known_at_load(load_zoo: LoadZoo) -> None:
    refused = {name for name in ARCHITECTURES if why_refused(load_zoo(name), SEQUENCE, LIBRARY)}
    assert refused == {
        *("gpt2",),  # looks its embeddings up twice, the library returns NaN
        *("xlm-roberta", "camembert"),  # have one type of token, the library wants two
        *("bart", "t5", "mt5"),  # look the tokens up by other modules than the one that is named
        *("xlnet",),  # puts the batch second
        *("opt", "llama"),  # begin with a token and end with none; have none that pads
    }


def test_limits_count_from_the_padding_id_where_the_architecture_does(load_zoo: LoadZoo) -> None:
    assert load_zoo("bert").max_tokens == 128, "the tokenizer's limit; the table has 130 positions"
    assert load_zoo("roberta").max_tokens == 128, "130 positions, two of them before the first token"


def test_relative_positions_have_no_limit_of_their_own(load_zoo: LoadZoo) -> None:
    for name, expected in (("t5", 0), ("xlnet", 0), ("gpt2", 130), ("longformer", 128), ("llama", 130)):
        model = load_zoo(name)
        tokenizer = copy.deepcopy(model.tokenizer)
        assert max_tokens(model.network, tokenizer) == 128, "the tokenizer's"
        tokenizer.model_max_length = 10**30
        assert max_tokens(model.network, tokenizer) == expected


def test_a_revision_names_the_files(zoo_model: ZooModel, copied: Path) -> None:
    source = ModelSource(name="m", source=str(copied))
    before = load_model(source, "cpu").revision
    assert before == load_model(ModelSource(name="m", source=str(zoo_model("bert"))), "cpu").revision
    (copied / "config.json").write_text((copied / "config.json").read_text() + "\n")
    assert load_model(source, "cpu").revision != before


def test_a_model_describes_itself(load_zoo: LoadZoo) -> None:
    model = describe(load_zoo("bert"))
    assert (model.architecture, model.model_type) == ("BertForSequenceClassification", "bert")
    assert list(model.labels) == ["CLASS_0", "CLASS_1", "CLASS_2"]
    assert model.num_logits == 3
    support = model.explainers[0]
    assert support.explainer == "sequence_classification"
    assert list(support.conventions) == [pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL]
    assert list(support.embedding_layers) == [
        pb.EMBEDDING_LAYER_WORD,
        pb.EMBEDDING_LAYER_POSITION,
        pb.EMBEDDING_LAYER_ALL,
    ]
    assert list(support.baselines) == ["pad_token", "mask_token", "unknown_token", "zero_embedding"]
    of_deberta = describe(load_zoo("deberta-v2")).explainers[0].embedding_layers
    assert list(of_deberta) == [pb.EMBEDDING_LAYER_WORD, pb.EMBEDDING_LAYER_ALL], "positions are relative"
    assert "mask_token" not in describe(load_zoo("gpt2")).explainers[0].baselines


def supported(model: TextModel) -> dict[str, list["pb.Convention.ValueType"]]:
    return {each.explainer: list(each.conventions) for each in describe(model).explainers}


def test_a_model_lists_what_its_head_supports(load_zoo: LoadZoo) -> None:
    both = [pb.CONVENTION_LIBRARY, pb.CONVENTION_FAITHFUL]
    plain = ("sequence_classification", "pairwise_sequence_classification", "multi_label_classification")
    assert supported(load_zoo("bert")) == dict.fromkeys(plain, both)
    assert supported(load_zoo("bert", 1)) == dict.fromkeys(plain[:2], both), "one logit, no choice of labels"
    nli = supported(load_zoo("bert", labels=NLI_LABELS))
    assert nli == dict.fromkeys([*plain, "zero_shot_classification"], both)


def test_a_model_says_what_is_refused_and_why(load_zoo: LoadZoo) -> None:
    odd = describe(load_zoo("bert", labels=ODD_NLI_LABELS)).explainers[-1]
    assert list(odd.conventions) == [pb.CONVENTION_FAITHFUL]
    assert list(odd.refusals) == ["LIBRARY: no label is spelt 'entailment' or 'ENTAILMENT'"]
    both = [name for name in ARCHITECTURES if not why_refused(load_zoo(name), SEQUENCE, LIBRARY)]
    refused = {name for name in both if why_refused(load_zoo(name), PAIR, LIBRARY)}
    assert refused == {"mpnet", "longformer", "qwen2"}, "two separators, or none, where the library has one"
