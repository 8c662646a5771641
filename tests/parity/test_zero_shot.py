"""The zero-shot drop-in against the installed transformers-interpret, side by side."""

from typing import Any

import pytest
from transformers_interpret import ZeroShotClassificationExplainer as LibraryExplainer

from ligserve.client import Client, ZeroShotClassificationExplainer
from tests.conftest import NLI_ARCHITECTURES, NLI_LABELS, ODD_NLI_LABELS, ZooModel
from tests.parity.library import RUNS_ON, TOLERANCE, assert_same_scores, library_explainer

TEXT = "The film was long,  not funny!(My parents hated it.)"
LABELS = ["movie", "phone battery", "soup"]


def assert_same(ours: ZeroShotClassificationExplainer, theirs: Any) -> None:
    assert list(ours.word_attributions) == list(theirs.word_attributions)
    for label, scores in theirs.word_attributions.items():
        assert_same_scores(ours.word_attributions[label], scores)
    assert ours.predicted_label == theirs.predicted_label
    assert ours.pred_probs == pytest.approx(theirs.pred_probs, abs=TOLERANCE)
    assert list(ours.labels) == theirs.labels
    assert list(ours.hypothesis_labels) == theirs.hypothesis_labels
    assert ours.include_hypothesis == theirs.include_hypothesis
    assert (ours.entailment_key, ours.entailment_idx) == (theirs.entailment_key, theirs.entailment_idx)
    assert ours.input_ids == theirs.input_ids.tolist()


# The library makes a number of a tensor that requires gradients.
@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad")
@pytest.mark.parametrize("name", sorted(set(NLI_ARCHITECTURES) & set(RUNS_ON)))
def test_labels_on_every_architecture(client: Client, zoo_model: ZooModel, name: str) -> None:
    ours = ZeroShotClassificationExplainer(client, f"{name}-nli")
    theirs = library_explainer(LibraryExplainer, zoo_model(name, labels=NLI_LABELS))
    arguments: list[dict[str, Any]] = [
        {},
        {"include_hypothesis": True, "hypothesis_template": "It is not {}, is it?"},
        {"n_steps": 20},
    ]
    for each in arguments:
        for explainer in (ours, theirs):
            explainer(TEXT, LABELS, **each)
        assert_same(ours, theirs)


def test_a_model_without_the_label_is_refused_as_there(client: Client, zoo_model: ZooModel) -> None:
    messages = []
    for make in (
        lambda: ZeroShotClassificationExplainer(client, "bert-odd-nli"),
        lambda: library_explainer(LibraryExplainer, zoo_model("bert", labels=ODD_NLI_LABELS)),
    ):
        with pytest.raises(ValueError, match="Expected label") as raised:
            make()
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
