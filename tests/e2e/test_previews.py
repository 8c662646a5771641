"""The first look at an explanation, after a single point."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ligserve.client import Client, SequenceClassification, ZeroShotClassification
from ligserve.client.types.events import EstimateEvent, HeaderEvent
from tests.conftest import ZooModel

TEXT = "The film was long, loud and not funny at all; my parents hated it."


def input_times_gradient(directory: Path, text: str, class_index: int) -> torch.Tensor:
    """(T,) gradient of the class's probability x (embedding - padding's embedding), with plain torch."""
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    encoding = tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
    special = encoding.pop("special_tokens_mask").bool()
    table = model.get_input_embeddings()
    ids = encoding.pop("input_ids")
    ends = table(ids).detach().requires_grad_()
    starts = table(torch.where(special, ids, tokenizer.pad_token_id)).detach()
    output = model(inputs_embeds=ends, **encoding).logits.softmax(dim=-1)[0, class_index]
    (gradient,) = torch.autograd.grad(output, ends)
    return (gradient * (ends.detach() - starts)).sum(dim=-1)[0]


@pytest.mark.parametrize("exact", [{"tolerance": 0.001}, {"n_steps": 20}])
def test_a_preview_is_input_times_gradient_and_comes_first(
    client: Client, zoo_model: ZooModel, exact: dict[str, float]
) -> None:
    task = SequenceClassification(TEXT, targets=[0, 2])
    with client.stream("bert", task, preview=True, estimate_interval=0, **exact) as stream:  # type: ignore[arg-type]
        events = list(stream)
        streamed = stream.result()
    header = next(number for number, event in enumerate(events) if isinstance(event, HeaderEvent))
    estimates = [event for event in events if isinstance(event, EstimateEvent)]
    first, second, *rest = estimates
    assert [event.preview for event in (first, second)] == [True, True]
    assert events.index(first) > header
    assert not any(event.preview for event in rest)
    assert (first.target, second.target) == (0, 1)
    assert (first.points, first.round, first.final) == (1, 0, False)
    assert first.error_bound != first.error_bound, "no error is known"
    for event, class_index in ((first, 0), (second, 2)):
        expected = input_times_gradient(zoo_model("bert", 3), TEXT, class_index)
        assert event.scores == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-6)
    plain = client.explain("bert", task, **exact)  # type: ignore[arg-type]
    for mine, theirs in zip(streamed.targets, plain.targets, strict=True):
        assert mine.scores == pytest.approx(theirs.scores, rel=1e-5, abs=1e-7)
        assert mine.points == theirs.points


def test_none_comes_unasked_or_where_labels_compete(client: Client) -> None:
    with client.stream("bert", SequenceClassification(TEXT), estimate_interval=0) as stream:
        assert not any(event.preview for event in stream if isinstance(event, EstimateEvent))
    competing = ZeroShotClassification(TEXT, ["cinema", "food"])
    with client.stream("bert-nli", competing, preview=True, estimate_interval=0) as stream:
        assert not any(event.preview for event in stream if isinstance(event, EstimateEvent))
        assert stream.result().targets


def test_known_points_have_a_preview_too(client: Client) -> None:
    for _ in range(2):
        with client.stream("bert", SequenceClassification(TEXT), preview=True) as stream:
            previews = [event for event in stream if isinstance(event, EstimateEvent) and event.preview]
        assert len(previews) == 1


def test_a_preview_is_asked_for_with_a_truth_value(client: Client) -> None:
    with pytest.raises(TypeError, match="preview must be True or False"):
        client.stream("bert", SequenceClassification(TEXT), preview=1)  # type: ignore[arg-type]
