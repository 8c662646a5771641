"""Windows beside a second text: the row of a window is the row of the pair, whatever the tokenizer."""

from collections.abc import Callable
from typing import Any

import pytest

from ligserve.server.errors import FailedPreconditionError
from ligserve.server.workers.explainers.documents.window_input import WindowReader
from ligserve.server.workers.explainers.inputs.faithful_text import (
    faithful_pair,
    faithful_question,
    faithful_row,
)
from ligserve.server.workers.explainers.inputs.frame import (
    Frame,
    library_question_frame,
    pair_frame,
    question_frame,
)
from ligserve.server.workers.explainers.inputs.library_pair import library_pair, library_pair_row
from ligserve.server.workers.explainers.inputs.library_question import library_question, library_question_row
from ligserve.server.workers.explainers.inputs.text_input import RowMaker, SourceText, TextInput
from ligserve.server.workers.models.loaded import TextModel
from tests.workers.conftest import LoadZoo
from tests.workers.reading import document_of

# Tokenizers with and without types, one separator or two, special tokens before, after or nowhere, and one
# that pads on the left (XLNet's).
NAMES = [
    "bert",
    "roberta",
    "gpt2",
    "albert",
    "deberta",
    "xlm-roberta",
    "xlnet",
    "t5",
    "opt",
    "llama",
    "qwen2",
]
TEXTS = ("  Who hated it (so did I)?", "Zebras: the film was long,\n\nnot funny 😀 3.5 percent. ")
SOURCES = tuple(SourceText(text, f"pair.text{number}") for number, text in enumerate(TEXTS))
PAD = 1

Layout = tuple[Callable[[TextModel], Frame], RowMaker, Callable[..., TextInput]]
LAYOUTS: dict[str, Layout] = {
    "pair": (pair_frame, faithful_row, faithful_pair),
    "question": (question_frame, faithful_row, faithful_question),
    "library pair": (pair_frame, library_pair_row, library_pair),
    "library question": (library_question_frame, library_question_row, library_question),
}


def reader_of(model: TextModel, layout: str, windowed: int) -> WindowReader:
    frame, make_row, _ = LAYOUTS[layout]
    documents = [document_of(model, text, library=False) for text in TEXTS]
    return WindowReader(model, documents, windowed, frame(model), make_row, PAD)


def rows_of(text: TextInput) -> list[dict[str, Any]]:
    rows = (text.row, text.baseline_row, text.prediction_row)
    return [{name: row[name].tolist() for name in row} for row in rows]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NAMES)
def test_one_window_beside_a_text_is_the_plain_pair(load_zoo: LoadZoo, name: str, layout: str) -> None:
    model, plain = load_zoo(name), LAYOUTS[layout][2]
    try:
        expected = plain(model, *SOURCES, PAD)
    except FailedPreconditionError:
        with pytest.raises(FailedPreconditionError):
            reader_of(model, layout, 1).read(0, 3)
        return
    for windowed in (0, 1):
        reader = reader_of(model, layout, windowed)
        window = reader.read(0, len(reader.document))
        assert window.tokens == expected.tokens
        assert rows_of(window) == rows_of(expected)


@pytest.mark.parametrize("layout", ["pair", "question"])
@pytest.mark.parametrize("name", NAMES)
def test_a_part_beside_the_whole_is_what_the_tokenizer_gives(
    load_zoo: LoadZoo, name: str, layout: str
) -> None:
    """Against the tokenizer's own cut, which leaves the other text whole."""
    model = load_zoo(name)
    reader = reader_of(model, layout, 1)
    kept, lost = 5, len(reader.document) - 5
    context_first = reader.frame.order == (1, 0)
    length = reader.frame.length + len(reader.texts[0]) + kept
    encoding = model.tokenizer(
        *(TEXTS[::-1] if context_first else TEXTS),
        truncation="only_first" if context_first else "only_second",
        max_length=length,
        stride=0,
        return_overflowing_tokens=True,
    )
    assert lost > 0
    for number, ids in enumerate(encoding["input_ids"]):
        start = number * kept
        window = reader.read(start, min(start + kept, len(reader.document)))
        assert list(window.tokens.ids) == ids
        for name_of_input, values in window.row.items():
            assert values.tolist() == encoding[name_of_input][number], name_of_input
        assert [place for place, special in enumerate(window.tokens.special) if special] == [
            place for place, of in enumerate(encoding.sequence_ids(number)) if of is None
        ]
