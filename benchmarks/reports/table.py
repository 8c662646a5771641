"""Tables in Markdown."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table, its head first; columns are padded so that it reads well on a terminal too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {padded[0]} |", f"|{rule}|", *(f"| {row} |" for row in padded[1:])])


def p90(values: Sequence[float]) -> float:
    """The smallest value that at least nine tenths of the values do not exceed."""
    return quantile(values, 9, 10)


def quantile(values: Sequence[float], part: int, of: int) -> float:
    """The smallest value that at least `part` / `of` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * part // of) - 1]


def percent(share: float) -> str:
    """A share with two significant digits, in per cent."""
    return f"{share * 100:.2g} %"
