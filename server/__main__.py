"""`python -m ligserve.server` is `ligserve serve`."""

import typer

from ligserve.server.command import serve

if __name__ == "__main__":
    typer.run(serve)
