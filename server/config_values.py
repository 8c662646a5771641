"""How single settings are read, from text (environment, flags) or from TOML's own types.

Each parser takes the raw value and returns the checked one, or raises ValueError with half a sentence.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from ligserve.v1 import explanation_pb2 as pb

Parser = Callable[[object], object]
Origin = Callable[[str], str]

# What a frame to a worker can carry, and more than any device does in a lifetime.
MOST_TOKEN_PASSES = (1 << 63) - 1
LOG_LEVELS = ("debug", "info", "warning", "error")
# As the interface has them.
PRECISIONS = tuple(name.removeprefix("PRECISION_").lower() for name, number in pb.Precision.items() if number)
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_DEVICE = re.compile(r"cpu|cuda(:\d+)?|mps")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+):(\d{1,5})")
_WORDS_FOR_TRUE = ("1", "true", "yes", "on")
_WORDS_FOR_FALSE = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model to load, and what its files may do."""

    name: str
    source: str
    revision: str = ""
    allow_pickle: bool = False
    trust_remote_code: bool = False
    # 0: as the checkpoint's configuration says.
    num_labels: int = 0
    # Most token passes of one request. 0: the server's limit.
    max_token_passes: int = 0
    # What requests may ask for, the default first. Empty: all that the device has, float32 first.
    precisions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ModelSpec":
        """Read NAME=PATH_OR_ID[@REVISION]; an existing directory wins over a revision."""
        name, equals, place = text.strip().partition("=")
        if not equals or not name or not place:
            raise ValueError(f"{text!r} is not NAME=PATH_OR_HUB_ID[@REVISION]")
        source, revision = _split_revision(place)
        return cls(name=_model_name(name), source=_existing(source), revision=revision)


def _model_name(name: str) -> str:
    if not _MODEL_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a model: letters, digits and . _ - / (at most 128)")
    return name


def _split_revision(place: str) -> tuple[str, str]:
    if "@" not in place or Path(place).expanduser().is_dir():
        return place, ""
    source, _, revision = place.rpartition("@")
    return source, revision


def _existing(source: str) -> str:
    """A source that looks like a path is one, and must be there."""
    if not source.startswith(("/", "./", "../", "~")):
        return source
    path = Path(source).expanduser()
    if not path.is_dir():
        raise ValueError(f"there is no model directory {source}")
    return str(path)


def models(value: object) -> tuple[ModelSpec, ...]:
    """Models from "a=x;b=y", a list of such texts, or TOML tables by name."""
    if isinstance(value, Mapping):
        specs = [_from_table(str(name), table) for name, table in value.items()]
    else:
        specs = [ModelSpec.parse(text) for text in _texts(value, separator=";")]
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two models are called {twice[0]!r}")
    return tuple(specs)


def _from_table(name: str, table: object) -> ModelSpec:
    if isinstance(table, str):
        return ModelSpec.parse(f"{name}={table}")
    if not isinstance(table, Mapping) or not isinstance(table.get("source"), str):
        raise ValueError(f"model {name!r} needs a source")
    unknown = set(table) - {field.name for field in fields(ModelSpec)} | ({"name"} & set(table))
    if unknown:
        raise ValueError(f"model {name!r} has no setting {sorted(unknown)[0]!r}")
    return ModelSpec(
        name=_model_name(name),
        source=_existing(table["source"]),
        revision=str(table.get("revision", "")),
        allow_pickle=boolean(table.get("allow_pickle", False)),
        trust_remote_code=boolean(table.get("trust_remote_code", False)),
        num_labels=integer(0, 1_000_000)(table.get("num_labels", 0)),
        max_token_passes=token_passes(table.get("max_token_passes", 0)),
        precisions=precisions(table.get("precisions", ())),
    )


def _texts(value: object, *, separator: str) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(separator) if part.strip()]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return [text for part in value for text in _texts(part, separator=separator)]
    raise ValueError(f"{value!r} is not a list of texts")


def devices(value: object) -> tuple[str, ...]:
    """Devices from "cuda:0,cuda:1", "cpu" or "auto"."""
    names = _texts(value, separator=",")
    for name in names:
        if names != ["auto"] and not _DEVICE.fullmatch(name):
            raise ValueError(f"{name!r} is no device; there are auto, cpu, cuda:0, cuda:1, ...")
    if not names:
        raise ValueError("no device is given")
    return tuple(names)


def precisions(value: object) -> tuple[str, ...]:
    """Arithmetics from "bfloat16,float32" or a list of such names."""
    names = [name.lower() for name in _texts(value, separator=",")]
    for name in names:
        if name not in PRECISIONS:
            raise ValueError(f"{name!r} is no precision; there are {', '.join(PRECISIONS)}")
    return tuple(dict.fromkeys(names))


def address(value: object) -> str:
    """HOST:PORT; port 0 takes a free one."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return match[0]


def integer(least: int, most: int) -> Callable[[object], int]:
    """A parser of whole numbers in a range, ends included."""

    def parse(value: object) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise ValueError(f"{value!r} is not a whole number from {least} to {most}")
        return number

    return parse


token_passes = integer(0, MOST_TOKEN_PASSES)


def seconds(*, above: float) -> Callable[[object], float]:
    """A parser of finite seconds above a bound (0 or more where the bound is negative)."""

    def parse(value: object) -> float:
        try:
            number = float(value) if isinstance(value, str | int | float) else math.nan
        except ValueError:
            number = math.nan
        if isinstance(value, bool) or not math.isfinite(number) or number <= above or number < 0:
            raise ValueError(f"{value!r} is not a number of seconds {'above' if above >= 0 else 'from'} 0")
        return number

    return parse


def boolean(value: object) -> bool:
    """True or false, or a word for one of them."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _WORDS_FOR_TRUE + _WORDS_FOR_FALSE:
        raise ValueError(f"{value!r} is neither true nor false")
    return word in _WORDS_FOR_TRUE


def log_level(value: object) -> str:
    """One of the names of log levels."""
    level = str(value).lower()
    if level not in LOG_LEVELS:
        raise ValueError(f"{value!r} is no log level; there are {', '.join(LOG_LEVELS)}")
    return level
