"""The special tokens that a tokenizer puts around the texts of a row."""

from collections.abc import Iterator
from dataclasses import dataclass

from transformers import BatchEncoding

from ligserve.server.workers.explainers.inputs.library_text import frame_tokens
from ligserve.server.workers.models.loaded import TextModel

# Any text will do that gives a token; some tokenizers (of chemical formulas, say) have none for this.
_ANY_TEXT = "a"


@dataclass(frozen=True)
class SpecialRun:
    """Special tokens in a row: before, between or after texts.

    Attributes:
        ids: their ids.
        types: their token types.
    """

    ids: tuple[int, ...] = ()
    types: tuple[int, ...] = ()


@dataclass(frozen=True)
class Frame:
    """What stands around one text, or two.

    Attributes:
        runs: the special tokens before the first text, between the two, and after the last.
        types: token type of each text's tokens, in the row's order.
        order: which of the request's texts stands where, in the row's order.
    """

    runs: tuple[SpecialRun, ...]
    types: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens that it adds to the texts."""
        return sum(len(run.ids) for run in self.runs)


def text_frame(model: TextModel) -> Frame:
    """The frame that the model's tokenizer gives to any text."""
    return _learnt(model, (0,))


def pair_frame(model: TextModel) -> Frame:
    """The frame that the model's tokenizer gives to any two texts."""
    return _learnt(model, (0, 1))


def question_frame(model: TextModel) -> Frame:
    """The frame of a question and a context; which comes first is told in `faithful_question`."""
    return _learnt(model, (0, 1) if model.tokenizer.padding_side == "right" else (1, 0))


def library_question_frame(model: TextModel) -> Frame:
    """The frame that transformers-interpret itself puts around a question and a context.

    Raises:
        FailedPreconditionError: the tokenizer has no tokens that start and separate.
    """
    start, separator = frame_tokens(model)
    runs = tuple(SpecialRun((token,), (0,)) for token in (start, separator, separator))
    return Frame(runs, (0, 1), (0, 1))


def _learnt(model: TextModel, order: tuple[int, ...]) -> Frame:
    for text in _texts(model):
        texts = [text] * len(order)
        encoding = model.tokenizer(*texts, return_special_tokens_mask=True, return_token_type_ids=True)
        spans = list(_text_spans(encoding, len(order)))
        if all(start < end for start, end in spans):
            return _frame_around(encoding, spans, order)
    raise ValueError("the tokenizer gives no token for any text")


def _texts(model: TextModel) -> Iterator[str]:
    yield _ANY_TEXT
    # Listing a vocabulary takes as long as a forward pass.
    yield from model.tokenizer.get_vocab()


def _text_spans(encoding: BatchEncoding, texts: int) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of each text's tokens in the row; equal where it has none."""
    special, of = encoding["special_tokens_mask"], encoding.sequence_ids(0)
    for number in range(texts):
        own = [place for place, skip in enumerate(special) if not skip and of[place] == number]
        yield (own[0], own[-1] + 1) if own else (0, 0)


def _frame_around(encoding: BatchEncoding, spans: list[tuple[int, int]], order: tuple[int, ...]) -> Frame:
    ids, types = encoding["input_ids"], encoding["token_type_ids"]
    starts, ends = [0, *(end for _, end in spans)], [*(start for start, _ in spans), len(ids)]
    runs = tuple(
        SpecialRun(tuple(ids[start:end]), tuple(types[start:end]))
        for start, end in zip(starts, ends, strict=True)
    )
    return Frame(runs, tuple(types[start] for start, _ in spans), order)
