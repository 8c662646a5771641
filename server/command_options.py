"""The options of `ligserve serve`, each with the help that a reader can work from.

None stands for "not given", so that the file and the environment count.
"""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from ligserve.server.config import ServerConfig
from ligserve.server.config_values import LOG_LEVELS

_DEFAULTS = {field.name: field.default for field in fields(ServerConfig)}


def _with_default(text: str, setting: str) -> str:
    """The help of an option, with the default of its setting as it is."""
    value = _DEFAULTS[setting]
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return f"{text} Default: {value:g}." if isinstance(value, float) else f"{text} Default: {value}."


Models = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=PATH_OR_ID[@REVISION]",
        help="A model to serve: its name, and a local directory or hub id. Repeat it for more models.",
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help=_with_default("Where to listen; port 0 takes a free one.", "listen")
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(help=_with_default("Worker processes, each with one device and every model.", "workers")),
]
Devices = Annotated[
    str | None,
    typer.Option(
        metavar="auto|cpu|cuda:0,...",
        help="Devices, shared out to the workers in turn. Default: auto, every GPU or else the CPU.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="TOML file with any of the settings, and those of single models, such as the precisions "
        "that may be asked for. Environment variables (LIGSERVE_LISTEN, "
        "LIGSERVE_WORKERS, ...) go before it, and these options before both.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(help="Threads of each worker. Default: cores / workers; more than cores is far slower."),
]
TokenBudget = Annotated[
    int | None,
    typer.Option(
        help="Most tokens (rows x padded length) in a batch. Default: as many as each model needs to be "
        "fast, tried out when it is loaded. Where memory runs out, a worker halves a model's for good, until "
        "it is started again.",
    ),
]
KeptPointsMib = Annotated[
    int | None,
    typer.Option(
        help=_with_default(
            "Memory for each model of a worker, in MiB, that keeps points of earlier requests: asking again "
            "about the same input costs less, or nothing. 0 keeps none.",
            "kept_points_mib",
        )
    ),
]
JobsPerWorker = Annotated[
    int | None,
    typer.Option(
        help=_with_default(
            "Most requests that one worker works on at a time; at most three quarters of them are "
            "long texts, so that others find a place.",
            "jobs_per_worker",
        )
    ),
]
MaxQueue = Annotated[
    int | None, typer.Option(help=_with_default("Most requests that wait; more are refused.", "max_queue"))
]
MaxTextChars = Annotated[
    int | None,
    typer.Option(help=_with_default("Longest text that is taken, in characters.", "max_text_chars")),
]
MaxTokenPasses = Annotated[
    int | None,
    typer.Option(
        help="Most token passes (tokens x passes, forward and backward) that one request may be expected to "
        "cost; `ligserve explain --estimate` tells a request's. Default: no limit."
    ),
]
MaxDeadline = Annotated[
    float | None,
    typer.Option(help=_with_default("Longest time that a request may take, in seconds.", "max_deadline_s")),
]
DrainGrace = Annotated[
    float | None,
    typer.Option(
        help=_with_default(
            "Time that requests in flight have to finish after SIGTERM, in seconds.", "drain_grace_s"
        )
    ),
]
Reflection = Annotated[
    bool | None,
    typer.Option(help=_with_default("Let tools such as grpcurl ask which methods there are.", "reflection")),
]
JsonLogs = Annotated[bool | None, typer.Option(help=_with_default("Log lines are JSON.", "json_logs"))]
LogLevel = Annotated[
    str | None,
    typer.Option(help=_with_default(f"Least level that is logged: {', '.join(LOG_LEVELS)}.", "log_level")),
]
