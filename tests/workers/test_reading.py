"""That reading a text in pieces gives the tokens of the whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pydoc_data.topics import topics
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ligserve.server.errors import InvalidArgumentError
from ligserve.server.workers.explainers.documents.chunks import UnbrokenTextError, chunks
from ligserve.server.workers.explainers.inputs.offsets import clean_text
from ligserve.server.workers.models.loaded import TextModel
from tests.workers.conftest import LoadZoo
from tests.workers.reading import TOKENIZERS, document_of
from tests.zoo.corpus import SENTENCES
from tests.zoo.tokenizers import unigram

# Python's own documentation (PSF License Version 2), part of every Python.
PROSE = topics["specialnames"]
CONVENTIONS = pytest.mark.parametrize("library", [False, True], ids=["faithful", "library"])
_WORDS = st.sampled_from(
    ["good", "unbelievable", ". ", ", ", "film", "!", "...", " (", "é", "x1y", "😀", "\x00", "\u200b", "\x0c"]
)
_SPACES = st.one_of(
    st.sampled_from([" ", "\n", "\t", "\r\n", " \n ", "\u3000"]),
    st.sampled_from([2, 3, 16, 200, 1300]).map(lambda count: " " * count),
    st.integers(2, 60).map(lambda count: "\n" * count),
    st.integers(2, 60).map(lambda count: " \n" * count),
)
TEXTS = st.lists(st.one_of(_WORDS, _SPACES), max_size=25).map("".join)


@given(st.text(alphabet="ab .\n\u3000é", max_size=300), st.integers(1, 40), st.booleans())
def test_pieces_make_up_the_text_and_are_cut_before_white_space(
    text: str, size: int, whole_runs: bool
) -> None:
    pieces = list(chunks(text, size, whole_runs=whole_runs))
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    for piece in pieces[1:]:
        assert text[piece.start].isspace()
        assert piece.inside_run == text[piece.start - 1].isspace()
        assert not (whole_runs and piece.inside_run)


@pytest.mark.parametrize("whole_runs", [False, True])
def test_a_stretch_without_a_cut_is_refused_and_told_exactly(whole_runs: bool) -> None:
    text = "ab " * 10 + "x" * 500 + " ab" * 10
    with pytest.raises(UnbrokenTextError) as caught:
        list(chunks(text, 20, longest=499, whole_runs=whole_runs))
    assert (caught.value.start, caught.value.length) == (30, 500)
    assert "".join(
        text[piece.start : piece.end] for piece in chunks(text, 20, longest=500, whole_runs=whole_runs)
    )


def test_only_words_are_too_long_not_white_space_between_them() -> None:
    text = "ab" + " " * 500 + "ab"
    assert [piece.end for piece in chunks(text, 20, longest=100, whole_runs=True)] == [504]
    assert max(piece.end - piece.start for piece in chunks(text, 20, longest=100)) <= 100


@contextmanager
def in_pieces_of(size: int, longest: int) -> Iterator[None]:
    with mock.patch.object(chunks, "__defaults__", (size, longest)):
        yield


def columns(model: TextModel, text: str, *, library: bool) -> dict[str, list[int]]:
    document = document_of(model, text, library=library)
    return {name: getattr(document, name).tolist() for name in ("ids", "starts", "ends", "words")}


def check_pieces(model: TextModel, text: str, size: int, longest: int, *, library: bool) -> None:
    """That pieces have the tokens of the text in one piece."""
    with in_pieces_of(1 << 30, 1 << 31):
        whole = columns(model, text, library=library)
    with in_pieces_of(size, longest):
        pieces = columns(model, text, library=library)
    for name, column in whole.items():
        assert pieces[name] == column, name


@CONVENTIONS
@pytest.mark.parametrize("name", TOKENIZERS)
def test_reading_prose_in_pieces_gives_the_tokens_of_the_whole(
    load_zoo: LoadZoo, name: str, library: bool
) -> None:
    text = PROSE[:40_000] + " 😀😀 Ünïcödé\u00a0ﬁn \n\n\n " + " ".join(SENTENCES)
    check_pieces(load_zoo(name), text, 1000, 1 << 18, library=library)


@CONVENTIONS
@pytest.mark.parametrize("name", [*TOKENIZERS, "xlnet"])
def test_reading_any_text_in_pieces_gives_the_tokens_of_the_whole(
    load_zoo: LoadZoo, name: str, library: bool
) -> None:
    model = load_zoo(name)

    @settings(deadline=None, max_examples=30)
    @given(TEXTS, st.integers(10, 200))
    def check(text: str, size: int) -> None:
        check_pieces(model, text, size, size + 60, library=library)

    check()


@CONVENTIONS
@pytest.mark.parametrize("kind", ["tokens of many spaces", "one space of many", "no space at the end"])
def test_white_space_that_a_tokenizer_treats_as_one_is_read_as_in_the_whole(
    load_zoo: LoadZoo, kind: str, library: bool
) -> None:
    model = replace(load_zoo("bert"), tokenizer=SPACE_TOKENIZERS[kind]())

    @settings(deadline=None, max_examples=30)
    @given(TEXTS, st.integers(10, 200))
    def check(text: str, size: int) -> None:
        check_pieces(model, text, size, size + 60, library=library)

    check()


@cache
def with_tokens_of_many_spaces() -> PreTrainedTokenizerFast:
    """As large language models have them, of several lengths."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = ["a" + " " * count + "b" for count in (2, 3, 4, 7, 8, 16, 31, 40)]
    texts += ["x" + "\n" * lines + " " * count for lines in (1, 2, 3) for count in (2, 4, 8)]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([*SENTENCES, *texts * 5], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<|end|>", pad_token="<|end|>")


@cache
def with_one_space_of_many(*more: normalizers.Normalizer) -> PreTrainedTokenizerFast:
    """As XLM-RoBERTa's."""
    tokenizer = unigram()
    one_space = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), *more, one_space])
    return tokenizer


