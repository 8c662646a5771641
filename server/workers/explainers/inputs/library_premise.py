"""LIBRARY: a premise and a hypothesis in one row, as transformers-interpret 0.10.0 puts them together itself.

Source: ZeroShotClassificationExplainer in explainers/text/zero_shot_classification.py of that release. The
scores are of the premise after the library's cleaning, the prediction is of the premise as it came.
"""

from ligserve.server.workers.explainers.inputs.library_frame import (
    FRAME_LENGTH,
    bare_tokens,
    framed_ids,
    framed_tokens,
    spanned_tokens,
)
from ligserve.server.workers.explainers.inputs.library_text import (
    cleaned_span,
    library_baseline_row,
    library_row,
)
from ligserve.server.workers.explainers.inputs.offsets import clean_text
from ligserve.server.workers.explainers.inputs.text_input import (
    SourceText,
    TextInput,
    check_characters,
    check_length,
)
from ligserve.server.workers.models.loaded import TextModel


def library_premise(
    model: TextModel, premise: SourceText, hypothesis: SourceText, baseline_token: int
) -> TextInput:
    """The row "[CLS] premise [SEP] hypothesis [SEP]"; arguments as in `library_pair`.

    Raises:
        InvalidArgumentError: a text has no tokens, or the pair has too many.
        FailedPreconditionError: the tokenizer has no tokens that start and separate.
    """
    check_characters(model, premise, hypothesis)
    cleaned = clean_text(premise.text)
    first = spanned_tokens(model, cleaned.text, lambda _, s, e: cleaned_span(premise.text, cleaned, s, e))
    second = bare_tokens(model, hypothesis.text)
    as_it_came: list[int] = model.tokenizer.encode(premise.text, add_special_tokens=False)
    lengths = [len(first.ids), len(second.ids)]
    row_length = max(lengths[0], len(as_it_came)) + lengths[1] + FRAME_LENGTH
    check_length(model, [premise, hypothesis], row_length, lengths)
    row = library_row(model, framed_ids(model, first.ids, second.ids), separator=lengths[0])
    baseline_ids = framed_ids(model, *([baseline_token] * length for length in lengths))
    prediction_ids = framed_ids(model, as_it_came, second.ids)
    return TextInput(
        row=row,
        baseline_row=library_baseline_row(row, baseline_ids),
        prediction_row=library_row(model, prediction_ids, separator=len(as_it_came)),
        tokens=framed_tokens(model, first, second),
    )
