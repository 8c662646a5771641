"""LIBRARY: a question and a context in one row, as transformers-interpret 0.10.0 puts them together itself.

Source: QuestionAnsweringExplainer in explainers/text/question_answering.py of that release. Nothing is
cleaned, and the prediction is of the very row that is explained.
"""

from collections.abc import Sequence

from ligserve.server.workers.explainers.inputs.library_frame import (
    FRAME_LENGTH,
    bare_tokens,
    framed_ids,
    framed_tokens,
)
from ligserve.server.workers.explainers.inputs.library_text import library_baseline_row, library_row
from ligserve.server.workers.explainers.inputs.text_input import (
    SourceText,
    TextInput,
    check_characters,
    check_length,
    text_lengths,
)
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_service_pb2 as pb


def library_question(
    model: TextModel, question: SourceText, context: SourceText, baseline_token: int
) -> TextInput:
    """The row "[CLS] question [SEP] context [SEP]"; arguments as in `library_pair`.

    Raises:
        InvalidArgumentError: a text has no tokens, or the pair has too many.
        FailedPreconditionError: the tokenizer has no tokens that start and separate.
    """
    check_characters(model, question, context)
    first, second = (bare_tokens(model, source.text) for source in (question, context))
    lengths = [len(first.ids), len(second.ids)]
    check_length(model, [question, context], sum(lengths) + FRAME_LENGTH, lengths)
    return library_question_row(model, framed_tokens(model, first, second), (), baseline_token)


def library_question_row(
    model: TextModel, tokens: pb.Tokens, types: Sequence[int], baseline_token: int
) -> TextInput:
    """The row that the library would integrate over for these tokens (a RowMaker); it types by itself.

    Raises:
        FailedPreconditionError: the tokenizer has no tokens that start and separate.
    """
    lengths = text_lengths(tokens)
    row = library_row(model, tokens.ids, separator=lengths[0])
    baseline_ids = framed_ids(model, *([baseline_token] * length for length in lengths))
    return TextInput(row, library_baseline_row(row, baseline_ids), row, tokens)
