"""Writes the page: python -m tests.matrix."""

import tempfile
from pathlib import Path

from tests.matrix.columns import COLUMNS
from tests.matrix.matrix import running_matrix
from tests.matrix.table import PAGE, page

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_matrix(Path(folder)) as matrix:
        PAGE.write_text(page(COLUMNS, matrix.cells()), encoding="utf-8")
