"""A classifier of 50 classes that others trained, served as it is: weights pickled, labels miscounted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers_interpret import SequenceClassificationExplainer as LibraryExplainer

from ligserve.client import Client, SequenceClassification, SequenceClassificationExplainer
from tests.live_server import live_server
from tests.parity.library import assert_same_scores
from tests.rxnfp import CLASSES, assemble

# Reactions of one kind each, as reaction SMILES: reactants >> product.
KINDS = {
    "amide coupling": (
        "CC(=O)O.NCc1ccccc1>>CC(=O)NCc1ccccc1",
        "O=C(O)c1ccccc1.C1CCNCC1>>O=C(c1ccccc1)N1CCCCC1",
        "Nc1cccc2cnccc12.O=C(O)c1cc([N+](=O)[O-])c(Sc2c(Cl)cncc2Cl)s1"
        ">>O=C(Nc1cccc2cnccc12)c1cc([N+](=O)[O-])c(Sc2c(Cl)cncc2Cl)s1",
    ),
    "Suzuki coupling": (
        "Brc1ccccc1.OB(O)c1ccncc1>>c1ccc(-c2ccncc2)cc1",
        "COc1ccc(Br)cc1.OB(O)c1ccccc1>>COc1ccc(-c2ccccc2)cc1",
    ),
    "Boc deprotection": ("CC(C)(C)OC(=O)N1CCCCC1>>C1CCNCC1", "CC(C)(C)OC(=O)NCCc1ccccc1>>NCCc1ccccc1"),
    "nitro reduction": ("O=[N+]([O-])c1ccccc1>>Nc1ccccc1", "Cc1ccc([N+](=O)[O-])cc1>>Cc1ccc(N)cc1"),
}
REACTIONS = [reaction for reactions in KINDS.values() for reaction in reactions]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble(tmp_path_factory.mktemp("rxnfp") / "model")


@pytest.fixture(scope="module")
def chemistry(checkpoint: Path) -> Iterator[Client]:
    """A client of a server whose configuration names the checkpoint, and what is odd about it."""
    config = checkpoint.parent / "ligserve.toml"
    config.write_text(
        f'[models.reactions]\nsource = "{checkpoint}"\nallow_pickle = true\nnum_labels = {CLASSES}\n'
    )
    flags = ("--config", str(config), "--threads", "1")
    with (
        live_server({}, checkpoint.parent / "server.log", *flags) as server,
        Client(server.address) as client,
    ):
        yield client


def plain_probabilities(checkpoint: Path, reaction: str) -> Tensor:
    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=CLASSES).eval()
    with torch.no_grad():
        logits = model(**AutoTokenizer.from_pretrained(checkpoint)(reaction, return_tensors="pt")).logits[0]
    return logits.softmax(dim=0)


def test_reactions_of_one_kind_are_of_one_class(chemistry: Client) -> None:
    classes = {}
    for kind, reactions in KINDS.items():
        predictions = [
            chemistry.explain("reactions", SequenceClassification(reaction), n_steps=1).prediction
            for reaction in reactions
        ]
        assert all(
            prediction is not None and max(prediction.probabilities) > 0.99 for prediction in predictions
        )
        (classes[kind],) = {prediction.label for prediction in predictions if prediction is not None}
    assert len(set(classes.values())) == len(KINDS)


@pytest.mark.parametrize("reaction", REACTIONS[:3])
def test_probabilities_are_the_plain_models_and_scores_add_up(
    chemistry: Client, checkpoint: Path, reaction: str
) -> None:
    explanation = chemistry.explain("reactions", SequenceClassification(reaction), tolerance=0.01)
    assert explanation.prediction is not None
    found = torch.tensor(explanation.prediction.probabilities)
    assert len(found) == CLASSES
    assert (found - plain_probabilities(checkpoint, reaction)).abs().max() <= 1e-6
    (target,) = explanation.targets
    change = target.f_input - target.f_baseline
    assert abs(sum(target.scores) - change) <= target.error_bound
    assert target.error_bound <= 0.01 * max(abs(change), sum(map(abs, target.scores))) + 1e-6
    shown = "".join(reaction[t.start : t.end] for t in explanation.tokens if not t.special)
    assert shown == reaction, "every sign is a token"


@pytest.mark.parametrize("reaction", [REACTIONS[0], REACTIONS[5]])
def test_scores_equal_the_librarys(chemistry: Client, checkpoint: Path, reaction: str) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=CLASSES)
    theirs = LibraryExplainer(model, AutoTokenizer.from_pretrained(checkpoint))
    ours = SequenceClassificationExplainer(chemistry, "reactions")
    assert_same_scores(ours(reaction), theirs(reaction))
    assert ours.predicted_class_name == theirs.predicted_class_name
