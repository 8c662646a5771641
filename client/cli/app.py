"""The application: its commands, and what it does when one fails."""

import contextlib
import os
import sys
from typing import Annotated

import typer

from ligserve.client.channel import client_version
from ligserve.client.cli.explain import explain
from ligserve.client.cli.models import models
from ligserve.client.errors import LigserveError, ServerUnavailableError
from ligserve.client.rendering.pieces import printable
from ligserve.server.command import serve

FAILED = 1
# What a shell reports for a process that Ctrl-C ended: 128 + SIGINT.
INTERRUPTED = 130

app = typer.Typer(
    name="ligserve",
    help="Explains predictions of Hugging Face transformers, token by token, from a server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ligserve {client_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Explains predictions of Hugging Face transformers, token by token, from a server."""


app.command()(explain)
app.command()(models)
# Its module is always there and imports nothing heavy; it says itself what to install where that is missing.
app.command()(serve)


def main() -> None:
    """Run the command line; the entry point `ligserve`."""
    _tolerate_unprintable_characters()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # Python would complain when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except (LigserveError, OSError) as error:
        typer.echo(f"ligserve: {_one_line(error)}", err=True)
        sys.exit(FAILED)


def _one_line(error: Exception) -> str:
    line = " ".join(printable(str(error)).split()) or type(error).__name__
    if isinstance(error, ServerUnavailableError) and "connect" in line:
        return f"no server answers ({line}); start one with `ligserve serve`, or name it with --server"
    return line


def _tolerate_unprintable_characters() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
