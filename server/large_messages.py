"""Headers and summaries of any size, in messages that every client can take."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from google.protobuf.message import Message

from ligserve.v1 import explanation_service_pb2 as pb

# What is cut off at a time; a message is filled with such pieces, and larger by one of them at most.
PIECE_BYTES = 32 << 10
MESSAGE_BYTES = 128 << 10
# The most that a number takes: a varint of 64 bits.
NUMBER_BYTES = 10

M = TypeVar("M", bound=Message)


def opening(header: pb.Header, windows: Iterable[pb.Window] = ()) -> Iterator[pb.StreamExplainResponse]:
    """A header, and more of it until all is told.

    Args:
        header: what there is but for `windows`.
        windows: those that are not in the header yet, in order; each is asked for when it is sent.
    """
    more = chain.from_iterable(_pieces(pb.Header(windows=[window])) for window in windows)
    pieces = chain(_pieces(header), more)
    first = True
    for part in _filled(pieces):
        yield pb.StreamExplainResponse(header=part) if first else pb.StreamExplainResponse(more_header=part)
        first = False


def closing(summary: pb.Summary) -> Iterator[pb.StreamExplainResponse]:
    """A summary, after the targets for which it has no room."""
    targets = summary.targets
    count = max(1, MESSAGE_BYTES // max((target.ByteSize() for target in targets), default=1))
    # None are left for the summary itself, unless there is room for all.
    told = len(targets) if len(targets) > count else 0
    for start in range(0, told, count):
        some = targets[start : min(told, start + count)]
        yield pb.StreamExplainResponse(more_targets=pb.TargetSummaries(targets=some))
    last = pb.Summary()
    last.CopyFrom(summary)
    del last.targets[:told]
    yield pb.StreamExplainResponse(summary=last)


def merge_header(whole: pb.Header, more: pb.Header) -> None:
    """Append to a header what `more_header` brings; also to its last window, where that goes on."""
    rest = pb.Header()
    rest.CopyFrom(more)
    if whole.windows and rest.windows and rest.windows[0].index == whole.windows[-1].index:
        whole.windows[-1].MergeFrom(rest.windows[0])
        del rest.windows[0]
    whole.MergeFrom(rest)
    whole.continued = more.continued


def _filled(pieces: Iterable[pb.Header]) -> Iterator[pb.Header]:
    """As many pieces in a header as a message has room for."""
    part, size = pb.Header(), 0
    for piece in pieces:
        if size >= MESSAGE_BYTES:
            part.continued = True
            yield part
            part, size = pb.Header(), 0
        merge_header(part, piece)
        size += piece.ByteSize()
    yield part


def _pieces(message: M) -> Iterator[M]:
    """The message, in small pieces that merge into it again."""
    if message.ByteSize() <= PIECE_BYTES:
        yield message
        return
    for field, value in message.ListFields():
        for part in _parts(value) if field.is_repeated else _pieces_of_one(value):
            yield type(message)(**{field.name: part})


def _pieces_of_one(value: object) -> Iterator[object]:
    if isinstance(value, Message):
        yield from _pieces(value)
    else:
        yield value


def _parts(values: Sequence[Any]) -> Iterator[list[Any]]:
    if isinstance(values[0], Message):
        for value in values:
            yield from ([piece] for piece in _numbered_pieces(value))
        return
    widest = max(len(value.encode()) + 4 if isinstance(value, str) else NUMBER_BYTES for value in values)
    count = max(1, PIECE_BYTES // widest)
    for start in range(0, len(values), count):
        yield list(values[start : start + count])


def _numbered_pieces(value: Message) -> Iterator[Message]:
    """Pieces of a repeated message; each of a window tells which window it belongs to."""
    for piece in _pieces(value):
        if isinstance(value, pb.Window) and isinstance(piece, pb.Window):
            piece.index = value.index
        yield piece
