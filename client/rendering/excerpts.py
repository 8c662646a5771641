"""What stands around a token of a long text, in pieces that have scores."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ligserve.client.rendering.pieces import Piece, text_pieces

if TYPE_CHECKING:
    from ligserve.client.types.explanation import Explanation

# Tokens on each side; what decides a label is seldom further away.
REACH = 24
_MORE = Piece("…")


def excerpt(explanation: "Explanation", target: int) -> tuple[Piece, ...]:
    """The text around the token whose label a target explains; its scores further away are left out."""
    explained = explanation.targets[target]
    place = explained.target.token
    if place is None:
        raise ValueError(f"target {target} is not about a token")
    scored = zip(explanation.tokens_of(target), explained.scores, strict=True)
    near = [
        (token, score) for token, score in scored if abs(token.index - place) <= REACH and not token.special
    ]
    start = min(token.start for token, _ in near)
    end = max(token.end for token, _ in near)
    shifted = [
        replace(token, start=token.start - start, end=token.end - start, window=0) for token, _ in near
    ]
    pieces = text_pieces(shifted, [score for _, score in near], [explanation.text[start:end]], special=False)
    before, after = start > 0, end < len(explanation.text)
    return (*[_MORE] * before, *pieces, *[_MORE] * after)
