"""The span search against trying every span."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ligserve.server.workers.explainers.targets.spans import best_span

Logits = NDArray[np.float64]

# Few values, so that ties are common, beside others; sums of eighths are exact.
logits = st.one_of(
    st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.integers(-240, 240).map(lambda eighths: eighths / 8)
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Logits, Logits, NDArray[np.bool_]]:
    """Start and end logits, and which tokens are of the context: a run of them, as in a real row."""
    length = draw(st.integers(1, 40))
    first = draw(st.integers(0, length - 1))
    after = draw(st.integers(first + 1, length))
    places = np.arange(length)
    start, end = (draw(arrays(np.float64, length, elements=logits)) for _ in range(2))
    return start, end, (first <= places) & (places < after)


def every_span(start: Logits, end: Logits, longest: int) -> tuple[int, int]:
    """By trying all of them, in order of their first and then their last token."""
    spans = [
        (first, last)
        for first, last in itertools.product(range(len(start)), repeat=2)
        if first <= last < first + longest
    ]
    return max(spans, key=lambda span: start[span[0]] + end[span[1]])


@settings(max_examples=300, deadline=None)
@given(row=rows(), longest=st.integers(1, 50))
def test_the_best_span_is_the_best_of_all(
    row: tuple[Logits, Logits, NDArray[np.bool_]], longest: int
) -> None:
    start, end, inside = row
    start, end = np.where(inside, start, -np.inf), np.where(inside, end, -np.inf)
    first, last = best_span(start, end, longest)
    assert first <= last < first + longest
    assert inside[first]
    assert inside[last]
    assert (first, last) == every_span(start, end, longest)


def test_long_rows_with_long_answers() -> None:
    """4096 tokens with answers of up to 512: two million spans."""
    start, end = np.zeros(4096), np.zeros(4096)
    start[3000], end[3511], end[3512] = 5.0, 4.0, 9.0
    start[0] = 4.5
    assert best_span(start, end, 512) == (3000, 3511)
    assert best_span(start, end, 513) == (3000, 3512)
    assert best_span(start, end, 511) == (3002, 3512)
