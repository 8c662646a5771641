"""The explainers that the matrix tries on every architecture: one entry each."""

from pathlib import Path
from typing import Any

import torch
import transformers_interpret as library
from torch import Tensor
from transformers import (
    MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

from ligserve import client
from ligserve.client import Explanation
from ligserve.server.workers.models.head import SPAN, TOKEN
from tests.deployed_answers import best_chance
from tests.matrix.column import Column, Question, Scores
from tests.matrix.image_column import IMAGE_COLUMN
from tests.parity.library import library_explainer
from tests.zoo import ARCHITECTURES, build_model

# Labels of entity models.
ENTITIES = ("O", "PER", "LOC")
# Without punctuation: LIBRARY and FAITHFUL differ in how a text is cleaned, which would hide the rest.
TEXT, SECOND = "The film was long and not funny my parents hated it", "a great movie"
ENTITY_TEXT = "great great movie"
QUESTION = "who hated the film"
LABELS = ("movie", "phone battery", "soup")
TEMPLATE = "this text is about {} ."


def _logits(directory: Path, *texts: str) -> Tensor:
    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    with torch.no_grad():
        logits: Tensor = model(**AutoTokenizer.from_pretrained(directory)(*texts, return_tensors="pt")).logits
    return logits[0]


def _zero_shot(*, multi_label: bool) -> Question:
    def probabilities(directory: Path) -> Tensor:
        classify = pipeline("zero-shot-classification", model=str(directory), device="cpu")
        found = classify(TEXT, list(LABELS), hypothesis_template=TEMPLATE, multi_label=multi_label)
        scores = dict(zip(found["labels"], found["scores"], strict=True))
        return torch.tensor([scores[label] for label in LABELS])

    # The pipeline's logits and softmax are of float32, row by row: seen up to 1.6e-6 apart.
    return Question(
        client.ZeroShotClassification(TEXT, LABELS, TEMPLATE, multi_label=multi_label),
        probabilities,
        tolerance=3e-6,
    )


def _is_in(heads: Any, config: Any) -> bool:
    """Whether transformers has a model with this head for a configuration's class."""
    return config in heads


def _token_probabilities(directory: Path) -> Tensor:
    torch.set_num_threads(1)
    model = AutoModelForTokenClassification.from_pretrained(directory).eval()
    with torch.no_grad():
        logits = model(**AutoTokenizer.from_pretrained(directory)(ENTITY_TEXT, return_tensors="pt")).logits
    return logits[0].softmax(dim=-1).flatten()


def _predicted_of_tokens(answer: Explanation) -> list[float]:
    return [chance for prediction in answer.token_predictions for chance in prediction.probabilities]


def _chance_of_answer(answer: Explanation) -> list[float]:
    assert answer.answer is not None
    return [answer.answer.probability]


def _blind_to_the_question(scores: Scores) -> str:
    """On GPT-2 the library moves the look-up of token types, which is the same all along the path there."""
    of_question = scores[0][: len(QUESTION.split())]
    return "zeros for the question" if all(score == 0 for _, score in of_question) else ""


def _build_answerer(row: Any, directory: Path) -> Path:
    return build_model(row, directory, num_labels=2, head=SPAN)


def _build_entities(row: Any, directory: Path) -> Path:
    return build_model(row, directory, labels=ENTITIES, head=TOKEN)


COLUMNS = (
    Column(
        title="one text",
        explainer="sequence_classification",
        questions=(
            Question(
                client.SequenceClassification(TEXT),
                lambda directory: _logits(directory, TEXT).softmax(dim=0),
            ),
        ),
        drop_in=client.SequenceClassificationExplainer,
        library=lambda directory: library_explainer(library.SequenceClassificationExplainer, directory),
        arguments=(TEXT,),
    ),
    Column(
        title="pairs",
        explainer="pairwise_sequence_classification",
        questions=(
            Question(
                client.PairwiseSequenceClassification(TEXT, SECOND),
                lambda directory: _logits(directory, TEXT, SECOND).softmax(dim=0),
            ),
        ),
        drop_in=client.PairwiseSequenceClassificationExplainer,
        library=lambda directory: library_explainer(
            library.PairwiseSequenceClassificationExplainer, directory
        ),
        arguments=(TEXT, SECOND),
    ),
    Column(
        title="multi-label",
        explainer="multi_label_classification",
        questions=(
            Question(
                client.MultiLabelClassification(TEXT), lambda directory: _logits(directory, TEXT).sigmoid()
            ),
        ),
        drop_in=client.MultiLabelClassificationExplainer,
        library=lambda directory: library_explainer(library.MultiLabelClassificationExplainer, directory),
        arguments=(TEXT,),
    ),
    Column(
        title="zero-shot",
        explainer="zero_shot_classification",
        questions=(_zero_shot(multi_label=True), _zero_shot(multi_label=False)),
        drop_in=client.ZeroShotClassificationExplainer,
        library=lambda directory: library_explainer(library.ZeroShotClassificationExplainer, directory),
        arguments=(TEXT, list(LABELS)),
        output="output",
    ),
    Column(
        title="tokens",
        explainer="token_classification",
        questions=(
            Question(client.TokenClassification(ENTITY_TEXT), _token_probabilities, _predicted_of_tokens),
        ),
        drop_in=client.TokenClassificationExplainer,
        library=lambda directory: library_explainer(library.TokenClassificationExplainer, directory, TOKEN),
        arguments=(ENTITY_TEXT,),
        scores=lambda answer: [each["attribution_scores"] for each in answer.values()],
        architectures={
            name: architecture
            for name, architecture in ARCHITECTURES.items()
            if _is_in(MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING, architecture.config)
        },
        build=_build_entities,
    ),
    Column(
        title="answers",
        explainer="question_answering",
        questions=(
            Question(
                client.QuestionAnswering(QUESTION, TEXT),
                lambda directory: torch.tensor([best_chance(directory, QUESTION, TEXT)]),
                _chance_of_answer,
            ),
        ),
        drop_in=client.QuestionAnsweringExplainer,
        library=lambda directory: library_explainer(library.QuestionAnsweringExplainer, directory, SPAN),
        # Word embeddings, which every architecture has.
        arguments=(QUESTION, TEXT, 0),
        build=_build_answerer,
        nonsense=_blind_to_the_question,
        output="output",
    ),
    IMAGE_COLUMN,
)
