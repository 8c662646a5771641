"""The largest message on the wire, where there is most to tell."""

import dataclasses
from collections.abc import Iterator

import grpc
import pytest
from transformers import PreTrainedTokenizerFast

from ligserve.client.header_parts import merge_header
from ligserve.server.workers.models.head import TOKEN
from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.live_server import LiveServer, live_server
from tests.zoo import ARCHITECTURES, build_model
from tests.zoo.tokenizers import wordpiece

LIMIT = 256 << 10
# ModernBERT's.
MAX_TOKENS = 8192
LABELS = ["O", *(f"{part}-KIND{kind}" for kind in range(14) for part in "BI")][:28]


def roomy_wordpiece() -> PreTrainedTokenizerFast:
    tokenizer = wordpiece()
    tokenizer.model_max_length = MAX_TOKENS
    return tokenizer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose model takes as many tokens as ModernBERT and knows 28 labels."""
    root = tmp_path_factory.mktemp("roomy")
    bert = ARCHITECTURES["bert"]
    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    settings = {**bert.settings, **tiny, "max_position_embeddings": MAX_TOKENS}
    roomy = dataclasses.replace(bert, settings=settings, tokenizer=roomy_wordpiece)
    model = build_model(roomy, root / "model", num_labels=28, labels=LABELS, head=TOKEN)
    with live_server({"roomy": model}, root / "server.log", "--threads", "1") as running:
        yield running


def test_every_token_of_a_long_row_and_28_labels(server: LiveServer) -> None:
    """The header tells 230,000 probabilities and logits and 8,190 targets; then the stream is left."""
    request = pb.StreamExplainRequest()
    request.request.model = "roomy"
    request.request.token_classification.text = "great " * (MAX_TOKENS - 2)
    request.request.options.fixed_steps.n_steps = 1
    header, sizes = pb.Header(), []
    with grpc.insecure_channel(server.address) as channel:
        call = ExplanationServiceStub(channel).StreamExplain(request, timeout=200)
        for event in call:
            sizes.append(event.ByteSize())
            kind = event.WhichOneof("event")
            if kind in ("header", "more_header"):
                merge_header(header, getattr(event, kind))
                if not header.continued:
                    break
        call.cancel()
    assert max(sizes) < LIMIT
    (window,) = header.windows
    assert len(header.targets) == MAX_TOKENS - 2
    assert len(window.tokens.ids) == MAX_TOKENS
    assert len(window.token_predictions.logits) == MAX_TOKENS * len(LABELS)
    assert list(header.labels) == LABELS
    assert header.ByteSize() < 3 << 20, "labels stand once"
