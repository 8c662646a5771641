"""Every explainer on every architecture, in both conventions; and the page in the docs that says so."""

from collections.abc import Iterator

import pytest

from tests.matrix.column import Column
from tests.matrix.columns import COLUMNS
from tests.matrix.matrix import Matrix, running_matrix
from tests.matrix.table import PAGE, page


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with running_matrix(tmp_path_factory.mktemp("matrix")) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "column"),
    [
        pytest.param(name, column, id=f"{column.explainer}-{name}")
        for column in COLUMNS
        for name in column.architectures
    ],
)
def test_an_explainer_on_an_architecture(matrix: Matrix, name: str, column: Column) -> None:
    matrix.cell(name, column)


def test_the_page_in_the_docs_is_what_was_found(matrix: Matrix) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(COLUMNS, matrix.cells()), "run: make matrix"
