"""The measurements as a Markdown table."""

import statistics
from collections.abc import Sequence

from benchmarks.measure import Line

COLUMNS = (
    "texts",
    "contender",
    "asked for",
    "points: median, p90",
    "rows forward",
    "true error: median, worst",
    "speed, library = 1",
    "peak memory, library = 1",
    "median ms",
    "peak MiB",
)


def markdown(lines: Sequence[Line]) -> str:
    """The table of all measurements."""
    library = {line.workload.code: line for line in lines if line.entrant == line.workload.entrants[0]}
    return aligned([COLUMNS, *(cells(line, library[line.workload.code]) for line in lines)])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table, its head first; columns are padded so that it reads well on a terminal too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([f"| {padded[0]} |", f"|{rule}|", *(f"| {row} |" for row in padded[1:])])


def cells(line: Line, library: Line) -> tuple[str, ...]:
    """One row."""
    return (
        f"{line.workload.code} {line.workload.name}, {line.tokens:.0f} tokens",
        line.entrant.contender,
        str(line.entrant.accuracy),
        f"{statistics.median(line.points):.0f}, {p90(line.points):.0f}",
        f"{statistics.median(line.rows):.0f}",
        f"{percent(statistics.median(line.errors))}, {percent(max(line.errors))}",
        f"{line.speed:.2f}",
        f"{line.peak_mib / library.peak_mib:.2f}",
        f"{line.seconds * 1e3:.0f}",
        f"{line.peak_mib:.0f}",
    )


def p90(values: Sequence[float]) -> float:
    """The smallest value that at least nine tenths of the values do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 9 // 10) - 1]


def percent(share: float) -> str:
    """A share with two significant digits, in per cent."""
    return f"{share * 100:.2g} %"
