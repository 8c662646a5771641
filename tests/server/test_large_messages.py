"""Headers and summaries of any size: every message is below the limit, and they are the same together."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ligserve.client import header_parts
from ligserve.server import large_messages
from ligserve.server.large_messages import closing, opening
from ligserve.v1 import explanation_service_pb2 as pb

LIMIT = 256 << 10
MERGES = [header_parts.merge_header, large_messages.merge_header]
Merge = Callable[[pb.Header, pb.Header], None]


def merged(events: Sequence[pb.StreamExplainResponse], merge: Merge) -> pb.Header:
    first, *others = events
    assert first.WhichOneof("event") == "header"
    assert {event.WhichOneof("event") for event in others} <= {"more_header"}
    parts = [first.header, *(event.more_header for event in others)]
    assert [part.continued for part in parts] == [True] * len(others) + [False]
    whole = pb.Header()
    whole.CopyFrom(first.header)
    for part in parts[1:]:
        merge(whole, part)
    return whole


def window_of(index: int, tokens: int, labels: int, changes: int) -> pb.Window:
    columns = pb.Tokens(
        ids=range(tokens),
        texts=[f"token{n}" for n in range(tokens)],
        starts=range(tokens),
        ends=range(1, tokens + 1),
        words=[n - 1 for n in range(tokens)],
        special=[n % 7 == 0 for n in range(tokens)],
        segments=[0] * tokens,
    )
    values = [n / 8 for n in range(tokens * labels)]
    told = pb.TokenPredictions(first_token=1, predicted=[n % 3 for n in range(tokens)], logits=values)
    told.probabilities.extend(values)
    return pb.Window(index=index, tokens=columns, share=0.5, token_predictions=told, changes=[0.25] * changes)


def header_of(labels: int, targets: int, pixels: int) -> pb.Header:
    names = [f"LABEL-{n}-" + "x" * (n % 40) for n in range(labels)]
    return pb.Header(
        request_id="r",
        model="m",
        prediction=pb.Prediction(
            labels=names, probabilities=[0.5] * labels, logits=[1.0] * labels, predicted_index=1
        ),
        labels=names,
        targets=[pb.Target(class_label=names[0], token=n) for n in range(targets)],
        warnings=[pb.Warning(code="ODD", message="a sentence")],
        pixel_values=[n / 4 for n in range(pixels)],
    )


@pytest.mark.parametrize("merge", MERGES)
@settings(max_examples=10, deadline=None)
@given(
    labels=st.sampled_from([1, 28, 3_000, 30_000]),
    targets=st.sampled_from([1, 9_000]),
    pixels=st.sampled_from([0, 200_000]),
    windows=st.lists(
        st.sampled_from([(12, 3, 2), (512, 28, 512), (8_192, 28, 0), (3, 60_000, 1)]), max_size=6
    ),
)
def test_a_header_comes_in_messages_below_the_limit(
    merge: Merge, labels: int, targets: int, pixels: int, windows: list[tuple[int, int, int]]
) -> None:
    header = header_of(labels, targets, pixels)
    pieces = [window_of(number, *sizes) for number, sizes in enumerate(windows)]
    events = list(opening(header, iter(pieces)))
    assert max(event.ByteSize() for event in events) < LIMIT
    header.windows.extend(pieces)
    assert merged(events, merge) == header
    assert len(events) <= 1 + header.ByteSize() // (64 << 10), "they are filled"


def test_windows_are_asked_for_when_they_are_sent() -> None:
    asked: list[int] = []

    def windows() -> Iterator[pb.Window]:
        for number in range(100):
            asked.append(number)
            yield window_of(number, 2_000, 2, 1)

    next(opening(header_of(2, 1, 0), windows()))
    assert 0 < len(asked) < 10


@pytest.mark.parametrize("count", [0, 1, 1_000, 20_000])
def test_a_summary_comes_after_the_targets_that_it_has_no_room_for(count: int) -> None:
    targets = [
        pb.TargetSummary(target=n, f_input=0.5, score_sum=n / 3, error_bound=1e-6) for n in range(count)
    ]
    summary = pb.Summary(targets=targets, cost=pb.Cost(points=7), versions={"torch": "2"})
    *before, last = closing(summary)
    assert max(event.ByteSize() for event in [*before, last]) < LIMIT
    assert {event.WhichOneof("event") for event in before} <= {"more_targets"}
    assert (count > 1_000) == bool(before)
    told = [target for event in before for target in event.more_targets.targets]
    assert [*told, *last.summary.targets] == targets
    assert (last.summary.cost.points, dict(last.summary.versions)) == (7, {"torch": "2"})
