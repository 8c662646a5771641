"""The matrix: a server that holds every model of it, and the cells that were tried."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ligserve.client import Client
from tests.live_server import live_server
from tests.matrix.cells import Cell, Trial
from tests.matrix.column import Column
from tests.matrix.columns import COLUMNS


class Matrix:
    """Tries cells, each one once.

    Args:
        client: of a server that serves every directory under its name.
        directories: the models.
    """

    def __init__(self, client: Client, directories: dict[str, Path]) -> None:
        self._client = client
        self._directories = directories
        self._cells: dict[tuple[str, str], Cell] = {}

    def cell(self, name: str, column: Column) -> Cell:
        """What a column's explainer does on an architecture.

        Raises:
            AssertionError: an answer is wrong.
        """
        key = (name, column.explainer)
        if key not in self._cells:
            served = served_name(name, column)
            self._cells[key] = Trial(self._client, served, self._directories[served], column).cell()
        return self._cells[key]

    def cells(self) -> dict[tuple[str, str], Cell]:
        """All of them."""
        return {
            (name, column.explainer): self.cell(name, column)
            for column in COLUMNS
            for name in column.architectures
        }


def served_name(name: str, column: Column) -> str:
    """Columns that build their models alike share them."""
    first = next(number for number, other in enumerate(COLUMNS) if other.build is column.build)
    return f"{name}-{first}"


@contextlib.contextmanager
def running_matrix(root: Path) -> Iterator[Matrix]:
    """Build the models under a directory and serve them."""
    directories: dict[str, Path] = {}
    for column in COLUMNS:
        for name, architecture in column.architectures.items():
            served = served_name(name, column)
            if served not in directories:
                directories[served] = column.build(architecture, root / served)
    with (
        live_server(directories, root / "server.log", "--threads", "1") as server,
        Client(server.address) as client,
    ):
        yield Matrix(client, directories)
