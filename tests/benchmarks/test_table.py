from benchmarks.measure import Line, rotated
from benchmarks.table import markdown, p90, percent
from benchmarks.workloads import ENTRANTS, WORKLOADS, Accuracy, Entrant


def line(entrant: Entrant, speed: float, peak_mib: float) -> Line:
    return Line(
        WORKLOADS[0], entrant, 16, (21, 37, 49), (23, 39, 51), (0.0123, 0.0001, 0.4), speed, 0.25, peak_mib
    )


def test_every_entrant_is_a_row_that_is_compared_with_the_library() -> None:
    table = markdown([line(ENTRANTS[0], 1.0, 800.0), line(ENTRANTS[4], 2.5, 200.0)]).splitlines()
    assert len({len(row) for row in table}) == 1
    cells = [cell.strip() for cell in table[3].strip("|").split("|")]
    assert cells == [
        "W1 short, 16 tokens", "ligserve", "tolerance 1%",
        "37, 49", "39", "1.2 %, 40 %", "2.50", "0.25", "250", "200",
    ]  # fmt: skip


def test_accuracies_read_as_a_person_says_them() -> None:
    asked = [str(entrant.accuracy) for entrant in ENTRANTS]
    assert asked == [*["50 steps"] * 3, "tolerance 5%", "tolerance 1%", "tolerance 0.1%"]
    assert str(Accuracy(tolerance=0.1)) == "tolerance 10%"


def test_p90_is_a_value_that_was_seen() -> None:
    assert p90(range(1, 11)) == 9
    assert p90([5]) == 5


def test_percent_keeps_two_digits() -> None:
    assert [percent(share) for share in (0.0, 0.00012, 0.5)] == ["0 %", "0.012 %", "50 %"]


def test_no_entrant_always_follows_the_same_one() -> None:
    turns = [rotated(ENTRANTS, turn) for turn in range(len(ENTRANTS))]
    assert {turn[0] for turn in turns} == set(ENTRANTS)
    assert all(set(turn) == set(ENTRANTS) for turn in turns)
