"""Fixtures that more than one part of the tests uses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.zoo import ARCHITECTURES, build_model

ZooModel = Callable[..., Path]


@pytest.fixture(scope="session")
def zoo_model(tmp_path_factory: pytest.TempPathFactory) -> ZooModel:
    """Directory of a small random model by architecture and number of labels, built once."""
    built: dict[tuple[str, int], Path] = {}
    root = tmp_path_factory.mktemp("zoo")

    def model(name: str, num_labels: int = 3) -> Path:
        key = (name, num_labels)
        if key not in built:
            built[key] = build_model(
                ARCHITECTURES[name], root / f"{name}-{num_labels}", num_labels=num_labels
            )
        return built[key]

    return model
