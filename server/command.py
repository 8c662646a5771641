"""`ligserve serve`: the command line of the server. Nothing heavy is imported until it runs."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import typer

from ligserve.server import command_options as options
from ligserve.server.config import ConfigError, load_config

_MISSING_EXTRA = 'the server is not installed; run: pip install "ligserve[server]"'


def serve(
    model: options.Models = None,
    listen: options.Listen = None,
    workers: options.Workers = None,
    device: options.Devices = None,
    config: options.ConfigFile = None,
    threads: options.Threads = None,
    token_budget: options.TokenBudget = None,
    kept_points_mib: options.KeptPointsMib = None,
    jobs_per_worker: options.JobsPerWorker = None,
    max_queue: options.MaxQueue = None,
    max_text_chars: options.MaxTextChars = None,
    max_token_passes: options.MaxTokenPasses = None,
    max_deadline: options.MaxDeadline = None,
    drain_grace: options.DrainGrace = None,
    reflection: options.Reflection = None,
    json_logs: options.JsonLogs = None,
    log_level: options.LogLevel = None,
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
        "kept_points_mib": kept_points_mib,
        "jobs_per_worker": jobs_per_worker,
        "max_queue": max_queue,
        "max_text_chars": max_text_chars,
        "max_token_passes": max_token_passes,
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
