"""LIBRARY: a premise and a hypothesis in one row, as transformers-interpret 0.10.0 puts them together itself.

Source: ZeroShotClassificationExplainer in explainers/text/zero_shot_classification.py of that release. The
scores are of the premise after the library's cleaning, the prediction is of the premise as it came.
"""

from collections.abc import Sequence

from ligserve.server.workers.explainers.library_text import (
    cleaned_span,
    frame_tokens,
    library_baseline_row,
    library_row,
)
from ligserve.server.workers.explainers.offsets import clean_text, without_outer_space
from ligserve.server.workers.explainers.text_input import (
    SourceText,
    Span,
    TextInput,
    check_characters,
    check_length,
    token_table,
)
from ligserve.server.workers.models.loaded import TextModel
from ligserve.v1 import explanation_service_pb2 as pb


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
    first = _tokens(model, cleaned.text, lambda _, s, e: cleaned_span(premise.text, cleaned, s, e))
    second = _tokens(model, hypothesis.text, lambda _, s, e: without_outer_space(hypothesis.text, s, e))
    start, separator = frame_tokens(model)
    as_it_came: list[int] = model.tokenizer.encode(premise.text, add_special_tokens=False)
    lengths = [len(first.ids), len(second.ids)]
    row_length = max(lengths[0], len(as_it_came)) + lengths[1] + 3
    check_length(model, [premise, hypothesis], row_length, lengths)

    def framed(premise_ids: Sequence[int], hypothesis_ids: Sequence[int]) -> list[int]:
        return [start, *premise_ids, separator, *hypothesis_ids, separator]

    row = library_row(model, framed(first.ids, second.ids), separator=lengths[0])
    baseline_ids = framed(*([baseline_token] * length for length in lengths))
    return TextInput(
        row=row,
        baseline_row=library_baseline_row(row, baseline_ids),
        prediction_row=library_row(model, framed(as_it_came, second.ids), separator=len(as_it_came)),
        tokens=_framed_table(model, first, second, start, separator),
    )


def _tokens(model: TextModel, text: str, span: Span) -> pb.Tokens:
    encoding = model.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, return_special_tokens_mask=True
    )
    return token_table(model, encoding, span)


def _framed_table(
    model: TextModel, first: pb.Tokens, second: pb.Tokens, start: int, separator: int
) -> pb.Tokens:
    second.segments[:] = [1] * len(second.ids)
    table = pb.Tokens()
    for part in (
        _special(model, start, 0),
        first,
        _special(model, separator, 0),
        second,
        _special(model, separator, 1),
    ):
        table.MergeFrom(part)
    return table


def _special(model: TextModel, token: int, segment: int) -> pb.Tokens:
    return pb.Tokens(
        ids=[token],
        texts=model.tokenizer.convert_ids_to_tokens([token]),
        starts=[0],
        ends=[0],
        words=[-1],
        special=[True],
        segments=[segment],
    )
