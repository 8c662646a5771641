"""The command line: `ligserve explain`, `ligserve models`, and the server's `ligserve serve`."""

from ligserve.client.cli.app import main

__all__ = ["main"]
