"""The main table: a line for each workload and entrant."""

import statistics
from collections.abc import Sequence

from benchmarks.measures.speed import Line
from benchmarks.reports.table import aligned, p90, percent

COLUMNS = (
    "what",
    "contender",
    "asked for",
    "speed, library = 1",
    "peak memory, library = 1",
    "points: median, p90",
    "rows forward, backward",
    "true error: median, worst",
    "within 1 %",
    "median ms",
    "peak MiB",
)


def speed_table(lines: Sequence[Line]) -> str:
    """The table of all measurements."""
    library = {line.workload.code: line for line in lines if line.entrant == line.workload.entrants[0]}
    return aligned([COLUMNS, *(cells(line, library[line.workload.code]) for line in lines)])


def cells(line: Line, library: Line) -> tuple[str, ...]:
    """One row."""
    forward, backward = statistics.median(line.rows), statistics.median(line.gradients)
    return (
        f"{line.workload.code} {line.workload.name}, {line.tokens:.0f} tokens",
        line.entrant.contender,
        str(line.entrant.accuracy),
        f"{line.speed:.2f}",
        f"{line.peak_mib / library.peak_mib:.2f}",
        f"{statistics.median(line.points):.0f}, {p90(line.points):.0f}",
        f"{forward:.0f}, {backward:.0f}",
        f"{percent(statistics.median(line.errors))}, {percent(max(line.errors))}",
        f"{line.within_1_percent} of {len(line.errors)}",
        f"{line.seconds * 1e3:.0f}",
        f"{line.peak_mib:.0f}",
    )
