"""Requests of many lengths and explainers, as clients of one server send them."""

import random
from collections.abc import Sequence

from benchmarks.texts import CONTEXTS, LONG, MIDDLE, SHORT, TOPICS
from benchmarks.workloads.questions import Kind, Question

SHORT_REQUESTS = tuple(Question(Kind.TEXT, text) for text in SHORT)
_OTHERS = (
    *(Question(Kind.TEXT, text) for text in LONG[:6]),
    *(Question(Kind.LABELS, text) for text in MIDDLE[:2]),
    *(Question(Kind.TOKENS, text) for text in SHORT[:2]),
    *(Question(Kind.HYPOTHESES, text, labels=TOPICS[:3]) for text in SHORT[2:5]),
    *(Question(Kind.SPAN, LONG[place], question=CONTEXTS[place][0]) for place in (0, 2)),
)


def mix() -> Sequence[Question]:
    """As many short texts as SHORT_REQUESTS among the others, in an order that is the same each time."""
    requests = [*SHORT_REQUESTS, *_OTHERS]
    random.Random(7).shuffle(requests)
    return requests
