"""`ligserve models`."""

import json

import typer
from rich.table import Table
from rich.text import Text

from ligserve.client.cli.options import DEFAULT_SERVER, AsJson, Server, Timeout
from ligserve.client.cli.output import show
from ligserve.client.rendering.pieces import printable
from ligserve.client.sync import Client
from ligserve.client.types.enums import LongInputPolicy
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
    columns = ("name", "architecture", "labels", "tokens", "explainers", "long texts", "revision")
    table = Table(*columns, box=None, pad_edge=False)
    for model in found:
        cells = (
            model.name,
            model.architecture,
            ", ".join(model.labels),
            str(model.max_tokens or "no limit"),
            ", ".join(support.explainer for support in model.explainers),
            _long_texts(model),
            model.revision[:12],
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _long_texts(model: Model) -> str:
    """What can be done with texts that are longer than the model takes; once where it is always the same."""
    taken = {
        support.explainer: ", ".join(policy for policy in LongInputPolicy if support.takes(policy))
        for support in model.explainers
        if support.long_inputs
    }
    if len(set(taken.values())) == 1:
        return next(iter(taken.values()))
    return "; ".join(f"{explainer}: {policies}" for explainer, policies in taken.items())
