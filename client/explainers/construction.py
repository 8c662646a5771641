"""What a drop-in is constructed with: not the library's model and tokenizer."""

from typing import TypeVar

C = TypeVar("C")


def checked_client(client: C, kind: type[C], model_name: str, explainer: object) -> C:
    """The client, if it is one.

    Raises:
        TypeError: it is not a client of the kind that the explainer needs, or the name is not a string.
    """
    if isinstance(client, kind) and isinstance(model_name, str):
        return client
    name = type(explainer).__name__
    raise TypeError(
        f"{name} takes a client and the name of a model on its server, in place of a model and a tokenizer: "
        f'{name}({kind.__name__}("HOST:PORT"), "model-name"); '
        f"got {type(client).__name__} and {type(model_name).__name__}"
    )
