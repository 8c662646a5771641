"""Small models with random weights, for every explainer that is asked."""

from collections.abc import Mapping
from pathlib import Path

from ligserve.server.workers.models.head import SPAN, TOKEN
from tests.zoo import ARCHITECTURES, build_model

CLASSIFIER, TAGGER, ENTAILMENT, ANSWERER = "classifier", "tagger", "entailment", "answerer"
SECOND = "gpt2"


def write_models(root: Path) -> Mapping[str, Path]:
    """Write the models; their directories by name."""
    bert = ARCHITECTURES["bert"]
    entailment = ("contradiction", "neutral", "entailment")
    return {
        CLASSIFIER: build_model(bert, root / CLASSIFIER),
        TAGGER: build_model(bert, root / TAGGER, labels=("O", "B-PER", "I-PER"), head=TOKEN),
        ENTAILMENT: build_model(bert, root / ENTAILMENT, labels=entailment),
        ANSWERER: build_model(bert, root / ANSWERER, num_labels=2, head=SPAN),
        SECOND: build_model(ARCHITECTURES[SECOND], root / SECOND),
    }
