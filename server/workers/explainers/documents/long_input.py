"""What becomes of texts that may be longer than the model takes: one row, windows, or a cut."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from ligserve.server.errors import FieldViolation, InvalidArgumentError
from ligserve.server.long_inputs import default_policy
from ligserve.server.workers.explainers.documents.document import Document, read_document
from ligserve.server.workers.explainers.documents.window_input import WindowReader
from ligserve.server.workers.explainers.documents.windows import default_stride, window_spans
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_row
from ligserve.server.workers.explainers.inputs.frame import Frame, text_frame
from ligserve.server.workers.explainers.inputs.library_text import library_text_row
from ligserve.server.workers.explainers.inputs.text_input import (
    RowMaker,
    SourceText,
    check_length,
    read_at_once,
)
from ligserve.server.workers.explainers.options.setting import Setting
from ligserve.server.workers.models.limits import WINDOW_WITHOUT_LIMIT
from ligserve.server.workers.models.loaded import TextModel

MAX_WINDOWS = 1 << 16
# In tokens; fewer beside a text that fills the rest of the row say nothing about the one they are from.
LEAST_WINDOW = 16
STRIDE_FIELD = "options.long_input.window.stride"


@dataclass(frozen=True)
class Cut:
    """A text that is too long for one row or to be read at once, and the pieces of it that the model sees.

    Attributes:
        reader: makes the pieces' rows.
        spans: start and end (exclusive) of each piece in the document: its windows, or all that is left, or
            the whole document, where it fits but has too many characters to be read at once.
        lost: tokens that are in no piece, since they were cut off.
        source: the text.
    """

    reader: WindowReader
    spans: Sequence[tuple[int, int]]
    lost: int
    source: SourceText

    @property
    def in_one_row(self) -> bool:
        """Whether there is one piece, which is explained as a text that fits; windows are two or more."""
        return len(self.spans) == 1

    @property
    def tokens(self) -> int:
        """Tokens of all the pieces' rows."""
        reader, texts = self.reader, sum(end - start for start, end in self.spans)
        beside = sum(map(len, reader.texts)) - len(reader.document) + reader.frame.length
        return texts + len(self.spans) * beside


@dataclass(frozen=True)
class PairLayout:
    """How two texts make a row.

    Attributes:
        frame: the special tokens around them, for a model.
        make_row: what the model is given.
    """

    frame: Callable[[TextModel], Frame]
    make_row: RowMaker


# The reading of texts; None where they are to be read at once, for one row, which refuses what is too long.
Cutting = Generator[None, None, Cut | None]


def cut_text(setting: Setting, source: SourceText) -> Cutting:
    """Cut a text that does not fit, as the request's policy for long inputs has it.

    Raises:
        InvalidArgumentError: the text cannot be read or has no tokens; or it does not fit, and the stride is
            longer than a window.
    """
    model, longest = setting.model, longest_row(setting)
    if not longest:
        return None
    frame = text_frame(model)
    capacity = longest - frame.length
    document = yield from read_document(model, source, library=setting.library)
    fits = len(document) <= capacity
    if fits and read_at_once(model, source):
        return None
    check_length(model, [source], 0, [len(document)])
    make_row = library_text_row if setting.library else faithful_row
    reader = WindowReader(model, [document], 0, frame, make_row, setting.token)
    return whole(reader, source) if fits else _cut(setting, reader, capacity, source)


def cut_pair(
    setting: Setting, sources: Sequence[SourceText], layout: PairLayout, windowed: int | None = None
) -> Cutting:
    """Cut one of two texts that do not fit together; the other one stands beside every piece as a whole.

    Args:
        setting: how it is to be explained.
        sources: the two texts, which are not cleaned.
        layout: how they make a row.
        windowed: which one is cut; None: the longer one, of two as long as each other the second.

    Raises:
        InvalidArgumentError: a text cannot be read or has no tokens, the whole one leaves no room, or the
            stride is longer than a window.
    """
    model, longest = setting.model, longest_row(setting)
    if not longest:
        return None
    texts: list[Document] = []
    for source in sources:
        texts.append((yield from read_document(model, source, library=False)))
    frame, lengths = layout.frame(model), [len(text) for text in texts]
    fits = frame.length + sum(lengths) <= longest
    if fits and read_at_once(model, *sources):
        return None
    check_length(model, sources, 0, lengths)
    if windowed is None:
        windowed = int(lengths[1] >= lengths[0])
    reader = WindowReader(model, texts, windowed, frame, layout.make_row, setting.token)
    if fits:
        return whole(reader, sources[windowed])
    capacity = room_beside(setting, frame, lengths[1 - windowed], sources[1 - windowed], sources[windowed])
    return _cut(setting, reader, capacity, sources[windowed])


