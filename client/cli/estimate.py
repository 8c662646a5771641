"""`ligserve explain --estimate`."""

import json

import typer

from ligserve.client.rendering.estimate import estimate_lines
from ligserve.client.types.estimate import CostEstimate


def tell_cost(estimate: CostEstimate, *, as_json: bool) -> None:
    """Print what a request would cost."""
    if as_json:
        typer.echo(json.dumps(estimate.to_dict(), indent=2))
        return
    for line in estimate_lines(estimate):
        typer.echo(line)
