"""Options that several commands share."""

from typing import Annotated

import typer

from ligserve.client.address import check_address
from ligserve.client.channel import DEFAULT_SERVER
from ligserve.client.errors import InvalidRequestError
from ligserve.client.options import check_timeout

SERVER_VARIABLE = "LIGSERVE_SERVER"

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def _seconds(seconds: float) -> float:
    try:
        check_timeout(seconds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return seconds


def _address(server: str) -> str:
    try:
        check_address(server)
    except ValueError as error:
        # Typer's own box would break the sentence into lines.
        raise InvalidRequestError(str(error)) from error
    return server


Server = Annotated[
    str,
    typer.Option(
        "--server", envvar=SERVER_VARIABLE, callback=_address, help="Address of the server, HOST:PORT."
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        callback=_seconds,
        show_default=True,
        help="Seconds to wait for the answer; Ctrl-C ends it.",
    ),
]
# A report of 50 pages takes minutes on a CPU, and by default no server gives more.
PATIENCE_S = 600.0

__all__ = ["DEFAULT_SERVER", "PATIENCE_S", "AsJson", "Server", "Timeout"]
