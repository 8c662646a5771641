"""The pieces of a vocabulary.

The trainers of WordPiece and Unigram give others in every run, so that every model with random weights would
be another one.
"""

from collections import Counter
from collections.abc import Iterator, Sequence


def word_pieces(words: Sequence[str], inner: str) -> Iterator[str]:
    """Pieces that all words can be made of: frequent words whole, others in two; single characters at last.

    Args:
        words: each as often as it occurs.
        inner: what marks pieces that do not start a word.
    """
    for word, count in sorted(Counter(words).items()):
        if count > 1:
            yield word
        elif len(word) > 1:
            middle = (len(word) + 1) // 2
            yield word[:middle]
            yield inner + word[middle:]
    characters = sorted(set("".join(words)))
    yield from characters
    yield from (inner + character for character in characters)
