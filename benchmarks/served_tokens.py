"""ligserve on a classifier of tokens."""

from benchmarks import served
from ligserve.client import TokenClassification


class Contender(served.Contender):
    """Explains every token's label; with steps those of special tokens too, as the library does."""

    task = TokenClassification
