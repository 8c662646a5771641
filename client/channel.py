"""How a client reaches its server: address, TLS, token, deadlines, retries, limits."""

import json
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import grpc
import grpc.aio

from ligserve.client.address import check_address
from ligserve.client.options import Metadata, check_timeout

DEFAULT_SERVER: Final = "127.0.0.1:50051"
DEFAULT_TIMEOUT_S: Final = 60.0
# The longest text that a server takes by default, or the scores of some hundred thousand tokens.
DEFAULT_MAX_MESSAGE_BYTES: Final = 64 << 20
KEEPALIVE_TIME_MS: Final = 30_000
KEEPALIVE_TIMEOUT_MS: Final = 10_000

DEFAULT_MAX_ATTEMPTS: Final = 3
# gRPC takes no more than this many for its own maximum, and silently uses that in place of a larger number.
MOST_ATTEMPTS: Final = 5
SERVICES: Final = ("ligserve.v1.ExplanationService", "ligserve.v1.ModelService")


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """TLS with certificates of one's own.

    Attributes:
        root_certificates: PEM of the authorities to trust; None: the system's.
        private_key: PEM of this client's key, where the server asks for one.
        certificate_chain: PEM of this client's certificate.
        server_name: name to expect in the server's certificate, where it is not the address.
    """

    root_certificates: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)
    certificate_chain: bytes | None = None
    server_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Everything a client is told once.

    Attributes:
        server: gRPC target, such as "127.0.0.1:50051" or "dns:///ligserve.internal:443".
        tls: None: on if and only if a token is given; True or False; or certificates of one's own.
        token: sent as "authorization: Bearer ..." with every call.
        timeout: seconds for calls that give none; None: no deadline.
        metadata: sent with every call.
        max_message_bytes: largest message sent or received.
        max_attempts: attempts at a call that the server answers with UNAVAILABLE, 1 to 5; a stream is
            tried again only before its first message.

    Raises:
        TypeError: the address or the timeout is of the wrong type.
        ValueError: the address cannot be one, or the timeout or a limit is out of range.
    """

    server: str = DEFAULT_SERVER
    tls: TlsConfig | bool | None = None
    token: str | None = field(default=None, repr=False)
    timeout: float | None = DEFAULT_TIMEOUT_S
    metadata: Metadata = ()
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    max_attempts: int = DEFAULT_MAX_ATTEMPTS

    def __post_init__(self) -> None:
        check_timeout(self.timeout)
        check_address(self.server)
        if self.max_message_bytes < 1:
            raise ValueError(f"max_message_bytes must be above 0, is {self.max_message_bytes}")
        if not 1 <= self.max_attempts <= MOST_ATTEMPTS:
            raise ValueError(f"max_attempts must be 1 to {MOST_ATTEMPTS}, is {self.max_attempts}")

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return self.token is not None if self.tls is None else self.tls is not False


def service_config(max_attempts: int) -> dict[str, object]:
    """The retries of a channel, as gRPC's service config.

    It sets no "timeout": gRPC starts that clock too early. Deadlines are given with each call.
    """
    if max_attempts == 1:
        return {}
    policy = {
        "maxAttempts": max_attempts,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    names = [{"service": service} for service in SERVICES]
    return {"methodConfig": [{"name": names, "retryPolicy": policy}]}


def channel_options(config: ClientConfig) -> list[tuple[str, str | int]]:
    """The options of a channel to the server."""
    options: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(service_config(config.max_attempts))),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        # keepalive_timeout alone leaves a black-holed connection open for a minute.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.primary_user_agent", f"ligserve-python/{client_version()}"),
    ]
    if isinstance(config.tls, TlsConfig) and config.tls.server_name is not None:
        options.append(("grpc.ssl_target_name_override", config.tls.server_name))
    return options


def open_channel(config: ClientConfig) -> grpc.Channel:
    """A channel for blocking calls; it connects at the first call."""
    options = channel_options(config)
    if config.secure:
        return grpc.secure_channel(config.server, _credentials(config), options)
    return grpc.insecure_channel(config.server, options)


def open_aio_channel(config: ClientConfig) -> grpc.aio.Channel:
    """A channel for asyncio; it connects at the first call."""
    options = channel_options(config)
    if config.secure:
        return grpc.aio.secure_channel(config.server, _credentials(config), options)
    return grpc.aio.insecure_channel(config.server, options)


def client_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("ligserve")
    except PackageNotFoundError:
        return "unknown"


def _credentials(config: ClientConfig) -> grpc.ChannelCredentials:
    if not isinstance(config.tls, TlsConfig):
        return grpc.ssl_channel_credentials()
    tls = config.tls
    return grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate_chain)
