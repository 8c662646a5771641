"""What a stream knows before its end: after an event, after closing it, after an error."""

import asyncio
import contextlib
import json
import math
import os
import pty
import signal
from pathlib import Path

import pytest

from ligserve.client import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    Explanation,
    SequenceClassification,
    TruncatedStreamError,
)
from ligserve.client.folding import StreamFolder
from ligserve.v1 import explanation_service_pb2 as service_pb
from tests.client.command import run, start
from tests.client.labelled_windows import Messages
from tests.client.labelled_windows import messages as label_messages
from tests.client.scripted_server import Script
from tests.client.windowed_text import Span, messages

WORDS = [f"word{number}{'.' if number % 4 == 3 else ''}" for number in range(20)]
TEXT = " ".join(WORDS)
TASK = SequenceClassification(TEXT)
SPANS: list[Span] = [(0, 10), (5, 15), (10, 20)]
CHANGES = [sum(range(start + 1, end + 1)) / 1000 for start, end in SPANS]
FINISHED = 2
# The header and the final scores of two windows.
BROKEN_OFF = 1 + FINISHED


def read(stream: Messages) -> StreamFolder:
    folder = StreamFolder((TEXT,))
    for message in stream:
        folder.feed(message)
    return folder


def assert_two_windows(explanation: Explanation | None) -> None:
    """Everything that an explanation tells, of the first two windows of three."""
    assert explanation is not None
    (target,) = explanation.targets
    assert not explanation.finished
    assert target.score_sum == pytest.approx(sum(CHANGES[:FINISHED]))
    assert target.unexplained == pytest.approx(CHANGES[2])
    assert target.convergence_delta == pytest.approx(-CHANGES[2])
    assert abs(target.convergence_delta) <= target.error_bound
    assert math.isnan(target.f_input)
    assert sum(target.scores) == pytest.approx(target.score_sum)
    assert [token.text.lstrip("Ġ") for token in explanation.tokens] == ["[CLS]", *WORDS, "[SEP]"]
    # Words 5 to 9 are in both windows.
    assert explanation.words()[5].score == pytest.approx(0.012)
    assert explanation.top(1)[0].text == "word9"
    assert [round(part.score, 6) for part in explanation.sentences()][-1] == 0
    assert [len(window.scores[0]) for window in explanation.windows] == [12, 12, 0]


def test_what_is_final_grows_window_by_window() -> None:
    stream = messages(WORDS, SPANS)
    assert read([]).so_far() is None
    for finished in range(len(SPANS)):
        explanation = read(stream[: 1 + finished]).so_far()
        assert explanation is not None
        (target,) = explanation.targets
        assert target.score_sum == pytest.approx(sum(CHANGES[:finished]))
        assert target.score_sum + target.unexplained == pytest.approx(sum(CHANGES))
    assert_two_windows(read(stream[:BROKEN_OFF]).so_far())
    whole = read(stream)
    assert whole.so_far() is whole.result()
    assert whole.result().finished


def test_a_window_that_alone_is_explained_is_all_that_is_left() -> None:
    explanation = read(messages(WORDS, SPANS, only=1)[:1]).so_far()
    assert explanation is not None
    assert explanation.targets[0].unexplained == pytest.approx(CHANGES[1])


def test_where_windows_move_together_the_server_tells_what_is_left() -> None:
    header = messages(WORDS, SPANS)[0]
    for window in header.header.windows:
        del window.changes[:]
    unknown = read([header]).so_far()
    assert unknown is not None
    assert math.isnan(unknown.targets[0].unexplained)
    told = service_pb.StreamExplainResponse(progress=service_pb.Progress(windows=3, unexplained=[0.25]))
    explanation = read([header, told]).so_far()
    assert explanation is not None
    assert explanation.targets[0].unexplained == 0.25
    assert [window.changes for window in explanation.windows] == [(), (), ()]


def test_labels_are_known_one_by_one() -> None:
    words = ["they", "moved", "to", "York"]
    stream = label_messages(words, ["O", "O", "O", "B-LOC"], [((0, 3), (0, 2)), ((1, 4), (2, 4))])
    folder = StreamFolder((" ".join(words),))
    for message in stream[:3]:
        folder.feed(message)
    explanation = folder.so_far()
    assert explanation is not None
    assert [target.unexplained for target in explanation.targets] == [0, 0, 0.75, 0.75]
    assert [any(target.scores) for target in explanation.targets] == [True, True, False, False]
    assert "2 of 4 targets explained" in explanation.html()


async def test_closing_keeps_what_came(script: Script, client: AsyncClient) -> None:
    script.messages, script.hang = messages(WORDS, SPANS)[:BROKEN_OFF], True
    async with client.stream("sentiment", TASK) as stream:
        assert stream.so_far() is None
        for _ in range(BROKEN_OFF):
            await anext(stream)
        assert_two_windows(stream.so_far())
    await asyncio.wait_for(script.cancelled.wait(), 10)
    assert_two_windows(stream.so_far())


