"""A server process: from its ready line to its exit code."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from ligserve.v1 import explanation_service_pb2 as pb
from ligserve.v1.explanation_service_pb2_grpc import ExplanationServiceStub
from tests.server.front_harness import (
    ask,
    ask_stream,
    failure,
    health_stub,
    next_header,
    noted,
    rest_of,
    server_process,
)


async def test_sigterm_drains() -> None:
    async with server_process(jobs_per_worker=1, json_logs=True) as server:
        async with grpc.aio.insecure_channel(await server.ready()) as channel:
            stub = ExplanationServiceStub(channel)
            watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
            holder = stub.StreamExplain(ask_stream("hang"))
            await next_header(holder)
            in_flight = stub.StreamExplain(ask_stream("stream 5"))
            queued: Any = await in_flight.read()
            assert queued.progress.queue_position == 1
            server.process.send_signal(signal.SIGTERM)
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            error = await failure(stub.Explain(ask("hello"), timeout=1))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            holder.cancel()
            events = await rest_of(in_flight)
            assert events[-1].HasField("summary")
        code, out, err = await server.end()
        assert (code, out) == (0, "")
        assert '"event": "draining"' in err
        assert "Traceback" not in err


@pytest.mark.parametrize("force", [False, True])
async def test_streams_that_do_not_finish_in_time_end_as_unavailable(force: bool) -> None:
    async with server_process(drain_grace_s=60 if force else 0.2) as server:
        async with grpc.aio.insecure_channel(await server.ready()) as channel:
            stream = ExplanationServiceStub(channel).StreamExplain(ask_stream("hang"))
            worker = int(noted(await next_header(stream), "PID"))
            # To the whole group, as a terminal does it: the worker must not hear it.
            server.process.send_signal(signal.SIGINT)
            if force:
                health = health_stub(channel).Watch(health_pb2.HealthCheckRequest())
                while (await health.read()).status != health_pb2.HealthCheckResponse.NOT_SERVING:
                    pass
                server.process.send_signal(signal.SIGINT)
            error = await failure(rest_of(stream))
            assert error.code() is grpc.StatusCode.UNAVAILABLE
            assert "shutting down" in str(error.details())
        assert (await server.end())[0] == 0
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


async def test_access_log_tells_all_but_the_text() -> None:
    async with server_process(json_logs=True, log_level="debug") as server:
        async with grpc.aio.insecure_channel(await server.ready()) as channel:
            stub = ExplanationServiceStub(channel)
            await stub.Explain(ask("zebra"), metadata=(("x-request-id", "id-1"),))
            await failure(stub.Explain(ask("zebra", model="nope")))
            await failure(stub.Explain(ask("zebra", options={"output_space": 9})))
            gone = stub.StreamExplain(ask_stream("hang zebra"))
            await next_header(gone)
            gone.cancel()
        server.process.send_signal(signal.SIGTERM)
        _, _, err = await server.end()
    assert "zebra" not in err
    calls = [line for line in map(json.loads, err.splitlines()) if line["event"] == "call"]
    assert [call["code"] for call in calls] == ["OK", "NOT_FOUND", "INVALID_ARGUMENT", "CANCELLED"]
    assert [call["model"] for call in calls] == ["m", "nope", "m", "m"]
    first = calls[0]
    assert first["method"] == "/ligserve.v1.ExplanationService/Explain"
    assert (first["model"], first["points"], first["request_id"]) == ("m", 50, "id-1")
    assert first["peer"].startswith("ipv4:127.0.0.1:")
    assert first["duration_s"] >= 0


async def test_workers_have_a_session_of_their_own() -> None:
    async with server_process() as server:
        async with grpc.aio.insecure_channel(await server.ready()) as channel:
            answer: pb.ExplainResponse = await ExplanationServiceStub(channel).Explain(ask())
            worker = int(noted(answer.header, "PID"))
            assert os.getsid(worker) == worker
        server.process.kill()
        await server.end()


async def test_second_server_on_the_same_port_fails_in_one_line() -> None:
    async with server_process() as first:
        address = await first.ready()
        async with server_process(listen=address) as second:
            code, out, err = await second.end()
    assert (code, out) == (1, "")
    complaints = [line for line in err.splitlines() if line.startswith("ligserve: ")]
    assert complaints == [f"ligserve: cannot listen on {address}: Address already in use"]
    assert "Traceback" not in err


async def test_worker_that_cannot_start_is_one_line() -> None:
    async with server_process(models=["m=refuse"]) as server:
        code, out, err = await server.end()
    assert (code, out) == (1, "")
    assert err == "ligserve: model 'm': it is broken beyond repair\n"


async def test_signal_before_the_server_is_ready() -> None:
    async with server_process(workers=4) as server:
        assert server.process.stderr is not None
        await server.process.stderr.readline()
        server.process.send_signal(signal.SIGTERM)
        code, _, err = await server.end()
    assert code == 0
    assert "Traceback" not in err


async def python(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [("app", ["torch", "transformers"]), ("command", ["torch", "transformers", "grpc", "structlog"])],
)
async def test_the_front_loads_nothing_heavy(module: str, heavy: list[str]) -> None:
    program = f"import sys, ligserve.server.{module}; print([m for m in {heavy} if m in sys.modules])"
    assert await python("-c", program) == (0, "[]\n", "")


async def test_command_line_complains_in_one_sentence(tmp_path: Path) -> None:
    code, out, err = await python("-m", "ligserve.server", "--model", f"m={tmp_path}/gone")
    assert (code, out) == (1, "")
    assert err == f"ligserve: --model: there is no model directory {tmp_path}/gone\n"


async def test_a_missing_extra_is_a_sentence() -> None:
    program = (
        "import sys; sys.modules['structlog'] = None; sys.argv = ['serve', '--model', 'm=x'];"
        "import typer; from ligserve.server.command import serve; typer.run(serve)"
    )
    code, _, err = await python("-c", program)
    assert code == 1
    assert 'pip install "ligserve[server]"' in err
    assert "Traceback" not in err
