"""Where models look their tokens up, and what they do with the length of a batch."""

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.models.indexes import checked_indexes
from ligserve.server.workers.models.loaded import RowInputs, TextModel
from ligserve.v1 import explanation_pb2 as pb
from tests.conftest import ZooModel
from tests.workers.conftest import LoadZoo
from tests.zoo import ARCHITECTURES

TEXTS = ("soup", "A great great movie, warm and clever, with a wonderful cast.", "It is not bad.")
ENCODER_DECODERS = {"bart", "t5", "mt5"}
# Their rows are batched by length: what pads them changes what they say.
UNPADDED = {"xlnet", "llama", "big-bird"}
# BigBird's block-sparse attention starts above 28 tokens in the zoo's configuration.
LONG = "The waiter forgot our order twice, but the soup was worth the wait. " * 2


def logits_of(model: TextModel, *rows: RowInputs) -> Tensor:
    with torch.no_grad():
        return model.logits(model.batch(rows))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_look_up_of_the_tokens_is_found(load_zoo: LoadZoo, name: str) -> None:
    layer = load_zoo(name).layers[pb.EMBEDDING_LAYER_WORD]
    assert layer.shifts == ((0, 1) if name in ENCODER_DECODERS else (0,))
    assert len(layer.modules) == len(layer.shifts)
    assert layer.time_first == (name == "xlnet")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_rows_of_unequal_length_share_a_batch_only_where_they_do_not_touch(
    load_zoo: LoadZoo, name: str
) -> None:
    model = load_zoo(name)
    assert model.pads_safely == (name not in UNPADDED)
    rows = [faithful_input(model, text, "text", 0).row for text in TEXTS]
    if model.pads_safely:
        together = logits_of(model, *rows)
        alone = torch.cat([logits_of(model, row) for row in rows])
        assert together == pytest.approx(alone, abs=1e-5)


def test_what_big_bird_says_does_not_depend_on_what_it_was_asked_before(
    load_zoo: LoadZoo, zoo_model: ZooModel
) -> None:
    model = load_zoo("big-bird")
    short, long = (faithful_input(model, text, "text", 0).row for text in (TEXTS[0], LONG))
    assert len(long["input_ids"]) > 28
    for row in (short, long, short, long):
        fresh = AutoModelForSequenceClassification.from_pretrained(zoo_model("big-bird")).eval()
        with torch.no_grad():
            expected = fresh(**model.batch([row])).logits
        assert logits_of(model, row) == pytest.approx(expected, abs=1e-6)
    fresh.bert.set_attention_type("original_full")
    with torch.no_grad():
        changed = fresh(**model.batch([long])).logits
    assert (changed - expected).abs().max() > 1e-3, "the kind of attention matters here"


def test_a_row_that_a_table_does_not_have_is_told_by_the_tables_name(load_zoo: LoadZoo) -> None:
    model = load_zoo("xlm-roberta")
    row = dict(faithful_input(model, TEXTS[0], "text", 0).row)
    row["token_type_ids"] = torch.ones_like(row["input_ids"])
    with (
        checked_indexes(model.network),
        pytest.raises(IndexError, match="token_type_embeddings has 1 rows, it is asked for row 1"),
    ):
        logits_of(model, row)
    del row["token_type_ids"]
    with checked_indexes(model.network):
        logits_of(model, row)
