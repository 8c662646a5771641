"""Options that several commands share."""

from typing import Annotated

import typer

from ligserve.client.channel import DEFAULT_SERVER

SERVER_VARIABLE = "LIGSERVE_SERVER"

Server = Annotated[
    str, typer.Option("--server", envvar=SERVER_VARIABLE, help="Address of the server, HOST:PORT.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds to wait for the answer.")]

__all__ = ["DEFAULT_SERVER", "AsJson", "Server", "Timeout"]
