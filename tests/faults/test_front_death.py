"""The front killed, told to stop, or left by its clients, with real work in flight."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from benchmarks.texts import LONG, SHORT
from ligserve.client import Client, SequenceClassification, ServerUnavailableError
from ligserve.client.sync_stream import ExplanationStream
from ligserve.client.types.events import HeaderEvent, ProgressEvent
from tests.faults.conftest import StartServer

EXIT_S = 30
# Minutes of work on one core; midpoint nodes cost nothing to find.
ENDLESS_STEPS = 4096


def begin(client: Client, n_steps: int) -> ExplanationStream:
    """A stream that a worker has begun with."""
    task = SequenceClassification(SHORT[0])
    stream = client.stream("sentiment", task, rule="midpoint", n_steps=n_steps)
    assert any(isinstance(event, HeaderEvent) for event in stream)
    return stream


def assert_all_end(workers: list[psutil.Process]) -> None:
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=EXIT_S)
    assert not alive


def test_kill_9_of_the_front_ends_the_workers_at_work(start: StartServer) -> None:
    with start("--workers", "2") as starting:
        server = starting.ready()
        workers = server.workers()
        with Client(server.address, max_attempts=1) as client:
            stream = begin(client, ENDLESS_STEPS)
            server.process.kill()
            with pytest.raises(ServerUnavailableError):
                stream.result()
        assert_all_end(workers)


def test_kill_9_of_the_front_ends_workers_that_still_load(start: StartServer) -> None:
    with start() as starting:
        starting.lines.wait_for("model_loaded")
        workers = starting.workers()
        starting.process.kill()
        assert_all_end(workers)


@pytest.mark.parametrize("by", ["sigterm", "ctrl-c"])
def test_a_stream_in_flight_finishes_before_the_server_stops(start: StartServer, by: str) -> None:
    with start() as starting:
        server = starting.ready()
        workers = server.workers()
        with Client(server.address, max_attempts=1) as client, Client(server.address) as other:
            other.models()
            stream = begin(client, 100)
            if by == "sigterm":
                server.process.send_signal(signal.SIGTERM)
            else:
                os.killpg(server.process.pid, signal.SIGINT)
            server.lines.wait_for("draining")
            with pytest.raises(ServerUnavailableError):
                other.explain("bert", SequenceClassification(SHORT[0]), timeout=5)
            assert stream.result().targets[0].points == 102
        assert server.process.wait(EXIT_S) == 0
        assert_all_end(workers)
        assert "Traceback" not in server.lines.text()


def test_a_stopped_worker_does_not_hold_up_the_end(start: StartServer) -> None:
    with start("--drain-grace", "0.1") as starting:
        server = starting.ready()
        (worker,) = server.workers()
        with Client(server.address, max_attempts=1) as client:
            stream = begin(client, ENDLESS_STEPS)
            worker.suspend()
            server.process.send_signal(signal.SIGTERM)
            with pytest.raises(ServerUnavailableError, match="shutting down"):
                stream.result()
        assert server.process.wait(EXIT_S) == 0
        assert_all_end([worker])


def test_a_stopped_worker_that_has_not_read_all_does_not_hold_up_the_end(start: StartServer) -> None:
    """What was written to it can never be flushed; the server must not wait for that."""
    huge = SequenceClassification("good " * 150_000)
    with start("--drain-grace", "0.1") as starting:
        server = starting.ready()
        (worker,) = server.workers()
        with Client(server.address, max_attempts=1) as client:
            worker.suspend()
            streams = [client.stream("sentiment", huge) for _ in range(4)]
            for stream in streams:
                first = next(iter(stream))
                assert isinstance(first, ProgressEvent)
                assert first.queue_position == 0, "the worker has it, as far as the front knows"
            server.process.send_signal(signal.SIGTERM)
            for stream in streams:
                with pytest.raises(ServerUnavailableError, match="shutting down"):
                    stream.result()
        assert server.process.wait(EXIT_S) == 0
        assert_all_end([worker])


KILLED_CLIENT = """
import sys
from ligserve.client import Client, SequenceClassification
from ligserve.client.types.events import HeaderEvent

address, n_steps, text = sys.argv[1:]
task = SequenceClassification(text)
for event in Client(address).stream(
    "sentiment", task, rule="midpoint", n_steps=int(n_steps), request_id="doomed", timeout=600
):
    print(type(event).__name__, flush=True)
"""


def test_a_client_killed_in_mid_stream_frees_its_place_and_its_points(start: StartServer) -> None:
    """The one place of the one worker is free only once the worker has said that it let go of the job."""
    with start("--jobs-per-worker", "1") as starting:
        server = starting.ready()
        command = [sys.executable, "-c", KILLED_CLIENT, server.address, str(ENDLESS_STEPS), LONG[0]]
        with (
            Client(server.address) as client,
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as doomed,
        ):
            assert doomed.stdout is not None
            while doomed.stdout.readline() != "HeaderEvent\n":
                assert doomed.poll() is None
            doomed.kill()
            answer = client.explain("bert", SequenceClassification(SHORT[0]), n_steps=5)
        assert answer.targets[0].points == 7
        assert server.lines.wait_for("call", request_id="doomed")["code"] == "CANCELLED"
