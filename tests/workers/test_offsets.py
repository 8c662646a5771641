"""Every token's offsets slice the caller's text to the token's own characters."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.explainers.faithful_text import faithful_input
from ligserve.server.workers.explainers.library_text import library_input
from ligserve.server.workers.explainers.offsets import clean_text, without_outer_space
from ligserve.server.workers.models.loaded import TextModel
from tests.workers.conftest import LoadZoo

pieces = st.sampled_from(
    [
        "great",
        "Great",
        " ",
        "  ",
        "\n",
        ".",
        ",",
        "(",
        ")!",
        "?",
        "é",
        "e\u0301",
        "😀",
        "👩‍👩‍👧",
        "שלום",
        "電影",
        "a" * 40,
        "'s",
    ]
)
texts = st.lists(pieces, min_size=1, max_size=12).map("".join)


def library_clean(text: str) -> str:
    """transformers_interpret.BaseExplainer._clean_text, version 0.10.0."""
    text = re.sub("([.,!?()])", r" \1 ", text)
    return re.sub(r"\s{2,}", " ", text)


@given(st.one_of(texts, st.text(max_size=60)))
def test_cleaning_is_the_librarys(text: str) -> None:
    assert clean_text(text).text == library_clean(text)


@given(st.one_of(texts, st.text(max_size=60)))
def test_characters_that_survive_cleaning_know_where_they_were(text: str) -> None:
    cleaned = clean_text(text)
    for position, character in enumerate(cleaned.text):
        start, end = cleaned.original_span(position, position + 1)
        if not character.isspace():
            assert text[start:end] == character
    assert cleaned.original_span(0, len(cleaned.text)) <= (len(text), len(text))


def test_space_at_the_ends_of_a_span_is_cut_but_a_span_of_space_stays() -> None:
    assert without_outer_space("a  bc ", 1, 6) == (3, 5)
    assert without_outer_space("a   b", 1, 4) == (1, 4)


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "albert"])
@pytest.mark.parametrize("read", [faithful_input, library_input])
@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_offsets_stand_in_order_and_cover_the_text(
    load_zoo: LoadZoo, name: str, read: object, text: str
) -> None:
    model = load_zoo(name)
    length = len(model.tokenizer.tokenize(clean_text(text).text))
    assume(0 < length <= 120 and text.strip())
    tokens = read(model, text, "text", 0).tokens  # type: ignore[operator]
    spans = [
        (start, end)
        for start, end, special in zip(tokens.starts, tokens.ends, tokens.special, strict=True)
        if not special
    ]
    assert all(0 <= start <= end <= len(text) for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)
    covered = {position for start, end in spans for position in range(start, end)}
    missed = {text[p] for p in range(len(text)) if p not in covered and not text[p].isspace()}
    assert not missed or not exact(model), missed


def exact(model: TextModel) -> bool:
    """Byte-level tokenizers keep every character; others normalise some away (accents, joiners)."""
    return model.name in {"roberta", "gpt2"}


@pytest.mark.parametrize("read", [faithful_input, library_input])
def test_tokens_of_a_plain_text_are_its_own_characters(load_zoo: LoadZoo, read: object) -> None:
    text = "The  film was great, great!(So)\nfunny 😀 שלום"
    tokens = read(load_zoo("bert"), text, "text", 0).tokens  # type: ignore[operator]
    for token, start, end, special in zip(
        tokens.texts, tokens.starts, tokens.ends, tokens.special, strict=True
    ):
        if special:
            assert (start, end) == (0, 0)
        elif token != "[UNK]":
            assert text[start:end].lower() == token.removeprefix("##")
    unknown = [
        text[s:e] for t, s, e in zip(tokens.texts, tokens.starts, tokens.ends, strict=True) if t == "[UNK]"
    ]
    assert unknown == ["😀", "שלום"]


def test_words_count_up_and_special_tokens_have_none(load_zoo: LoadZoo) -> None:
    tokens = faithful_input(load_zoo("bert"), "unbelievably great movie", "text", 0).tokens
    words = list(tokens.words)
    assert words[0] == words[-1] == -1
    assert sorted(set(words)) == [-1, 0, 1, 2]
    assert words[1:-1] == sorted(words[1:-1])


def test_special_tokens_that_the_caller_typed_are_content(load_zoo: LoadZoo) -> None:
    text = "great [SEP] movie"
    prepared = faithful_input(load_zoo("bert"), text, "text", 0)
    tokens = prepared.tokens
    typed = list(tokens.texts).index("[SEP]")
    assert not tokens.special[typed]
    assert text[tokens.starts[typed] : tokens.ends[typed]] == "[SEP]"


@pytest.mark.parametrize("read", [faithful_input, library_input])
def test_a_text_that_is_too_long_names_both_lengths(load_zoo: LoadZoo, read: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        read(load_zoo("bert"), "great " * 300, "sequence_classification.text", 0)  # type: ignore[operator]
    (violation,) = caught.value.violations
    assert violation.field == "sequence_classification.text"
    assert "302" in violation.description
    assert "128" in violation.description


@pytest.mark.parametrize("read", [faithful_input, library_input])
def test_a_text_that_cannot_fit_is_refused_before_it_is_tokenized(load_zoo: LoadZoo, read: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"has 1000000 characters.* at most 128 tokens"):
        read(load_zoo("bert"), "😀" * 1_000_000, "text", 0)  # type: ignore[operator]


@pytest.mark.parametrize("read", [faithful_input, library_input])
@pytest.mark.parametrize("text", ["", "   ", "\u200b", "\x00"])
def test_a_text_without_tokens_is_refused(load_zoo: LoadZoo, read: object, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="no token"):
        read(load_zoo("bert"), text, "text", 0)  # type: ignore[operator]
