"""Values on their way into a request: what protobuf cannot carry is told with its field path."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ligserve.client.errors import InvalidRequestError
from ligserve.client.failures import Failure, FieldViolation
from ligserve.client.quantities import check_whole


@dataclass(frozen=True, slots=True)
class FieldScope:
    """A place in ExplainRequest; it checks the values that are put there, and collects what is wrong.

    Values are returned as given, or as an empty stand-in where they cannot be sent: the request is not
    used then, since `refuse_violations` raises.
    """

    path: str = ""
    violations: list[FieldViolation] = field(default_factory=list)

    def at(self, name: str) -> "FieldScope":
        """The place of that name inside this one; it collects into the same list."""
        return FieldScope(self._path(name), self.violations)

    def text(self, name: str, value: str) -> str:
        """A string; lone surrogates have no UTF-8, so they cannot be sent.

        Raises:
            TypeError: it is not a string.
        """
        if not isinstance(value, str):
            raise TypeError(f"{self._path(name)} must be a string, is {type(value).__name__}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            self._add(name, f"a lone surrogate at character {error.start} cannot be sent as UTF-8")
            return ""
        return value

    def texts(self, name: str, values: Iterable[str]) -> list[str]:
        """A list of strings."""
        return [self.text(f"{name}[{i}]", value) for i, value in enumerate(values)]

    def unsigned(self, name: str, value: int, bits: int = 32) -> int:
        """A whole number from 0 to 2**bits - 1.

        Raises:
            TypeError: it is not an int.
        """
        check_whole(self._path(name), value)
        if 0 <= value < 1 << bits:
            return value
        self._add(name, f"must be a whole number from 0 to {(1 << bits) - 1}, is {value}")
        return 0

    def refuse_violations(self) -> None:
        """Raise what was collected.

        Raises:
            InvalidRequestError: something was wrong.
        """
        if self.violations:
            message = "; ".join(f"{v.field}: {v.description}" for v in self.violations)
            raise InvalidRequestError(message, Failure(details=message, violations=tuple(self.violations)))

    def _add(self, name: str, description: str) -> None:
        self.violations.append(FieldViolation(self._path(name), description))

    def _path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
