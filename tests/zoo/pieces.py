"""The pieces of a vocabulary.

The trainers of WordPiece and Unigram give others in every run, so that every model with random weights would
be another one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence


def every_word(words: Sequence[str], inner: str) -> Iterator[str]:
    """All words whole, their halves, and at last single characters.

    Args:
        words: each as often as it occurs.
        inner: what marks pieces that do not start a word.
    """
    for word in sorted(set(words)):
        yield word
        if len(word) > 1:
            middle = (len(word) + 1) // 2
            yield from (word[:middle], inner + word[middle:])
    characters = sorted(set("".join(words)))
    yield from characters
    yield from (inner + character for character in characters)


def frequent_words(words: Sequence[str]) -> Iterator[str]:
    """The words that occur more than once, and single characters for all others."""
    yield from (word for word, count in sorted(Counter(words).items()) if count > 1)
    yield from sorted(set("".join(words)))
