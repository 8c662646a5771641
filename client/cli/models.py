"""`ligserve models`."""

import json

import typer
from rich.table import Table
from rich.text import Text

from ligserve.client.cli.options import DEFAULT_SERVER, AsJson, Server, Timeout
from ligserve.client.cli.output import show
from ligserve.client.rendering.pieces import printable
from ligserve.client.sync import Client
from ligserve.client.types.models import Model

TIMEOUT_S = 10.0


def models(server: Server = DEFAULT_SERVER, as_json: AsJson = False, timeout: Timeout = TIMEOUT_S) -> None:
    """Lists the server's models.

    Example: `ligserve models --server 127.0.0.1:50051`
    """
    with Client(server, timeout=timeout) as client:
        found = client.models()
    if as_json:
        typer.echo(json.dumps([model.to_dict() for model in found], indent=2))
    else:
        show(_table(found))


def _table(found: tuple[Model, ...]) -> Table:
    table = Table(
        "name", "architecture", "labels", "tokens", "explainers", "revision", box=None, pad_edge=False
    )
    for model in found:
        cells = (
            model.name,
            model.architecture,
            ", ".join(model.labels),
            str(model.max_tokens or "no limit"),
            ", ".join(support.explainer for support in model.explainers),
            model.revision[:12],
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
