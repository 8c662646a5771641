"""The command line, as a process of its own."""

import asyncio
import json
import os
import pty
import signal
from pathlib import Path

import grpc
import pytest

from tests.client.command import Finished, run, start
from tests.client.scripted_server import Refusal, Script

TEXT = "I love you"


def assert_one_line(finished: Finished, *words: str) -> None:
    assert finished.code == 1
    assert finished.out == ""
    assert finished.err.count("\n") == 1
    assert finished.err.startswith("ligserve: ")
    assert all(word in finished.err for word in words), finished.err


async def test_explain_prints_the_text_and_its_figures(script: Script, tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    options = ("--class", "NEGATIVE", "--target", "1", "--n-steps", "9", "--convention", "library")
    done = await run("explain", TEXT, "--model", "sentiment", *options, "--html", str(page), script=script)
    assert (done.code, done.err) == (0, "")
    figures = ("scores add up to", "at most", "points")
    for expected in (TEXT, "predicted POSITIVE", "why NEGATIVE", "why POSITIVE", *figures):
        assert expected in done.out
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    request = script.requests[0]
    assert [t.label.WhichOneof("reference") for t in request.sequence_classification.targets] == [
        "name",
        "index",
    ]
    assert request.options.fixed_steps.n_steps == 9


async def test_explain_prints_json(script: Script) -> None:
    options = ("--json", "--tolerance", "0.1", "--baseline", "mask_token", "--output-space", "logit")
    done = await run("explain", "-", "-m", "sentiment", *options, script=script, stdin="Zoë 🙂\n".encode())
    read = json.loads(done.out)
    assert read["texts"] == ["Zoë 🙂"]
    assert [word["text"] for word in read["targets"][0]["words"]] == ["Zoë", "🙂"]
    assert script.requests[0].options.tolerance.relative == 0.1
    assert (await run("explain", TEXT, "-m", "m", "--accuracy", "fast", script=script)).code == 0
    assert script.requests[1].options.tolerance.relative == 0.05


async def test_explain_reads_a_file(script: Script, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("from a file\n", encoding="utf-8")
    assert (await run("explain", "--file", str(path), "-m", "m", script=script)).code == 0
    assert script.requests[0].sequence_classification.text == "from a file"
    assert_one_line(await run("explain", "--file", str(path) + "x", "-m", "m", script=script), "No such file")
    path.write_bytes(b"\xff\xfe")
    assert_one_line(await run("explain", "--file", str(path), "-m", "m", script=script), "not UTF-8")


async def test_models(script: Script) -> None:
    table = await run("models", script=script)
    assert table.code == 0
    assert all(name in table.out for name in (*script.models, "BertForX", "sequence_classification"))
    read = json.loads((await run("models", "--json", "--server", script.address)).out)
    assert [model["name"] for model in read] == list(script.models)


async def test_errors_are_one_line(script: Script) -> None:
    script.refusals = [Refusal(grpc.StatusCode.NOT_FOUND, "no model m;\nthere are: sentiment")]
    done = await run("explain", TEXT, "-m", "m", script=script)
    assert_one_line(done, "no model m; there are: sentiment")
    assert_one_line(await run("models"), "no server answers", "--server")
    surrogates = await run("explain", b"\xff".decode(errors="surrogateescape"), "-m", "m", script=script)
    assert_one_line(surrogates, "sequence_classification.text", "surrogate")
    unwritable = await run("explain", TEXT, "-m", "m", "--html", "/nowhere/x.html", script=script)
    assert_one_line(unwritable, "No such file or directory")


@pytest.mark.parametrize("server", [" ", "http://127.0.0.1:1", "127.0.0.1:70000", "localhost"])
async def test_an_address_that_cannot_be_one(server: str) -> None:
    assert_one_line(await run("models", "--server", server), "HOST:PORT", repr(server))


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "-m", "m"),
        ("explain", TEXT),
        ("explain", TEXT, "-m", "m", "--file", "x"),
        ("explain", TEXT, "-m", "m", "--tolerance", "1", "--n-steps", "1"),
        ("explain", TEXT, "-m", "m", "--accuracy", "fast", "--tolerance", "1"),
        ("explain", TEXT, "-m", "m", "--accuracy", "good"),
        ("explain", TEXT, "-m", "m", "--convention", "mine"),
        ("models", "--timeout", "nan"),
        ("nonsense",),
    ],
    ids=" ".join,
)
async def test_misuse_exits_with_2(arguments: tuple[str, ...]) -> None:
    done = await run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err
    assert "Traceback" not in done.err


async def test_explain_waits_as_long_as_a_server_does_by_default(script: Script) -> None:
    await run("explain", TEXT, "-m", "m", script=script)
    await run("explain", TEXT, "-m", "m", "--timeout", "30", script=script)
    default, own = script.time_left
    assert default is not None
    assert own is not None
    assert own <= 31 < 500 < default <= 601


async def test_help_and_version() -> None:
    top, explain, version = await asyncio.gather(run("--help"), run("explain", "--help"), run("--version"))
    assert all(command in top.out for command in ("explain", "models", "serve"))
    assert "ligserve explain --file review.txt" in explain.out
    assert "LIGSERVE_SERVER" in explain.out
    assert "[default: 600.0]" in explain.out
    assert version.out.startswith("ligserve ")


async def test_ctrl_c_exits_with_130(script: Script) -> None:
    script.hang, script.messages = True, []
    process = await start("explain", TEXT, "-m", "m", script=script)
    await asyncio.wait_for(script.hanging.wait(), 30)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in err
    await asyncio.wait_for(script.cancelled.wait(), 10)


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
async def test_a_closed_pipe_is_quiet(script: Script, options: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await start("explain", "word " * 3000, "-m", "m", *options, script=script, stdout=writing)
    os.close(writing)
    _, err = await process.communicate()
    assert err == b""


async def test_a_terminal_gets_a_progress_bar(script: Script) -> None:
    script.hang = True
    script_side, terminal = pty.openpty()
    process = await start("explain", TEXT, "-m", "m", script=script, stderr=terminal)
    os.close(terminal)
    seen = b""
    while b"explaining" not in seen:
        seen += await asyncio.to_thread(os.read, script_side, 1 << 16)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    os.close(script_side)