@cache
def without_space_at_the_end() -> PreTrainedTokenizerFast:
    """As T5's."""
    return with_one_space_of_many(normalizers.Strip(left=False, right=True))


SPACE_TOKENIZERS = {
    "tokens of many spaces": with_tokens_of_many_spaces,
    "one space of many": with_one_space_of_many,
    "no space at the end": without_space_at_the_end,
}


@CONVENTIONS
@pytest.mark.parametrize("name", ["bert", "gpt2"])
@pytest.mark.parametrize(
    "text",
    ["good, " * 50_000, "ok. " * 70_000, " ".join(f"{i % 97}.{i % 7}," for i in range(50_000))],
    ids=["commas", "full stops", "numbers"],
)
def test_marks_after_every_word_are_no_reason_to_refuse(
    load_zoo: LoadZoo, name: str, text: str, library: bool
) -> None:
    document = document_of(load_zoo(name), text, library=library)
    assert len(document) >= 100_000
    assert document.ends[-1] >= len(text.rstrip())


@CONVENTIONS
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_long_gap_is_read(load_zoo: LoadZoo, name: str, library: bool) -> None:
    model, start, gap = load_zoo(name), " ".join(SENTENCES) * 3, 300_000
    document = document_of(model, start + " " * gap + start, library=library)
    short = document_of(model, start + " " + start, library=library)
    place = int((document.ends <= len(start)).sum())
    assert document.ids[:place].tolist() == short.ids[:place].tolist()
    after = document.starts >= len(start) + gap
    assert document.ids[after].tolist()[1:] == short.ids[short.starts > len(start)].tolist()[1:]
    assert len(document) >= gap or name == "bert" or library


@given(st.text(alphabet="ab., \n\t!\u3000é(", max_size=40))
def test_cleaned_characters_are_those_that_they_came_from(text: str) -> None:
    cleaned = clean_text(text)
    assert len(cleaned.text) == len(cleaned.origins)
    for character, origin in zip(cleaned.text, cleaned.origins, strict=True):
        assert character == " " if origin is None else text[origin] in (character, *"\n\t\u3000")


@pytest.mark.parametrize("name", TOKENIZERS)
def test_offsets_slice_the_text(load_zoo: LoadZoo, name: str) -> None:
    text = PROSE[:3000]
    document = document_of(load_zoo(name), text, library=False)
    spans = zip(document.starts.tolist(), document.ends.tolist(), strict=True)
    covered = {place for start, end in spans for place in range(start, end)}
    assert {place for place, char in enumerate(text) if not char.isspace()} <= covered


def test_a_word_that_the_tokenizer_does_not_know_is_refused_if_it_would_hide_the_text(
    load_zoo: LoadZoo,
) -> None:
    model = load_zoo("bert")
    with pytest.raises(InvalidArgumentError, match="a word of 200000 characters from 2 on"):
        document_of(model, "a " + "x" * 200_000, library=False)
    with pytest.raises(InvalidArgumentError, match="has 300000 characters from 0 on without a space"):
        document_of(model, "x" * 300_000, library=False)
