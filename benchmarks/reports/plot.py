"""What a run found as one picture."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measures.growth import ClientsLine, Curve
from benchmarks.measures.speed import Line
from benchmarks.sections import Results
from benchmarks.workloads.workload import Entrant

# An error that is rounding alone would stretch the axis for nothing.
LEAST_ERROR = 1e-6
COLUMNS = 2
Panel = Callable[[Axes], None]


def write_plot(results: Results, path: Path) -> None:
    """Write an SVG with a panel for each thing that was measured; no file if there is none."""
    panels = list(_panels(results))
    if not panels:
        return
    # The same results give the same file, with text that can be searched.
    with mpl.rc_context({"svg.hashsalt": "ligserve", "svg.fonttype": "none", "font.size": 9}):
        rows = -(-len(panels) // COLUMNS)
        figure = Figure(figsize=(12, 4 * rows), layout="constrained")
        grid = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
        for axes, panel in zip(grid, panels, strict=False):
            panel(axes)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _panels(results: Results) -> Iterator[Panel]:
    if results.workloads.lines:
        yield partial(draw_speeds, lines=results.workloads.lines)
        yield partial(draw_errors, lines=results.workloads.lines)
    if results.growth:
        yield partial(draw_curves, curves=results.growth.tokens, name="tokens")
        yield partial(draw_curves, curves=results.growth.targets, name="targets")
        yield partial(draw_clients, lines=results.growth.clients)


def draw_speeds(axes: Axes, lines: Sequence[Line]) -> None:
    """A bar for each line: how many times as fast as the library."""
    _bars(axes, lines, [line.speed for line in lines])
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_ylabel("speed, library = 1")


def draw_errors(axes: Axes, lines: Sequence[Line]) -> None:
    """A bar for each line: its worst true error."""
    _bars(axes, lines, [100 * max(*line.errors, LEAST_ERROR) for line in lines])
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_ylabel("worst true completeness error, %")


def draw_curves(axes: Axes, curves: Sequence[Curve], name: str) -> None:
    """Time by size; the library's at the smallest size is 1."""
    unit = curves[0].seconds[0]
    for curve in curves:
        relative = [seconds / unit for seconds in curve.seconds]
        axes.plot(curve.sizes, relative, marker="o", label=_named(curve.entrant))
    _doubling(axes, curves[0].sizes)
    axes.set_yscale("log")
    axes.set_xlabel(name)
    axes.set_ylabel(f"time, library at {curves[0].sizes[0]} {name} = 1")
    axes.legend()


def draw_clients(axes: Axes, lines: Sequence[ClientsLine]) -> None:
    """Answers a second, and how long they take, by number of clients."""
    clients = [line.clients for line in lines]
    axes.plot(clients, [line.throughput for line in lines], marker="o", label="answers a second")
    axes.plot(clients, [line.p95 for line in lines], marker="o", label="p95 of the latency")
    _doubling(axes, clients)
    axes.set_xlabel("clients")
    axes.set_ylabel("one client = 1")
    axes.legend()


def _bars(axes: Axes, lines: Sequence[Line], heights: Sequence[float]) -> None:
    codes = list(dict.fromkeys(line.workload.code for line in lines))
    entrants = list(dict.fromkeys(line.entrant for line in lines))
    width = 0.9 / len(entrants)
    for number, entrant in enumerate(entrants):
        own = [place for place, line in enumerate(lines) if line.entrant == entrant]
        lefts = [codes.index(lines[place].workload.code) + number * width for place in own]
        axes.bar(lefts, [heights[place] for place in own], width, align="edge", label=_named(entrant))
    axes.set_xticks([place + 0.45 for place in range(len(codes))], codes)
    # Above: inside it would hide bars.
    axes.legend(fontsize="small", ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _named(entrant: Entrant) -> str:
    return f"{entrant.contender}, {entrant.accuracy}"


def _doubling(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(sizes), [str(size) for size in sizes])