def whole(reader: WindowReader, source: SourceText) -> Cut:
    """A text that fits into one row as its only piece."""
    return Cut(reader, [(0, len(reader.document))], 0, source)


def longest_row(setting: Setting) -> int:
    """Most tokens of a row, special ones included, beyond which a text is cut; 0: none is cut.

    A model that states no limit is given any text as one row, but where the request names a policy.
    """
    if long_input_policy(setting) == "refuse":
        return 0
    asked = setting.options.long_input.WhichOneof("policy") is not None
    return setting.model.max_tokens or (WINDOW_WITHOUT_LIMIT if asked else 0)


def room_beside(setting: Setting, frame: Frame, length: int, whole: SourceText, cut: SourceText) -> int:
    """Most tokens of a window beside a text of so many tokens.

    Args:
        setting: how the texts are to be explained.
        frame: the special tokens around the two texts.
        length: tokens of the text that is whole in every window.
        whole: that text.
        cut: the text that is cut into windows.

    Raises:
        InvalidArgumentError: that text leaves hardly any room.
    """
    longest = longest_row(setting)
    room = longest - frame.length - length
    if room >= LEAST_WINDOW:
        return room
    message = (
        f"has {length} tokens and is to stand beside every window of {cut.field}; of the {longest} "
        f"tokens of a row of model '{setting.model.name}' ({frame.length} of them special ones) that leaves "
        f"{max(0, room)} for a window, which needs {LEAST_WINDOW} at least; shorten it"
    )
    raise InvalidArgumentError([FieldViolation(whole.field, message)], reason="NO_ROOM_FOR_WINDOWS")


def long_input_policy(setting: Setting) -> str:
    """What is asked for, or the convention's default: "refuse", "window" or "truncate"."""
    asked = setting.options.long_input.WhichOneof("policy")
    return asked or default_policy(setting.convention)


def _check_stride(setting: Setting, stride: int, capacity: int) -> None:
    if stride > capacity:
        message = (
            f"is {stride}, but a window of model '{setting.model.name}' holds only {capacity} tokens "
            "beside the special ones and any other text; longer strides would leave tokens out"
        )
        raise InvalidArgumentError([FieldViolation(STRIDE_FIELD, message)], reason="STRIDE_TOO_LONG")


def spans_over(setting: Setting, document: Document, capacity: int) -> list[tuple[int, int]]:
    """Start and end (exclusive) of every window of at most so many tokens.

    Raises:
        InvalidArgumentError: there are too many, or the stride is longer than a window and would leave tokens
            out.
    """
    window = setting.options.long_input.window
    stride = window.stride if window.HasField("stride") else default_stride(capacity)
    _check_stride(setting, stride, capacity)
    spans = window_spans(len(document), capacity, stride, document.word_starts)
    if len(spans) > MAX_WINDOWS:
        message = f"is {stride}, which makes {len(spans)} windows; there may be at most {MAX_WINDOWS}"
        raise InvalidArgumentError([FieldViolation(STRIDE_FIELD, message)], reason="TOO_MANY_WINDOWS")
    return spans


def _cut(setting: Setting, reader: WindowReader, capacity: int, source: SourceText) -> Cut:
    if long_input_policy(setting) == "truncate":
        return Cut(reader, [(0, capacity)], len(reader.document) - capacity, source)
    return Cut(reader, spans_over(setting, reader.document, capacity), 0, source)