async def test_an_error_keeps_what_came(script: Script, client: AsyncClient) -> None:
    script.messages = messages(WORDS, SPANS)[:BROKEN_OFF]
    with pytest.raises(TruncatedStreamError):
        async with client.stream("sentiment", TASK) as stream:
            await stream.result()
    assert_two_windows(stream.so_far())


async def test_a_blocking_stream_keeps_what_came(script: Script) -> None:
    script.messages, script.hang = messages(WORDS, SPANS)[:BROKEN_OFF], True

    def broken_off() -> Explanation | None:
        with Client(script.address) as client:
            stream = client.stream("sentiment", TASK, timeout=2)
            with pytest.raises(DeadlineExceededError), stream:
                stream.result()
            return stream.so_far()

    assert_two_windows(await asyncio.to_thread(broken_off))


def assert_in_part(out: str, err: str, page: Path) -> None:
    figures = f"{CHANGES[2]:+.4f} of the output's change of {sum(CHANGES):+.4f} left unexplained"
    for shown in (" ".join(out.split()), page.read_text(encoding="utf-8").replace("&#x27;", "'")):
        assert "partial: 2 of 3 windows explained" in shown
        assert figures in shown
    assert "word9" in out
    assert f"ligserve: partial: 2 of 3 windows explained; POSITIVE: {figures}\n" in err
    assert "Traceback" not in err


def read_to_end(terminal: int) -> str:
    """What else was written to a terminal that nobody writes to any more."""
    seen = b""
    # Linux fails at the end.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 1 << 16):
            seen += part
    os.close(terminal)
    return seen.decode().replace("\r\n", "\n")


async def test_ctrl_c_gives_what_came(script: Script, tmp_path: Path) -> None:
    progress = service_pb.Progress(windows=3, windows_predicted=3, windows_done=FINISHED)
    told = service_pb.StreamExplainResponse(progress=progress)
    script.messages, script.hang = [*messages(WORDS, SPANS)[:BROKEN_OFF], told], True
    page = tmp_path / "page.html"
    script_side, terminal = pty.openpty()
    process = await start("explain", TEXT, "-m", "m", "--html", str(page), script=script, stderr=terminal)
    os.close(terminal)
    seen = b""
    while b"2/3" not in seen:
        seen += await asyncio.to_thread(os.read, script_side, 1 << 16)
    assert b"word19." in seen, "the text fills with colour"
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    assert process.returncode == 130
    assert_in_part(out.decode(), read_to_end(script_side), page)
    await asyncio.wait_for(script.cancelled.wait(), 10)


async def test_progress_in_a_pipe_is_lines_where_asked_for(script: Script) -> None:
    header, *others = messages(WORDS, SPANS)
    progress = service_pb.Progress(windows=3, windows_predicted=3, windows_done=1, unexplained=[0.25])
    script.messages = [header, service_pb.StreamExplainResponse(progress=progress), *others]
    told = await run("explain", TEXT, "-m", "m", "--progress", script=script)
    assert (told.code, told.err) == (0, "ligserve: explaining windows, 1 of 3; +0.25 left unexplained\n")
    for options in ((), ("--no-progress",)):
        quiet = await run("explain", TEXT, "-m", "m", *options, script=script)
        assert (quiet.code, quiet.out, quiet.err) == (0, told.out, "")


async def test_an_error_gives_what_came(script: Script, tmp_path: Path) -> None:
    script.messages = messages(WORDS, SPANS)[:BROKEN_OFF]
    page = tmp_path / "page.html"
    done = await run("explain", TEXT, "-m", "m", "--html", str(page), script=script)
    assert done.code == 1
    assert_in_part(done.out, done.err, page)
    assert "cut short" in done.err.splitlines()[-1]


async def test_a_deadline_gives_what_came_as_json(script: Script) -> None:
    script.messages, script.hang = messages(WORDS, SPANS)[:BROKEN_OFF], True
    done = await run("explain", TEXT, "-m", "m", "--timeout", "2", "--json", script=script)
    assert done.code == 1
    read = json.loads(done.out)
    assert read["finished"] is False
    assert read["targets"][0]["unexplained"] == pytest.approx(CHANGES[2])
    assert read["targets"][0]["f_input"] is None


async def test_nothing_is_given_where_nothing_came(script: Script, tmp_path: Path) -> None:
    script.messages = messages(WORDS, SPANS)[:1]
    page = tmp_path / "page.html"
    done = await run("explain", TEXT, "-m", "m", "--html", str(page), script=script)
    assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
    assert not page.exists()
