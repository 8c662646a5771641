"""The violations found so far, and the checks that several requests share."""

from collections.abc import Sequence
from typing import Protocol

from ligserve.server.errors import FieldViolation


class EnumType(Protocol):
    """What is needed of a generated enum."""

    def values(self) -> Sequence[int]:
        """Every number that has a name."""


class Violations:
    """Collects what is wrong, so that a caller hears all of it at once."""

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        """Note one violation; field is a path such as "options.tolerance.relative"."""
        self.found.append(FieldViolation(field, description))

    def whole_number(self, field: str, value: int, least: int, most: int) -> None:
        """Check a range, ends included."""
        if not least <= value <= most:
            self.add(field, f"is {value}, but must be from {least} to {most}")

    def known_enum(self, field: str, value: int, kind: EnumType) -> None:
        """Check that a number of an open enum has a name."""
        if value not in kind.values():
            self.add(field, f"has no value {value}")

    def text(self, field: str, value: str, max_chars: int) -> None:
        """Check that a text says something and is not too long, in Unicode code points."""
        if not value.strip():
            self.add(field, "must hold at least one character that is not white space")
        elif len(value) > max_chars:
            self.add(field, f"is {len(value)} characters long, but this server takes at most {max_chars}")
