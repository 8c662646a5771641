"""Dataclasses as plain dicts and lists that JSON can carry."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from enum import Enum


def to_plain(value: object) -> object:
    """The value as dicts, lists, strings and numbers; numbers that JSON lacks become None."""
    match value:
        case Enum():
            return value.value
        case str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case Sequence():
            return [to_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value
