"""A worker that is killed in the middle of a document."""

from collections.abc import Callable

import pytest

from ligserve.client import Client, SequenceClassification, ServerUnavailableError, Window
from ligserve.client.sync_stream import ExplanationStream
from ligserve.client.types.events import EstimateEvent, Event, HeaderEvent
from tests.faults.conftest import StartServer

TEXT = " ".join(["The waiter forgot our order twice, but the soup was worth the wait."] * 60)
TASK = SequenceClassification(TEXT, targets=[0])


def read(stream: ExplanationStream, events: list[Event], kill: Callable[[], None]) -> None:
    """Keep the events; kill once, after the third finished window."""
    finished = 0
    for event in stream:
        events.append(event)
        if isinstance(event, EstimateEvent) and event.final:
            finished += 1
            if finished == 3:
                kill()


def test_the_client_has_all_finished_windows(start: StartServer) -> None:
    events: list[Event] = []
    with start() as starting:
        server = starting.ready()
        with Client(server.address, max_attempts=1) as client:
            stream = client.stream("bert", TASK, n_steps=200, long_input=Window(stride=30), timeout=250)
            with pytest.raises(ServerUnavailableError) as caught, stream:
                read(stream, events, server.workers()[0].kill)
            assert caught.value.reason == "WORKER_DIED"
            assert server.lines.wait_for("call", code="UNAVAILABLE")["points"] >= 2 * 200, (
                "what it cost so far"
            )
            so_far = stream.so_far()
            server.lines.wait_for("worker ready", after=1)
            whole = client.explain("bert", TASK, tolerance=0.2, long_input=Window(stride=60))
    header = next(event for event in events if isinstance(event, HeaderEvent))
    finals = [event for event in events if isinstance(event, EstimateEvent) and event.final]
    assert header.document is not None
    assert 3 <= len(finals) < len(header.document.windows)
    for final in finals:
        change = header.document.windows[final.window].changes[0]
        assert abs(sum(final.scores) - change) <= final.error_bound
    assert so_far is not None
    assert not so_far.finished
    assert sum(bool(window.scores[0]) for window in so_far.windows) == len(finals)
    (target,) = so_far.targets
    assert sum(target.scores) == pytest.approx(sum(sum(final.scores) for final in finals))
    finished = {final.window for final in finals}
    left = [window.changes[0] for window in so_far.windows if window.index not in finished]
    assert target.unexplained == pytest.approx(sum(left))
    assert abs(whole.targets[0].convergence_delta) <= whole.targets[0].error_bound
