"""The multi-label drop-in against the installed transformers-interpret, side by side."""

from typing import Any

import pytest
from transformers_interpret import MultiLabelClassificationExplainer as LibraryExplainer

from ligserve.client import Client, MultiLabelClassificationExplainer
from tests.conftest import ZooModel
from tests.parity.library import RUNS_ON, TOLERANCE, assert_same_scores, library_explainer

TEXTS = ("The film was long,  not funny!(My parents hated it.)", "great great movie")


def assert_same(ours: MultiLabelClassificationExplainer, theirs: Any) -> None:
    assert list(ours.word_attributions) == list(theirs.word_attributions)
    for label, scores in theirs.word_attributions.items():
        assert_same_scores(ours.word_attributions[label], scores)
    assert ours.pred_probs_list == pytest.approx([float(p) for p in theirs.pred_probs_list], abs=TOLERANCE)
    assert list(ours.label_probs_dict) == list(theirs.label_probs_dict)
    assert ours.predicted_class_index == int(theirs.predicted_class_index)
    assert ours.predicted_class_name == theirs.predicted_class_name


@pytest.mark.parametrize("name", RUNS_ON)
def test_every_label(client: Client, zoo_model: ZooModel, name: str) -> None:
    ours = MultiLabelClassificationExplainer(client, name)
    theirs = library_explainer(LibraryExplainer, zoo_model(name))
    for text in TEXTS:
        assert ours(text) == ours.word_attributions
        theirs(text)
        assert_same(ours, theirs)


def test_custom_labels_and_an_embedding_type_that_never_arrives(client: Client, zoo_model: ZooModel) -> None:
    labels = ["A", "B", "C"]
    ours = MultiLabelClassificationExplainer(client, "bert", custom_labels=labels)
    theirs = library_explainer(LibraryExplainer, zoo_model("bert"), custom_labels=labels)
    for explainer in (ours, theirs):
        explainer(TEXTS[0], embedding_type=1)
    assert_same(ours, theirs)
    assert list(ours.word_attributions) == labels


def test_steps_reach_every_label_here(client: Client) -> None:
    """The library forgets them on the way to its labels; 50 steps agree, others do not."""
    explainer = MultiLabelClassificationExplainer(client, "bert")
    explainer(TEXTS[0], n_steps=7)
    assert explainer.explanation is not None
    assert {target.points for target in explainer.explanation.targets} == {9}, "7 nodes and both ends"
    assert explainer.explanation.cost.points == 9, "three labels, one shared path"
