"""Numbers that a caller gives: refused by name where they are of the wrong type."""

from numbers import Real


def check_number(name: str, value: object) -> None:
    """Refuse what is no real number.

    Raises:
        TypeError: it is not; a bool is none either.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, is {type(value).__name__}")


def check_whole(name: str, value: object) -> None:
    """Refuse what is no int; integers of numpy are ints too.

    Raises:
        TypeError: it is not; a bool is none either, nor is a float.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, is {type(value).__name__}")
