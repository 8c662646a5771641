"""Every token's offsets slice the caller's text to the token's own characters."""

import re
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers.convert_slow_tokenizer import bytes_to_unicode

from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.explainers.inputs.faithful_text import faithful_input
from ligserve.server.workers.explainers.inputs.library_text import library_input
from ligserve.server.workers.explainers.inputs.offsets import clean_text, without_outer_space
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


ODD = ("\ufb01", "\u0130", "שָׁלוֹם", "مرحبًا", "한글", "\u1112\u1161\u11ab", "\u212b", "ß", "…", "½")
ODD_SPACE = ("\u00a0", "\u200b", "\t", "\x1f", "!?.,", "-" * 9)
odd_texts = st.lists(st.one_of(pieces, st.sampled_from(ODD + ODD_SPACE)), min_size=1, max_size=12).map(
    "".join
)


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "albert"])
@pytest.mark.parametrize("read", [faithful_input, library_input])
@settings(max_examples=150, deadline=None)
@given(text=st.one_of(odd_texts, st.text(max_size=30)))
def test_offsets_slice_the_text_to_the_tokens_own_characters(
    load_zoo: LoadZoo, name: str, read: object, text: str
) -> None:
    """WordPiece, byte-level BPE and unigram; what several tokens share is a character of all of them."""
    model = load_zoo(name)
    length = len(model.tokenizer.tokenize(clean_text(text).text))
    assume(0 < length <= 120 and text.strip())
    tokens = read(model, text, "text", 0).tokens  # type: ignore[operator]
    columns = zip(tokens.texts, tokens.starts, tokens.ends, tokens.special, strict=True)
    content = [(token, start, end) for token, start, end, special in columns if not special]
    touched = Counter(place for _, start, end in content for place in range(start, end))
    for token, start, end in content:
        if token == model.tokenizer.unk_token:
            assert end > start
            continue
        own, there = own_characters(model, token), characters(model, text[start:end])
        if text[start:end].isspace():
            # Of the space that cleaning left of a run, or one byte of it.
            assert not own.decode(errors="ignore").strip()
            continue
        alone = all(touched[place] == 1 for place in range(start, end))
        assert own == there if alone else own in there


def own_characters(model: TextModel, token: str) -> bytes:
    """What a token stands for, without the space that is counted to it."""
    if exact(model):
        letters: dict[str, int] = {letter: byte for byte, letter in bytes_to_unicode().items()}
        return bytes(letters[letter] for letter in token).strip()
    return token.removeprefix("##").replace("\u2581", "").encode()


def characters(model: TextModel, text: str) -> bytes:
    """A slice of a text as the tokenizer sees it."""
    normalizer = model.tokenizer.backend_tokenizer.normalizer
    seen: str = text if normalizer is None else normalizer.normalize_str(text)
    return seen.encode().strip()


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
