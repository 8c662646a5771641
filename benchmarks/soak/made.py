"""Texts that nobody has asked about before, so that what remembers inputs is worn too."""

import random

from benchmarks.texts import LONG, SHORT

_WORDS = " ".join((*SHORT, *LONG)).split()


def made_text(chance: random.Random, fewest: int = 6, most: int = 16) -> str:
    """Words of real sentences, in an order and with a number of their own."""
    words = chance.choices(_WORDS, k=chance.randint(fewest, most))
    return " ".join((*words, str(chance.randrange(10**9))))
