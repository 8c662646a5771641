"""FAITHFUL: the deployed model's probabilities, and scores that add up to what was asked for.

Every claim of an answer is checked against plain torch in this process.
"""

from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BatchEncoding,
    BigBirdModel,
    PreTrainedModel,
)

from benchmarks.texts import LONG, ODD, SHORT
from ligserve.client import Client, Explanation, SequenceClassification
from tests.conftest import ZooModel
from tests.zoo import ARCHITECTURES

SPACES = ("probability", "log_odds", "logit")
TOLERANCE = 0.01
PROBABILITY_TOLERANCE = 1e-6


class Plain:
    """A model as `transformers` loads it, and f at both ends of the path."""

    def __init__(self, directory: Path) -> None:
        torch.set_num_threads(1)
        self.model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(directory)

    def logits(self, text: str) -> Tensor:
        return self._run(self.tokenizer(text, return_tensors="pt"))

    def probabilities(self, text: str) -> Tensor:
        logits = self.logits(text)
        return logits.sigmoid() if len(logits) == 1 else logits.softmax(dim=0)

    def baseline_logits(self, text: str) -> Tensor:
        """The text's own inputs, with the embeddings of its tokens replaced by the padding token's."""
        encoded = self.tokenizer(text, return_tensors="pt", return_special_tokens_mask=True)
        special = encoded.pop("special_tokens_mask").bool()
        token = self.tokenizer.pad_token_id
        token = self.tokenizer.eos_token_id if token is None else token
        if self.model.config.is_encoder_decoder or self.model.config.model_type == "xlnet":
            # Nothing in these depends on the ids but the embeddings (and the place of the end, which stays).
            encoded["input_ids"] = torch.where(special, encoded["input_ids"], token)
            return self._run(encoded)
        return self._with_embeddings_of(token, encoded, special)

    def _with_embeddings_of(self, token: int, encoded: BatchEncoding, special: Tensor) -> Tensor:
        table = self.model.get_input_embeddings()
        assert isinstance(table, nn.Embedding)

        def replace(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            length = special.shape[1]
            replaced = torch.where(special[..., None], output[:, :length], table.weight[token])
            return torch.cat([replaced, output[:, length:]], dim=1)

        handle = table.register_forward_hook(replace)
        try:
            return self._run(encoded)
        finally:
            handle.remove()

    def _run(self, encoded: BatchEncoding) -> Tensor:
        if self.model.config.model_type == "big_bird":
            # A fresh model's attention: the first short text changes it for good.
            cast(BigBirdModel, self.model.bert).set_attention_type(self.model.config.attention_type)
        with torch.no_grad():
            return self.model(**encoded).logits[0]

    def fits(self, text: str) -> bool:
        return len(self.tokenizer(text)["input_ids"]) <= min(self.tokenizer.model_max_length, 512)


def value(logits: Tensor, index: int, space: str) -> float:
    logits = logits.double()
    if len(logits) == 1:
        return float(logits[0].sigmoid() if space == "probability" else logits[0])
    if space == "probability":
        return float(logits.softmax(dim=0)[index])
    if space == "logit":
        return float(logits[index])
    others = torch.cat([logits[:index], logits[index + 1 :]])
    return float(logits[index] - others.logsumexp(dim=0))


def check(explanation: Explanation, plain: Plain, text: str, space: str) -> None:
    assert explanation.prediction is not None
    theirs = plain.probabilities(text)
    ours = torch.tensor(explanation.prediction.probabilities, dtype=theirs.dtype)
    assert (ours - theirs).abs().max() <= PROBABILITY_TOLERANCE
    (target,) = explanation.targets
    change = value(plain.logits(text), target.class_index, space) - value(
        plain.baseline_logits(text), target.class_index, space
    )
    total = sum(target.scores)
    scale = max(abs(change), sum(map(abs, target.scores)))
    true_error = abs(total - change)
    assert true_error <= target.error_bound
    if target.stop_reason == "noise_floor":
        assert target.error_bound <= 1e-5 * max(1.0, abs(target.f_input), abs(target.f_baseline))
    else:
        assert target.stop_reason == "tolerance"
        assert target.error_bound <= TOLERANCE * scale * (1 + 1e-6)
    assert target.convergence_delta == pytest.approx(total - (target.f_input - target.f_baseline), abs=1e-9)


@pytest.mark.parametrize(("number", "name"), list(enumerate(ARCHITECTURES)))
def test_varied_texts_on_every_architecture(
    client: Client, zoo_model: ZooModel, number: int, name: str
) -> None:
    """A third of the texts for each, and another third for the next one."""
    plain = Plain(zoo_model(name))
    texts = [text for text in SHORT + ODD if plain.fits(text)]
    assert len(texts) >= 40
    for turn, text in enumerate(texts[number % 3 :: 3]):
        space = SPACES[turn % 3]
        explanation = client.explain(
            name, SequenceClassification(text), tolerance=TOLERANCE, output_space=space
        )
        check(explanation, plain, text, space)


@pytest.mark.parametrize("name", ["bert-1", "modernbert-1", "gpt2-1"])
def test_single_logits(client: Client, zoo_model: ZooModel, name: str) -> None:
    plain = Plain(zoo_model(name.removesuffix("-1"), 1))
    for number, text in enumerate(SHORT[:9]):
        space = SPACES[number % 3]
        explanation = client.explain(name, SequenceClassification(text), output_space=space)
        check(explanation, plain, text, space)


@pytest.mark.parametrize("texts", [SHORT, ODD, LONG[:6]], ids=["short", "odd", "long"])
def test_varied_texts_on_a_trained_model(
    client: Client, sentiment_model: Path, texts: tuple[str, ...]
) -> None:
    plain = Plain(sentiment_model)
    for text in texts:
        check(client.explain("sentiment", SequenceClassification(text)), plain, text, "probability")


@pytest.mark.parametrize("baseline", ["mask_token", "unknown_token", "zero_embedding"])
def test_other_baselines_add_up_too(client: Client, baseline: str) -> None:
    explanation = client.explain("sentiment", SequenceClassification(SHORT[0]), baseline=baseline)
    (target,) = explanation.targets
    pad = client.explain("sentiment", SequenceClassification(SHORT[0])).targets[0]
    assert abs(target.convergence_delta) <= target.error_bound
    assert target.f_input == pytest.approx(pad.f_input, abs=3e-6)
    assert target.f_baseline != pytest.approx(pad.f_baseline, abs=1e-3), "another start of the path"
    special = [s for s, token in zip(target.scores, explanation.tokens, strict=True) if token.special]
    assert special == [0.0] * len(special), "special tokens stay as they are"


def test_a_tighter_tolerance_costs_more_points_and_gives_a_smaller_bound(client: Client) -> None:
    task = SequenceClassification(SHORT[1])
    loose, tight = (
        client.explain("sentiment", task, tolerance=tolerance).targets[0] for tolerance in (0.05, 0.0005)
    )
    assert tight.points > loose.points
    assert tight.error_bound < loose.error_bound


def test_the_cap_on_points_is_kept_and_said(client: Client) -> None:
    target = client.explain(
        "sentiment", SequenceClassification(SHORT[1]), tolerance=1e-5, max_points=25
    ).targets[0]
    assert target.points <= 25
    assert target.stop_reason == "max_points"
    assert abs(target.convergence_delta) <= target.error_bound


def test_several_targets_and_contrasts_in_one_request(client: Client) -> None:
    task = SequenceClassification(SHORT[0], targets=[0, "CLASS_1", 2])
    explanation = client.explain("bert", task, tolerance=0.001)
    sums = torch.tensor([target.scores for target in explanation.targets]).sum(dim=0)
    largest = max(abs(score) for target in explanation.targets for score in target.scores)
    assert sums.abs().max() <= 0.01 * largest, "probabilities add up to 1 all along the path"
    assert explanation.cost.points == explanation.targets[0].points
