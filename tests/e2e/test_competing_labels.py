"""Zero-shot labels that share one probability: the pipeline's numbers, scores in every label's window."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from ligserve.client import Client, Explanation, InvalidRequestError, ZeroShotClassification
from ligserve.client.types.events import EstimateEvent, HeaderEvent
from ligserve.server.workers.quadrature import gauss_legendre
from tests.conftest import NLI_ARCHITECTURES, NLI_LABELS, ODD_NLI_LABELS, ZooModel

TEXT = "A great great movie 😀,  with a wonderful cast."
# Hypotheses of unequal length.
LABELS = ("movie", "a phone whose battery dies", "soup")
TEMPLATE = "It is about {}, is it?"
TASK = ZeroShotClassification(TEXT, LABELS, TEMPLATE)
SPACES = ("probability", "log_odds", "logit")
TOLERANCE = 0.01


def windows_of(explanation: Explanation, target: int) -> list[list[float]]:
    """A target's scores, apart by window."""
    scored = zip(explanation.tokens_of(target), explanation.targets[target].scores, strict=True)
    return [
        [score for _, score in group]
        for _, group in itertools.groupby(scored, key=lambda pair: pair[0].window)
    ]


@pytest.mark.parametrize(
    ("name", "labels"), [*itertools.product(NLI_ARCHITECTURES, [NLI_LABELS]), ("bert", ODD_NLI_LABELS)]
)
def test_probabilities_are_the_pipelines_and_scores_add_up(
    client: Client, zoo_model: ZooModel, name: str, labels: tuple[str, ...]
) -> None:
    torch.set_num_threads(1)
    classify = pipeline("zero-shot-classification", model=str(zoo_model(name, labels=labels)), device="cpu")
    theirs = classify(TEXT, list(LABELS), hypothesis_template=TEMPLATE)
    expected = dict(zip(theirs["labels"], theirs["scores"], strict=True))
    served = f"{name}-nli" if labels == NLI_LABELS else f"{name}-odd-nli"
    for space in SPACES:
        explanation = client.explain(served, TASK, output_space=space, tolerance=TOLERANCE)
        assert explanation.prediction is not None
        assert explanation.prediction.probabilities == pytest.approx(
            [expected[label] for label in LABELS], abs=1e-6
        )
        assert explanation.prediction.label == theirs["labels"][0]
        for target in explanation.targets:
            assert target.target.window is None
            change = target.f_input - target.f_baseline
            scale = max(abs(change), sum(map(abs, target.scores)))
            assert abs(sum(target.scores) - change) <= target.error_bound
            assert target.error_bound <= max(TOLERANCE * scale * (1 + 1e-6), 1e-5)
            if space == "probability":
                assert target.f_input == pytest.approx(expected[target.label], abs=3e-6)


class _JointModel:
    """All rows at one place of their paths, in plain torch; the gradients of every label by every row."""

    def __init__(self, directory: Path) -> None:
        torch.set_num_threads(1)
        self._model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
        tokenizer = AutoTokenizer.from_pretrained(directory)
        table = self._model.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        self._table = table
        self._rows, self._ends = [], []
        for label in LABELS:
            row = tokenizer(
                TEXT, TEMPLATE.format(label), return_tensors="pt", return_special_tokens_mask=True
            )
            special = row.pop("special_tokens_mask").bool()
            padded = torch.where(special, row["input_ids"], tokenizer.pad_token_id)
            self._rows.append(row)
            self._ends.append((table(padded).detach(), table(row["input_ids"]).detach()))

    def integrands(self, alpha: float) -> list[list[Tensor]]:
        """For each label and each row the gradient x difference of every token."""
        places = [torch.lerp(start, end, alpha).requires_grad_() for start, end in self._ends]
        logits = torch.stack([self._entailment(*pair) for pair in zip(self._rows, places, strict=True)])
        return [
            [
                (gradient * (end - start)).sum(dim=-1)[0]
                for gradient, (start, end) in zip(
                    torch.autograd.grad(p, places, retain_graph=True), self._ends, strict=True
                )
            ]
            for p in logits.double().softmax(dim=0)
        ]

    def _entailment(self, row: dict[str, Tensor], place: Tensor) -> Tensor:
        handle = self._table.register_forward_hook(lambda *_: place)
        try:
            logits: Tensor = self._model(**row).logits[0, NLI_LABELS.index("entailment")]
        finally:
            handle.remove()
        return logits


