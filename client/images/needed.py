"""Packages that only work with images needs."""

import importlib
from typing import Any


def needed(module: str, package: str) -> Any:
    """A module of an optional package.

    Raises:
        ImportError: the package is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {package}: pip install 'ligserve[image]'") from error
