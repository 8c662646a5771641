"""The matrix as a page of the docs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.matrix.cells import Cell
from tests.matrix.column import Column

PAGE = Path("docs/architectures.md")

_HEAD = """\
# Architectures

What each explainer does on each architecture, in both conventions. `tests/matrix` tries all of it on
small models with random weights, over a real wire and beside transformers-interpret 0.10.0, and fails
when this page is not what it finds. `make matrix` writes the page anew. A new architecture is a line in
`tests/zoo/architectures.py` (of an image model in `tests/zoo/image_architectures.py`), a new explainer an
entry in `tests/matrix/columns.py`.

FAITHFUL: the probabilities are the plain model's (or pipeline's) within 1e-6, and the scores add up to
f(input) - f(baseline).

- **same**: LIBRARY gives the model the same inputs (it also puts spaces around punctuation, which the
  texts of this table do not have).
- **other ...**: the library departs from the deployed model in this: its token **types**, its
  **positions**, its **tokens** (separators), or its **output** (it explains another function of the
  logits).
- **works**: the library has no answer to compare with.

LIBRARY:

- **equal**: every score is within 1e-5 of the library's. Of pairs: with a tokenizer whose
  `encode([text1, text2])` reads a pair, as in transformers 4; with those of transformers 5 it fails.
- **refused**: the library itself fails, and so FAILED_PRECONDITION is the answer; the note says why, and
  what the library does. The drop-in classes answer in FAITHFUL then, with a warning.

Cells are empty where transformers has no model with such a head.
"""


def page(columns: Sequence[Column], cells: Mapping[tuple[str, str], Cell]) -> str:
    """The page; cells by architecture and explainer."""
    notes: dict[tuple[str, str], int] = {}
    rows = dict.fromkeys(name for column in columns for name in column.architectures)
    lines = [
        _line(["", *(title for column in columns for title in (column.title, ""))]),
        _line(["---"] * (1 + 2 * len(columns))),
        _line(["", *["FAITHFUL", "LIBRARY"] * len(columns)]),
    ]
    for name in rows:
        found = [cells.get((name, column.explainer)) for column in columns]
        lines.append(_line([name, *(text for cell in found for text in _texts(cell, notes))]))
    told = [f"{number}. {refused}; the library: {failure}" for (refused, failure), number in notes.items()]
    return "\n".join([_HEAD, *lines, "", "Refused:", "", *told, ""])


def _texts(cell: Cell | None, notes: dict[tuple[str, str], int]) -> tuple[str, str]:
    if cell is None:
        return "", ""
    if cell.refused:
        number = notes.setdefault((cell.refused, cell.failure), len(notes) + 1)
        return "works", f"refused ({number})"
    return (f"other {', '.join(cell.differs)}" if cell.differs else "same"), "equal"


def _line(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"
