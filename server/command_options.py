"""The options of `ligserve serve`, each with the help that a reader can work from.

None stands for "not given", so that the file and the environment count.
"""

from pathlib import Path
from typing import Annotated

import typer

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
        metavar="HOST:PORT", help="Where to listen; port 0 takes a free one. Default: 127.0.0.1:50051."
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Worker processes, each with one device and every model. Default: 1.")
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
        help="TOML file with any of the settings. Environment variables (LIGSERVE_LISTEN, "
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
        "fast, tried out when it is loaded.",
    ),
]
KeptPointsMib = Annotated[
    int | None,
    typer.Option(
        help="Memory for each model of a worker, in MiB, that keeps points of earlier requests: asking again "
        "about the same input costs less, or nothing. 0 keeps none. Default: 64."
    ),
]
JobsPerWorker = Annotated[
    int | None, typer.Option(help="Most requests that one worker works on at a time. Default: 16.")
]
MaxQueue = Annotated[
    int | None, typer.Option(help="Most requests that wait; more are refused. Default: 256.")
]
MaxTextChars = Annotated[
    int | None, typer.Option(help="Longest text that is taken, in characters. Default: 1000000.")
]
MaxTokenPasses = Annotated[
    int | None,
    typer.Option(
        help="Most token passes (tokens x passes, forward and backward) that one request may be expected to "
        "cost; `ligserve explain --estimate` tells a request's. Default: no limit."
    ),
]
MaxDeadline = Annotated[
    float | None, typer.Option(help="Longest time that a request may take, in seconds. Default: 600.")
]
DrainGrace = Annotated[
    float | None,
    typer.Option(help="Time that requests in flight have to finish after SIGTERM, in seconds. Default: 30."),
]
Reflection = Annotated[
    bool | None, typer.Option(help="Let tools such as grpcurl ask which methods there are. Default: no.")
]
JsonLogs = Annotated[bool | None, typer.Option(help="Log lines are JSON. Default: no.")]
LogLevel = Annotated[
    str | None,
    typer.Option(help="Least level that is logged: debug, info, warning, error. Default: info."),
]
