"""Texts read by the tokenizers of the zoo."""

from ligserve.server.workers.explainers.documents.document import Document, read_document
from ligserve.server.workers.explainers.inputs.text_input import SourceText
from ligserve.server.workers.models.loaded import TextModel

# One for each kind of tokenizer.
TOKENIZERS = ["bert", "roberta", "gpt2", "deberta-v2"]
FIELD = "sequence_classification.text"


def document_of(model: TextModel, text: str, *, library: bool) -> Document:
    reading = read_document(model, SourceText(text, FIELD), library=library)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            return done.value
