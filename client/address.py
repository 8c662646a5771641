"""Whether an address can be one: gRPC itself says so late, and as if the server were down."""

from typing import Final

# Name resolvers of gRPC whose targets do not end with a port of TCP.
_OTHER_TARGETS: Final = ("unix:", "unix-abstract:", "vsock:", "xds:", "ipv4:", "ipv6:")
_DNS: Final = "dns:"
_LAST_PORT: Final = 65535


def check_address(server: str) -> None:
    """Refuse an address that no server can have.

    Args:
        server: HOST:PORT, or a target of gRPC such as "dns:///HOST:PORT" or "unix:PATH".

    Raises:
        TypeError: it is not a string.
        ValueError: it is a URL, or its host or port is missing or wrong.
    """
    if not isinstance(server, str):
        raise TypeError(f"server must be an address, such as HOST:PORT; got {type(server).__name__}")
    if server.startswith(_OTHER_TARGETS):
        return
    if server.startswith(_DNS):
        _check_host_and_port(server, server.removeprefix(_DNS).rpartition("/")[2], port_needed=False)
        return
    if "://" in server:
        scheme = server.partition("://")[0]
        raise _refusal(server, f"it must not start with {scheme}://")
    _check_host_and_port(server, server, port_needed=True)


def _check_host_and_port(server: str, place: str, port_needed: bool) -> None:
    has_port = ":" in place and not place.endswith("]")
    host, _, port = place.rpartition(":") if has_port else (place, "", "")
    if not host or any(character.isspace() for character in place):
        raise _refusal(server, "a host is missing" if not host else "it holds white space")
    if ":" in host and not host.startswith("["):
        raise _refusal(server, "an IPv6 address stands in brackets, such as [::1]:50051")
    if has_port or port_needed:
        _check_port(server, port)


def _check_port(server: str, port: str) -> None:
    if not port:
        raise _refusal(server, "the port is missing")
    # The length first: int() refuses thousands of digits with an error of its own.
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= _LAST_PORT):
        raise _refusal(server, f"the port must be a number from 0 to {_LAST_PORT}")


def _refusal(server: str, problem: str) -> ValueError:
    return ValueError(f"server must be an address, such as HOST:PORT; got {server!r}: {problem}")
