"""Clients that share no code with the project: buf and Node, from the .proto files or from reflection."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2

from benchmarks.texts import SHORT
from tests.live_server import LiveServer, live_server
from tests.sentiment import ROOT

TEXT = SHORT[0]
SERVICE = "ligserve.v1.ExplanationService"
# buf curl ends with 8 times the gRPC code.
NOT_FOUND, INVALID_ARGUMENT = 8 * 5, 8 * 3
NODE, NPM = shutil.which("node"), shutil.which("npm")
EXAMPLE = ROOT / "examples" / "node"


def program(name: str) -> str:
    """A tool of the development environment, beside this Python or on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert found, f"{name} is not installed; run: make install"
    return found


@pytest.fixture(scope="module")
def reflecting(sentiment_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    log = tmp_path_factory.mktemp("reflecting") / "server.log"
    with live_server({"sentiment": sentiment_model}, log, "--threads", "1", "--reflection") as server:
        yield server


def buf_curl(server: LiveServer, method: str, data: object, *flags: str) -> subprocess.CompletedProcess[str]:
    url = f"http://{server.address}/{SERVICE}/{method}"
    command = [program("buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *flags]
    return subprocess.run(
        [*command, "--data", json.dumps(data), url], capture_output=True, text=True, timeout=60, cwd=ROOT
    )


def messages(text: str) -> list[Any]:
    """JSON documents, one after the other."""
    found, decoder, rest = [], json.JSONDecoder(), text.strip()
    while rest:
        message, end = decoder.raw_decode(rest)
        found.append(message)
        rest = rest[end:].lstrip()
    return found


def assert_adds_up(scores: list[float], summary: dict[str, Any]) -> None:
    (target,) = summary["targets"]
    change = target["fInput"] - target.get("fBaseline", 0.0)
    assert abs(sum(scores) - change) <= target["errorBound"]
    assert abs(change) > 0.01


@pytest.fixture(params=["schema", "reflection"])
def flags(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return ("--schema", "protos") if request.param == "schema" else ("--reflect",)


def question(model: str = "sentiment", text: str = TEXT) -> dict[str, Any]:
    return {"model": model, "sequenceClassification": {"text": text}}


def test_buf_explains(reflecting: LiveServer, flags: tuple[str, ...]) -> None:
    done = buf_curl(reflecting, "Explain", question(), *flags)
    assert done.returncode == 0, done.stderr
    (answer,) = messages(done.stdout)
    assert answer["header"]["model"] == "sentiment"
    (estimate,) = answer["estimates"]
    assert_adds_up(estimate["scores"], answer["summary"])


def test_buf_streams(reflecting: LiveServer, flags: tuple[str, ...]) -> None:
    done = buf_curl(reflecting, "StreamExplain", {"request": question()}, *flags)
    assert done.returncode == 0, done.stderr
    events = messages(done.stdout)
    assert "header" in events[0]
    finals = [event["estimate"] for event in events if event.get("estimate", {}).get("final")]
    assert_adds_up([score for final in finals for score in final["scores"]], events[-1]["summary"])


def error_info(text: str) -> error_details_pb2.ErrorInfo:
    """Details stay encoded, since the schema does not hold google.rpc."""
    (error,) = messages(text)
    (packed,) = (each["value"] for each in error["details"] if each["type"] == "google.rpc.ErrorInfo")
    return error_details_pb2.ErrorInfo.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))


def test_buf_shows_an_errors_details(reflecting: LiveServer, flags: tuple[str, ...]) -> None:
    unknown = buf_curl(reflecting, "Explain", question("bart"), *flags)
    assert unknown.returncode == NOT_FOUND
    assert "there is no model 'bart'; there are sentiment" in unknown.stderr
    assert error_info(unknown.stderr).reason == "MODEL_NOT_FOUND"
    wrong = buf_curl(reflecting, "StreamExplain", {"request": question(text=" ")}, *flags)
    assert wrong.returncode == INVALID_ARGUMENT
    (error,) = messages(wrong.stderr)
    assert {kind["type"].rpartition(".")[2] for kind in error["details"]} == {"ErrorInfo", "BadRequest"}


def test_without_reflection_a_schema_is_needed(live: LiveServer) -> None:
    assert buf_curl(live, "Explain", question(), "--reflect").returncode != 0
    assert buf_curl(live, "Explain", question(), "--schema", "protos").returncode == 0


@pytest.fixture(scope="module")
def node_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example and its packages, in a folder of their own."""
    if NODE is None or NPM is None:
        pytest.skip("node and npm are not installed")
    folder = Path(shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("node") / "client"))
    command = [NPM, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    if installed.returncode:
        pytest.skip(f"npm cannot install the example's packages: {installed.stderr[-300:]}")
    return folder / "explain.mjs"


def run_node(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert NODE
    environment = {"LIGSERVE_PROTOS": str(ROOT / "protos")}
    return subprocess.run(
        [NODE, str(script), *arguments], capture_output=True, text=True, timeout=60, env=environment
    )


def test_node_streams(live: LiveServer, node_client: Path) -> None:
    text = "A 😀 film, and I loved it!"
    done = run_node(node_client, live.address, "sentiment", text)
    assert done.returncode == 0, done.stderr
    head, *rows, last = done.stdout.splitlines()
    assert re.fullmatch(r"(NEGATIVE|POSITIVE) with probability [01]\.\d{4}", head)
    scores, pieces = zip(*(row.split() for row in rows), strict=True)
    assert "".join(piece for piece in pieces if not piece.startswith("[")) == "A😀film,andIlovedit!"
    total, change = re.findall(r"-?\d+\.\d{4}", last)
    assert sum(map(float, scores)) == pytest.approx(float(total), abs=1e-3)
    assert float(total) == pytest.approx(float(change), abs=1e-3)


def test_node_shows_errors(live: LiveServer, node_client: Path) -> None:
    done = run_node(node_client, live.address, "nonesuch", TEXT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("NOT_FOUND: there is no model 'nonesuch'")