def test_scores_are_the_integral_of_every_gradient_by_every_row(client: Client, zoo_model: ZooModel) -> None:
    joint = _JointModel(zoo_model("bert", labels=NLI_LABELS))
    explanation = client.explain("bert-nli", TASK, n_steps=20)
    totals = [[0.0] * len(LABELS) for _ in LABELS]
    for node, weight in zip(*gauss_legendre(20), strict=True):
        for label, rows in enumerate(joint.integrands(float(node))):
            for row, part in enumerate(rows):
                totals[label][row] = totals[label][row] + weight * part.numpy()
    for label, expected in enumerate(totals):
        for ours, theirs in zip(windows_of(explanation, label), expected, strict=True):
            assert ours == pytest.approx(theirs, abs=2e-6)


def test_the_labels_take_from_each_other(client: Client) -> None:
    explanation = client.explain("bert-nli", TASK, n_steps=20)
    sums = np.sum([target.scores for target in explanation.targets], axis=0)
    assert np.abs(sums).max() <= 1e-9, "probabilities add up to 1 all along the paths"
    assert sum(target.f_input for target in explanation.targets) == pytest.approx(1.0)


def test_logits_do_not_compete(client: Client) -> None:
    explanation = client.explain("bert-nli", TASK, n_steps=20, output_space="logit")
    alone = client.explain(
        "bert-nli",
        ZeroShotClassification(TEXT, LABELS, TEMPLATE, multi_label=True),
        n_steps=20,
        output_space="logit",
    )
    for number, target in enumerate(alone.targets):
        for window, scores in enumerate(windows_of(explanation, number)):
            own = target.scores if window == number else [0.0] * len(scores)
            assert scores == pytest.approx(own, abs=1e-6)


def test_a_single_label_is_judged_by_itself(client: Client) -> None:
    both = [
        client.explain("bert-nli", ZeroShotClassification(TEXT, "movie", multi_label=multi_label), n_steps=5)
        for multi_label in (False, True)
    ]
    assert both[0].targets == both[1].targets
    assert both[0].prediction == both[1].prediction


def test_words_of_the_text_stand_once_and_every_hypothesis_apart(client: Client) -> None:
    explanation = client.explain("bert-nli", TASK, n_steps=20)
    texts = explanation.texts_of(1)
    assert texts == (TEXT, *(TEMPLATE.format(label) for label in LABELS))
    words = explanation.words(1)
    assert all(texts[word.segment][word.start : word.end] == word.text for word in words)
    for segment, text in enumerate(texts):
        assert "".join(w.text for w in words if w.segment == segment) == "".join(text.split())
    assert sum(word.score for word in words) == pytest.approx(explanation.targets[1].score_sum)
    assert "wonderful" in {word.text for word in explanation.top(40, 1)}
    shown = explanation.html()
    assert all(shown.count(f">{word}</mark>") >= len(LABELS) for word in ("wonderful", "movie", "soup"))


def test_the_stream_tells_every_window_of_every_label(client: Client) -> None:
    with client.stream("bert-nli", TASK, tolerance=1e-5, estimate_interval=0) as stream:
        events = list(stream)
        streamed = stream.result()
    header = next(event for event in events if isinstance(event, HeaderEvent))
    assert [target.label for target in header.targets] == list(LABELS)
    estimates = [event for event in events if isinstance(event, EstimateEvent)]
    finals = [(event.target, event.window) for event in estimates if event.final]
    assert sorted(finals) == list(itertools.product(range(3), repeat=2))
    lengths = [len(scores) for scores in windows_of(streamed, 0)]
    assert all(len(event.scores) == lengths[event.window] for event in estimates)
    assert streamed.targets == client.explain("bert-nli", TASK, tolerance=1e-5).targets
    most = max(target.points for target in streamed.targets)
    assert most == streamed.cost.points, "the rows of all labels serve every label"


def test_a_deadline_gives_the_best_estimate_so_far(client: Client) -> None:
    client.explain("bert-nli", TASK, n_steps=1)
    explanation = client.explain("bert-nli", TASK, tolerance=1e-7, max_points=16384, timeout=1.0)
    for target in explanation.targets:
        assert target.stop_reason in ("deadline", "noise_floor")
        assert abs(target.convergence_delta) <= target.error_bound


def test_more_scores_than_memory_would_hold_are_refused(client: Client) -> None:
    labels = [f"label {number}" for number in range(100)]
    many = ZeroShotClassification(TEXT, labels)
    with pytest.raises(InvalidRequestError, match="labels that share one probability") as raised:
        client.explain("bert-nli", many)
    assert [violation.field for violation in raised.value.violations] == ["zero_shot_classification.labels"]
    fewer = ZeroShotClassification(TEXT, labels[:40])
    assert len(client.explain("bert-nli", fewer, n_steps=1).targets) == 40
