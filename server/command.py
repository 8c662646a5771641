"""`ligserve serve`: the command line of the server. Nothing heavy is imported until it runs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ligserve.server.config import ConfigError, load_config

_MISSING_EXTRA = 'the server is not installed; run: pip install "ligserve[server]"'


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH_OR_ID[@REVISION]",
            help="A model to serve: its name, and a local directory or hub id. Repeat it for more models.",
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where to listen; port 0 takes a free one. Default: 127.0.0.1:50051."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Worker processes, each with one device and every model. Default: 1.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="auto|cpu|cuda:0,...",
            help="Devices, shared out to the workers in turn. Default: auto, every GPU or else the CPU.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="TOML file with any of the settings. Environment variables (LIGSERVE_LISTEN, "
            "LIGSERVE_WORKERS, ...) go before it, and these options before both.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of each worker. Default: cores / workers; more than cores is far slower."),
    ] = None,
    token_budget: Annotated[
        int | None, typer.Option(help="Most tokens (rows x padded length) in a batch. Default: measured.")
    ] = None,
    jobs_per_worker: Annotated[
        int | None, typer.Option(help="Most requests that one worker works on at a time. Default: 16.")
    ] = None,
    max_queue: Annotated[
        int | None, typer.Option(help="Most requests that wait; more are refused. Default: 256.")
    ] = None,
    max_text_chars: Annotated[
        int | None, typer.Option(help="Longest text that is taken, in characters. Default: 1000000.")
    ] = None,
    max_deadline: Annotated[
        float | None, typer.Option(help="Longest time that a request may take, in seconds. Default: 600.")
    ] = None,
    drain_grace: Annotated[
        float | None,
        typer.Option(
            help="Time that requests in flight have to finish after SIGTERM, in seconds. Default: 30."
        ),
    ] = None,
    reflection: Annotated[
        bool | None, typer.Option(help="Let tools such as grpcurl ask which methods there are. Default: no.")
    ] = None,
    json_logs: Annotated[bool | None, typer.Option(help="Log lines are JSON. Default: no.")] = None,
    log_level: Annotated[
        str | None,
        typer.Option(help="Least level that is logged: debug, info, warning, error. Default: info."),
    ] = None,
) -> None:
    """Explain models over gRPC until SIGTERM or Ctrl-C.

    Prints "ligserve ready on HOST:PORT" when it can answer; logs go to standard error.

    Example: ligserve serve --model sentiment=distilbert-base-uncased-finetuned-sst-2-english
    """
    flags = {
        "models": model or None,
        "listen": listen,
        "workers": workers,
        "devices": device,
        "threads_per_worker": threads,
        "token_budget": token_budget,
        "jobs_per_worker": jobs_per_worker,
        "max_queue": max_queue,
        "max_text_chars": max_text_chars,
        "max_deadline_s": max_deadline,
        "drain_grace_s": drain_grace,
        "reflection": reflection,
        "json_logs": json_logs,
        "log_level": log_level,
    }
    raise typer.Exit(_run(flags, config))


def _run(flags: Mapping[str, object], config_file: Path | None) -> int:
    try:
        settings = load_config(flags, config_file=config_file)
    except ConfigError as error:
        return _complain(str(error))
    try:
        from ligserve.server.app import serve as serve_until_stopped
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ligserve"):
            raise
        return _complain(_MISSING_EXTRA)
    return asyncio.run(serve_until_stopped(settings))


def _complain(sentence: str) -> int:
    typer.echo(f"ligserve: {sentence}", err=True)
    return 1
