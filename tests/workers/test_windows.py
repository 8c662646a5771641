"""Where windows lie over a long text."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ligserve.client.types.document import Document as ClientDocument
from ligserve.server.workers.explainers.documents.window_input import WindowReader
from ligserve.server.workers.explainers.documents.windows import default_stride, own_spans, window_spans
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input, faithful_row
from ligserve.server.workers.explainers.inputs.frame import text_frame
from ligserve.server.workers.explainers.inputs.library_text import library_input, library_text_row
from ligserve.v1.explanation_service_pb2 import Header, Tokens, Window
from tests.workers.conftest import LoadZoo
from tests.workers.reading import FIELD, TOKENIZERS, document_of


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int, list[int]]:
    """Length, capacity, stride, and where words start."""
    words = draw(st.lists(st.integers(1, 12), min_size=1, max_size=60))
    capacity = draw(st.integers(1, 40))
    starts = np.concatenate(([0], np.cumsum(words)[:-1])).tolist()
    return sum(words), capacity, draw(st.integers(1, capacity)), starts


@given(layouts())
def test_windows_cover_every_token_as_declared(layout: tuple[int, int, int, list[int]]) -> None:
    length, capacity, stride, starts = layout
    spans = window_spans(length, capacity, stride, np.array(starts))
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    assert all(1 <= end - start <= capacity for start, end in spans)
    for (start, end), (after, _) in pairwise(spans):
        assert start < after <= min(start + stride, end), "no gap, and no longer step than was asked for"
    covered = {token for start, end in spans for token in range(start, end)}
    assert covered == set(range(length))


@given(layouts())
def test_every_token_is_explained_where_it_has_most_context(layout: tuple[int, int, int, list[int]]) -> None:
    length, capacity, stride, starts = layout
    spans = window_spans(length, capacity, stride, np.array(starts))
    own = own_spans(length, spans)
    assert [token for each in own for token in each] == list(range(length))
    for number, tokens in enumerate(own):
        for token in tokens:
            context = [min(token - start, end - 1 - token) for start, end in spans]
            assert context.index(max(context)) == number


@given(layouts())
def test_a_client_puts_windows_together_again(layout: tuple[int, int, int, list[int]]) -> None:
    length, capacity, stride, starts = layout
    spans = window_spans(length, capacity, stride, np.array(starts))
    document = ClientDocument.from_proto(
        Header(windows=[window_of(number, *span) for number, span in enumerate(spans)])
    )
    assert [token.start for token in document.tokens] == [0, *range(length), 0]
    for number, (start, end) in enumerate(spans):
        assert list(document.places(number)) == [0, *range(start + 1, end + 1), length + 1]


def window_of(number: int, start: int, end: int) -> Window:
    """A window over tokens of one character each, between two special ones."""
    own, size = range(start, end), end - start
    tokens = Tokens(
        ids=[0, *own, 0],
        texts=["[", *"x" * size, "]"],
        starts=[0, *own, 0],
        ends=[0, *range(start + 1, end + 1), 0],
        words=[-1, *own, -1],
        special=[True, *[False] * size, True],
        segments=[0] * (size + 2),
    )
    return Window(index=number, tokens=tokens, first_token=start, share=1.0)


@given(layouts())
def test_words_are_cut_only_where_they_are_too_long(layout: tuple[int, int, int, list[int]]) -> None:
    length, capacity, stride, starts = layout
    spans = window_spans(length, capacity, stride, np.array(starts))
    edges = {*starts, length}
    for (before, _), (start, end) in zip([(0, 0), *spans], spans, strict=False):
        if start not in edges:
            assert not [edge for edge in edges if before < edge <= before + stride]
        if end not in edges:
            assert not [edge for edge in edges if start < edge <= start + capacity]


def test_words_of_one_token_give_windows_of_equal_steps() -> None:
    assert window_spans(10, 4, 2, np.arange(10)) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert window_spans(10, 4, 4, np.arange(10)) == [(0, 4), (4, 8), (8, 10)]
    assert window_spans(4, 4, 1, np.arange(4)) == [(0, 4)]
    assert default_stride(510) == 127
    assert default_stride(3) == 1


@pytest.mark.parametrize("library", [False, True], ids=["faithful", "library"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_one_window_over_a_short_text_is_the_plain_row(load_zoo: LoadZoo, name: str, library: bool) -> None:
    model, text = load_zoo(name), "  The film was long (so did I)!\n\nNot good, 😀 3.5 percent. "
    document = document_of(model, text, library=library)
    make_row = library_text_row if library else faithful_row
    window = WindowReader(model, [document], 0, text_frame(model), make_row, 3).read(0, len(document))
    plain = (library_input if library else faithful_input)(model, text, FIELD, 3)
    assert window.tokens == plain.tokens
    for rows in ("row", "baseline_row", "prediction_row"):
        one, other = getattr(window, rows), getattr(plain, rows)
        assert {key: row.tolist() for key, row in one.items()} == {
            k: row.tolist() for k, row in other.items()
        }


def test_a_long_word_of_known_pieces_is_read_and_cut_inside(load_zoo: LoadZoo) -> None:
    model = load_zoo("roberta")
    document = document_of(model, "x" * 200_000, library=False)
    spans = window_spans(len(document), 126, 31, document.word_starts)
    assert len(document) > 1000
    assert {end - start for start, end in spans[:-1]} == {126}


def test_a_frame_is_found_without_the_vocabulary(load_zoo: LoadZoo, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_zoo("bert")

    def listed() -> dict[str, int]:
        raise AssertionError("it takes as long as a forward pass")

    monkeypatch.setattr(model.tokenizer, "get_vocab", listed)
    assert text_frame(model).length == 2
