from pathlib import Path
from xml.etree import ElementTree

from benchmarks.measures.growth import ClientsLine, Curve, Growth
from benchmarks.measures.load import LoadLine
from benchmarks.measures.match import Match
from benchmarks.measures.speed import Line, rotated
from benchmarks.measures.streams import StreamLine
from benchmarks.measures.workload import Measured
from benchmarks.reports.goals import goals
from benchmarks.reports.plot import write_plot
from benchmarks.reports.report import report
from benchmarks.reports.speeds import speed_table
from benchmarks.reports.table import p90, percent, quantile
from benchmarks.sections import CODES, Results
from benchmarks.workloads.mix import SHORT_REQUESTS, mix
from benchmarks.workloads.questions import Accuracy
from benchmarks.workloads.workload import STANDARD, WORKLOADS, Entrant

W1 = WORKLOADS[0]


def line(entrant: Entrant, speed: float, peak_mib: float) -> Line:
    return Line(
        workload=W1,
        entrant=entrant,
        tokens=16,
        points=(21, 37, 49),
        rows=(23, 39, 51),
        gradients=(21, 37, 49),
        errors=(0.0123, 0.0001, 0.4),
        speed=speed,
        seconds=0.25,
        busy_seconds=(0.2, 0.2, 0.2),
        overhead=0.002,
        peak_mib=peak_mib,
    )


def results() -> Results:
    lines = [line(W1.entrants[0], 1.0, 800.0), line(Entrant("ligserve", STANDARD), 2.5, 200.0)]
    curves = [
        Curve(entrant, (16, 32), (seconds, 3 * seconds))
        for entrant, seconds in zip(W1.entrants, (2.0, 1.0, 0.5), strict=False)
    ]
    clients = [ClientsLine(1, 1.0, 1.0), ClientsLine(2, 1.5, 1.2)]
    return Results(
        workloads=Measured(
            lines,
            [Match(W1, 200, True, 0.004, 0.005, 3.9)],
            [StreamLine(W1, 0.01, 0.02, 0.05, 0.1, 0.25, 0.002)],
        ),
        no_device="W10: not run",
        load=[LoadLine(STANDARD, 1.6, 0.1, 0.4, 0.5)],
        growth=Growth(curves, curves, clients),
    )


def test_every_entrant_is_a_row_that_is_compared_with_the_library() -> None:
    table = speed_table(results().workloads.lines).splitlines()
    assert len({len(row) for row in table}) == 1
    cells = [cell.strip() for cell in table[3].strip("|").split("|")]
    assert cells == [
        "W1 short, 16 tokens", "ligserve", "tolerance 1%", "2.50", "0.25", "37, 49", "39, 37",
        "1.2 %, 40 %", "1 of 3", "250", "200",
    ]  # fmt: skip


def test_goals_say_what_was_reached_and_what_was_not() -> None:
    reached = {goal.what: (goal.found, goal.reached) for goal in goals(results())}
    assert reached == {
        "W1, tolerance 1%, speed": ("2.50", True),
        "W1, true errors within 1 %": ("1 of 3", False),
        "W1 at 1 %, speed against the library as exact": ("3.90", False),
        "server's share of a call": ("2.0 ms", True),
        "W8, tolerance 1%, speed": ("1.60", True),
        "W8, tolerance 1%, short requests' p95 among others / alone": ("4.0", False),
    }


def test_the_report_holds_all_that_was_measured_and_says_what_was_not() -> None:
    text = report(results())
    for part in ("W10: not run", "W8, 8 clients", "32 tokens", "32 targets", "| 200 ", "| goal"):
        assert part in text
    assert report(Results()) == ""


def test_the_plot_is_the_same_for_the_same_results(tmp_path: Path) -> None:
    first, second, none = (tmp_path / name for name in ("first.svg", "second.svg", "none.svg"))
    write_plot(results(), first)
    write_plot(results(), second)
    write_plot(Results(), none)
    assert first.read_bytes() == second.read_bytes()
    assert not none.exists()
    words = "".join(ElementTree.parse(first).getroot().itertext())
    for word in ("speed, library = 1", "ligserve, tolerance 1%", "tokens", "targets", "clients"):
        assert word in words


def test_accuracies_read_as_a_person_says_them() -> None:
    asked = [str(entrant.accuracy) for entrant in W1.entrants]
    assert asked == [*["50 steps"] * 3, "tolerance 5%", "tolerance 1%", "tolerance 0.1%"]
    assert str(Accuracy(tolerance=0.1)) == "tolerance 10%"


def test_quantiles_are_values_that_were_seen() -> None:
    assert p90(range(1, 11)) == 9
    assert p90([5]) == 5
    assert quantile(range(1, 21), 19, 20) == 19


def test_percent_keeps_two_digits() -> None:
    assert [percent(share) for share in (0.0, 0.00012, 0.5)] == ["0 %", "0.012 %", "50 %"]


def test_no_entrant_always_follows_the_same_one() -> None:
    turns = [rotated(W1.entrants, turn) for turn in range(len(W1.entrants))]
    assert {turn[0] for turn in turns} == set(W1.entrants)
    assert all(set(turn) == set(W1.entrants) for turn in turns)


def test_half_of_the_mix_is_short_and_it_is_the_same_each_time() -> None:
    requests = mix()
    assert requests == mix()
    assert len(set(requests)) == len(requests)
    assert sum(request in SHORT_REQUESTS for request in requests) >= len(requests) / 2


def test_codes_are_unique() -> None:
    assert len(set(CODES)) == len(CODES)
