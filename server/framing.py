"""Frames between the front and its workers: a length of 4 bytes, big endian, then a protobuf message."""

import asyncio
import struct
from typing import TypeVar

from google.protobuf.message import Message

_LENGTH = struct.Struct(">I")
LENGTH_BYTES = _LENGTH.size
# Far above any message that is sent; a larger length means that the two ends lost step.
MAX_FRAME_BYTES = 256 << 20

M = TypeVar("M", bound=Message)


class FramingError(Exception):
    """The two ends lost step; the connection is of no more use."""


def pack_frame(message: Message) -> bytes:
    """The bytes of one frame."""
    payload = message.SerializeToString()
    return _LENGTH.pack(len(payload)) + payload


def frame_length(header: bytes) -> int:
    """The length that a frame's first four bytes announce.

    Raises:
        FramingError: the length is impossible.
    """
    (length,) = _LENGTH.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise FramingError(f"frame of {length} bytes")
    return int(length)


async def read_frame(reader: asyncio.StreamReader, kind: type[M]) -> M | None:
    """The next frame, or None at the end of the stream.

    Raises:
        FramingError: the length is impossible.
    """
    try:
        length = frame_length(await reader.readexactly(LENGTH_BYTES))
        return kind.FromString(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
