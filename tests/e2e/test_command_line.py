"""`ligserve explain` and `ligserve models` against the real server, right and wrong."""

import json
import subprocess

import pytest

from benchmarks.texts import SHORT
from tests.live_server import COMMAND, LiveServer

TEXT = SHORT[0]
NOBODY = "127.0.0.1:1"


def run(*arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=text, capture_output=True, timeout=60)


def complaint(*arguments: str, text: bytes = b"") -> str:
    """The one line of a command that must fail."""
    done = run(*arguments, text=text)
    err = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b""), err
    assert err.startswith("ligserve: ")
    assert err.count("\n") == 1
    return err


def test_the_answer_as_json_adds_up(live: LiveServer) -> None:
    options = ("--model", "sentiment", "--class", "NEGATIVE", "--tolerance", "0.001", "--json")
    done = run("explain", TEXT, *options, "--server", live.address)
    assert (done.returncode, done.stderr) == (0, b"")
    (target,) = json.loads(done.stdout)["targets"]
    change = target["f_input"] - target["f_baseline"]
    assert abs(sum(target["scores"]) - change) <= target["error_bound"]


def test_models_are_listed(live: LiveServer) -> None:
    done = run("models", "--server", live.address)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "sentiment" in done.stdout.decode()
    assert "NEGATIVE, POSITIVE" in done.stdout.decode()


@pytest.mark.parametrize(
    "command", [("models",), ("explain", TEXT, "--model", "m")], ids=["models", "explain"]
)
def test_no_server(command: tuple[str, ...]) -> None:
    said = complaint(*command, "--server", NOBODY)
    assert "no server answers" in said
    assert "ligserve serve" in said


WRONG = {
    "unknown model": (("-m", "nonesuch"), TEXT, ["no model 'nonesuch'", "sentiment"]),
    "unknown class": (("-m", "sentiment", "-c", "SAD"), TEXT, ["'SAD'", "NEGATIVE", "POSITIVE"]),
    "no such index": (("-m", "sentiment", "-c", "7"), TEXT, ["7", "NEGATIVE", "POSITIVE"]),
    "negative index": (("-m", "sentiment", "-c", "-1"), TEXT, ["-1", "NEGATIVE", "POSITIVE"]),
    "too long": (
        ("-m", "sentiment", "--long-input", "refuse"),
        "word " * 3000,
        ["3002 tokens", "at most 512", "shorten"],
    ),
    "empty": (("-m", "sentiment"), "", ["at least one character"]),
    "spaces": (("-m", "sentiment"), " \n ", ["at least one character"]),
    "0 steps": (("-m", "sentiment", "--n-steps", "0"), TEXT, ["n_steps", "from 1 to 4096"]),
    "too many steps": (("-m", "sentiment", "--n-steps", "10000000"), TEXT, ["from 1 to 4096"]),
    "huge steps": (("-m", "sentiment", "--n-steps", "99999999999"), TEXT, ["n_steps"]),
    "NaN": (("-m", "sentiment", "--tolerance", "nan"), TEXT, ["tolerance", "nan"]),
    "40 MiB": (("-m", "sentiment"), "a" * (40 << 20), ["the server's limit", "shorten the text"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_questions(live: LiveServer, case: str) -> None:
    options, text, words = WRONG[case]
    said = complaint("explain", "-", *options, "--server", live.address, text=text.encode())
    assert [word for word in words if word not in said] == []


def test_text_that_is_not_utf_8(live: LiveServer) -> None:
    said = complaint("explain", "-", "-m", "sentiment", "--server", live.address, text=b"\xff\xfe")
    assert "not UTF-8" in said


def test_nul_bytes_are_text_like_any_other(live: LiveServer) -> None:
    done = run("explain", "-", "-m", "sentiment", "--server", live.address, text=b"I\0love\0you")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\0" not in done.stdout
