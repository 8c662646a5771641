"""The pairwise drop-in against the installed transformers-interpret, side by side, ours over a real wire."""

from typing import Any

import pytest
from transformers_interpret import PairwiseSequenceClassificationExplainer as LibraryExplainer

from ligserve.client import Client, PairwiseSequenceClassificationExplainer
from tests.conftest import ZooModel
from tests.parity.library import RUNS_ON, TOLERANCE, assert_same_scores, library_explainer

PAIRS = (
    ("I love you, I like you", "It is not bad,  it is not good."),
    ("Why would anybody buy this phone?", "The battery dies before noon."),
)
# The library's baseline has one separator too few for mpnet.
NAMES = sorted(set(RUNS_ON) - {"mpnet"})


def both(
    client: Client, zoo_model: ZooModel, name: str, labels: int = 3, **arguments: Any
) -> tuple[PairwiseSequenceClassificationExplainer, Any]:
    served = name if labels == 3 else f"{name}-{labels}"
    ours = PairwiseSequenceClassificationExplainer(client, served, **arguments)
    return ours, library_explainer(LibraryExplainer, zoo_model(name, labels), **arguments)


def assert_same(ours: PairwiseSequenceClassificationExplainer, theirs: Any) -> None:
    assert_same_scores(ours.word_attributions, theirs.word_attributions)
    assert ours.predicted_class_index == int(theirs.predicted_class_index)
    assert ours.predicted_class_name == theirs.predicted_class_name
    assert ours.selected_index == theirs.selected_index
    assert ours.pred_probs == pytest.approx(float(theirs.pred_probs), abs=TOLERANCE)
    assert (ours.text1, ours.text2) == (theirs.text1, theirs.text2)


@pytest.mark.parametrize("name", NAMES)
def test_predicted_class_and_others(client: Client, zoo_model: ZooModel, name: str) -> None:
    ours, theirs = both(client, zoo_model, name)
    for pair in PAIRS:
        ours(*pair)
        theirs(*pair)
        assert_same(ours, theirs)
    for how in ({"index": 2}, {"class_name": "CLASS_1"}, {"index": 0, "class_name": "nonsense"}):
        ours(*PAIRS[0], **how)
        theirs(*PAIRS[0], **how)
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
def test_single_logits_and_their_sign(client: Client, zoo_model: ZooModel, name: str) -> None:
    ours, theirs = both(client, zoo_model, name, labels=1)
    # The library knows that there is one logit only after its first call.
    theirs(*PAIRS[0])
    for flip_sign in (False, True):
        ours(*PAIRS[0], flip_sign=flip_sign)
        theirs(*PAIRS[0], flip_sign=flip_sign)
        assert_same(ours, theirs)


def test_the_sign_of_several_classes_is_not_flipped(client: Client, zoo_model: ZooModel) -> None:
    ours, theirs = both(client, zoo_model, "bert")
    for explainer in (ours, theirs):
        explainer(*PAIRS[1], flip_sign=True, n_steps=20, embedding_type=1)
    assert_same(ours, theirs)


def test_custom_labels(client: Client, zoo_model: ZooModel) -> None:
    labels = ["A", "B", "C"]
    ours, theirs = both(client, zoo_model, "bert", custom_labels=labels)
    for explainer in (ours, theirs):
        explainer(*PAIRS[0], class_name="C")
    assert_same(ours, theirs)
    assert ours.selected_index == 2


def test_where_the_library_fails_the_drop_in_answers_faithfully(client: Client, zoo_model: ZooModel) -> None:
    ours, theirs = both(client, zoo_model, "mpnet")
    with pytest.raises(RuntimeError, match="must match"):
        theirs(*PAIRS[0])
    with pytest.warns(UserWarning, match="faithful") as caught:
        assert ours(*PAIRS[0])
    assert caught[0].filename == __file__
