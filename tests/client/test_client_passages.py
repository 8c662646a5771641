"""Sentences and paragraphs: every token's score is in one of each, whatever the text."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ligserve.client.types.enums import Level
from ligserve.client.types.inputs import Token
from ligserve.client.types.passages import parts_of
from ligserve.client.types.words import Word

LEVELS = [Level.SENTENCE, Level.PARAGRAPH]
# What sentences and paragraphs are told by, and what they are made of.
PIECES = ["a", "Hello", " ", "\n", "\t", "\r\n", ".", "!", "…", "。", "？", '"', "」", ")", "\u2003", "\x85"]


def token(index: int, start: int, end: int, segment: int = 0, special: bool = False) -> Token:
    return Token(index, "t", index, start, end, index, special, segment)


def tokens_of(text: str, cuts: list[int]) -> list[Token]:
    """The text as tokens that end at these places, white space included, between two special ones."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(text)), len(text)]
    spans = [(start, end) for start, end in pairwise(edges) if end > start]
    return [
        token(0, 0, 0, special=True),
        *(token(place, *span) for place, span in enumerate(spans, start=1)),
        token(len(spans) + 1, 0, 0, special=True),
    ]


def passages(level: Level, text: str) -> list[str]:
    return [part.text for part in parts_of(level, tokens_of(text, []), [0.0] * 3, [text])]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.lists(st.integers(1, 60), max_size=40))
@example("\n\n\n  Hello", [1, 2, 3, 4])
@example("One。  \n\n Two", [3, 4, 6])
@example("Hello.  ", [5, 6, 7])
@example(" \n\n ", [1, 2])
def test_scores_add_up_at_every_level(text: str, cuts: list[int]) -> None:
    tokens = tokens_of(text, cuts)
    # Powers of two: a sum tells which tokens are in it.
    scores = [0.0 if each.special else 2.0**each.index for each in tokens]
    found = {level: parts_of(level, tokens, scores, [text]) for level in LEVELS}
    for parts in found.values():
        assert sum(part.score for part in parts) == sum(scores)
        assert all(part.text == text[part.start : part.end] for part in parts)
        assert "".join("".join(part.text for part in parts).split()) == "".join(text.split())
        if text.strip():
            assert all(part.text and part.text == part.text.strip() for part in parts)
    for paragraph in found[Level.PARAGRAPH]:
        inner = [s for s in found[Level.SENTENCE] if paragraph.start <= s.start < s.end <= paragraph.end]
        assert sum(sentence.score for sentence in inner) == paragraph.score


@pytest.mark.parametrize("level", LEVELS)
def test_a_text_without_anything_visible_has_its_score(level: Level) -> None:
    assert parts_of(level, tokens_of(" \n\n ", []), [0.0, 0.5, 0.0], [" \n\n "]) == (
        Word(" \n\n ", 0.5, 0, 4, 0),
    )
    # As a tokenizer that begins every text with a mark for a space, and a pair whose second text is empty.
    tokens = [token(0, 0, 0), token(1, 0, 2, segment=1)]
    assert parts_of(level, tokens, [0.5, 0.25], ["", "Hi"]) == (
        Word("", 0.5, 0, 0, 0),
        Word("Hi", 0.25, 0, 2, 1),
    )
    assert parts_of(level, tokens[1:], [0.25], ["", "Hi"]) == (Word("Hi", 0.25, 0, 2, 1),)


def test_where_sentences_and_paragraphs_end() -> None:
    text = (
        'So it "ended."  Did it?! 3.5 percent… yes。「いいえ。」 \r\n\r\nA new one\nof two lines.\n \n\nEnd'
    )
    assert passages(Level.SENTENCE, text) == [
        'So it "ended."',
        "Did it?!",
        "3.5 percent…",
        "yes。",
        "「いいえ。」",
        "A new one\nof two lines.",
        "End",
    ]
    assert passages(Level.PARAGRAPH, text) == [
        text[: text.index("\r")].strip(),
        "A new one\nof two lines.",
        "End",
    ]


@pytest.mark.parametrize(
    "run", [".", "?!", ".)", "。", "\n ", " ", "\n" + " " * 1000, "." * 1000 + ")" * 1000]
)
def test_the_work_grows_with_the_text_alone(run: str) -> None:
    """Where each place of a run is tried anew, this would take hours."""
    text = f"a{run * (400_000 // len(run))}b"
    for level in LEVELS:
        parts = passages(level, text)
        assert parts[0].startswith("a")
        assert parts[-1].endswith("b")
