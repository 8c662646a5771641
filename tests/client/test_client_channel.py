"""How a client reaches its server."""

import asyncio
import shutil
from pathlib import Path

import grpc
import pytest

from ligserve.client import (
    AsyncClient,
    Client,
    SequenceClassification,
    ServerUnavailableError,
    TlsConfig,
)
from ligserve.client.channel import ClientConfig, channel_options, service_config
from tests.client.scripted_server import Refusal, Script, running

TASK = SequenceClassification("I love you")


@pytest.mark.parametrize(
    ("tls", "token", "secure"),
    [
        (None, None, False),
        (None, "t", True),
        (False, "t", False),
        (True, None, True),
        (TlsConfig(), None, True),
    ],
)
def test_tls_is_on_with_a_token_unless_told_otherwise(
    tls: TlsConfig | bool | None, token: str | None, secure: bool
) -> None:
    assert ClientConfig(tls=tls, token=token).secure is secure


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(ClientConfig(token="hidden", tls=TlsConfig(private_key=b"hidden")))
    assert repr(Client("h:1", token="hidden")) == "Client('h:1')"


@pytest.mark.parametrize(
    "options",
    [{"timeout": -1.0}, {"server": ""}, {"max_message_bytes": 0}, {"max_attempts": 0}, {"max_attempts": 6}],
    ids=str,
)
def test_limits_that_make_no_sense(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ClientConfig(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("  ", "port is missing|white space"),
        ("localhost", "the port is missing"),
        ("localhost:", "the port is missing"),
        (":50051", "a host is missing"),
        ("localhost:65536", "from 0 to 65535"),
        ("localhost:-1", "from 0 to 65535"),
        ("localhost:" + "9" * 5000, "from 0 to 65535"),
        ("localhost:grpc", "from 0 to 65535"),
        ("local host:1", "white space"),
        ("::1", "brackets"),
        ("[::1]", "the port is missing"),
        ("http://localhost:50051", "must not start with http://"),
        ("https://localhost", "must not start with https://"),
        ("grpc://localhost:50051", "must not start with grpc://"),
        ("dns:///localhost:65536", "from 0 to 65535"),
    ],
    ids=lambda value: value[:40],
)
def test_an_address_that_cannot_be_one(server: str, problem: str) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(ValueError, match=f"such as HOST:PORT.*({problem})"):
            kind(server)


@pytest.mark.parametrize(
    "server",
    [
        *("localhost:0", "[::1]:65535", "a.b:1", "unix:/run/x", "unix:x", "dns:///a:443", "dns:///a"),
        *("dns://1.1.1.1/a:443", "dns:a:443", "dns:///[::1]", "ipv4:10.0.0.1:1,10.0.0.2:1"),
    ],
)
def test_addresses_of_every_kind(server: str) -> None:
    assert ClientConfig(server=server).server == server
    with pytest.raises(TypeError, match="HOST:PORT; got int"):
        Client(50051)  # type: ignore[arg-type]


def test_a_dead_connection_is_noticed_and_deadlines_are_left_to_calls() -> None:
    options = dict(channel_options(ClientConfig()))
    assert options["grpc.http2.ping_timeout_ms"] == options["grpc.keepalive_timeout_ms"]
    assert "timeout" not in str(options["grpc.service_config"]).lower().replace("keepalive_timeout", "")
    assert service_config(1) == {}


async def test_retries_can_be_switched_off(script: Script) -> None:
    script.refusals = [Refusal(grpc.StatusCode.UNAVAILABLE)]
    async with AsyncClient(script.address, max_attempts=1) as client:
        with pytest.raises(ServerUnavailableError):
            await client.explain("m", TASK)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "pair", [("k", "é"), ("k", "a\nb"), ("k", b"bytes"), ("x-request-id", "\ud800")], ids=ascii
)
def test_metadata_that_cannot_be_sent_is_named(pair: tuple[str, str | bytes]) -> None:
    with pytest.raises(ValueError, match=f"metadata '{pair[0]}'"), Client() as client:
        client.explain("m", TASK, metadata=[pair])


async def certificate(folder: Path) -> tuple[bytes, bytes]:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(folder / "key"), "-out", str(folder / "cert")),
    ]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    assert await process.wait() == 0
    return (folder / "key").read_bytes(), (folder / "cert").read_bytes()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl")
async def test_tls_and_a_token_cross_the_wire(tmp_path: Path) -> None:
    key, cert = await certificate(tmp_path)
    script = Script()
    async with running(script, grpc.ssl_server_credentials([(key, cert)])):
        trusted = TlsConfig(root_certificates=cert)
        async with AsyncClient(script.address, tls=trusted, token="secret") as client:
            await client.explain("m", TASK)

        def blocking() -> None:
            with Client(script.address, tls=trusted, token="secret") as client:
                client.explain("m", TASK)

        await asyncio.to_thread(blocking)
        async with AsyncClient(script.address, token="secret", max_attempts=1) as stranger:
            with pytest.raises(ServerUnavailableError):
                await stranger.explain("m", TASK)
    assert [seen["authorization"] for seen in script.metadata] == ["Bearer secret"] * 2
