"""The server's configuration: one frozen object, from defaults < TOML file < environment < flags."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ligserve.server import config_values as values
from ligserve.server.config_values import ModelSpec

__all__ = ["ConfigError", "ModelSpec", "ServerConfig", "load_config"]

ENVIRONMENT_PREFIX = "LIGSERVE_"
MIB = 1 << 20
# A million tokens of English have about 5 million characters.
MAX_TEXT_CHARS = 8_000_000
# That many characters of the longest kind, and room for the rest of the message.
MAX_REQUEST_BYTES = 4 * MAX_TEXT_CHARS + MIB


class ConfigError(Exception):
    """A wrong setting, in one line that names the setting and where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything that an operator can set."""

    models: tuple[ModelSpec, ...]
    listen: str = "127.0.0.1:50051"
    workers: int = 1
    # One per worker, in turn. ("auto",): every GPU, or the CPU where there is none.
    devices: tuple[str, ...] = ("auto",)
    # 0: cores // workers, so that all workers' threads together never exceed the cores.
    threads_per_worker: int = 0
    # Tokens (rows times padded length) in a batch. 0: the worker decides.
    token_budget: int = 0
    # Memory for each model of a worker: points of earlier requests, for later ones about the same input.
    kept_points_mib: int = 64
    jobs_per_worker: int = 16
    max_queue: int = 256
    max_request_bytes: int = MAX_REQUEST_BYTES
    max_text_chars: int = MAX_TEXT_CHARS
    # Token passes (rows x tokens x passes, forward and backward) that one request may be judged to cost.
    # 0: no limit; what a device does in a second differs too much for any number to fit all.
    max_token_passes: int = 0
    # Caps callers' deadlines, and is the deadline of callers that set none.
    max_deadline_s: float = 600.0
    drain_grace_s: float = 30.0
    # A client that does not read for this long loses its stream.
    write_stall_s: float = 30.0
    reflection: bool = False
    json_logs: bool = False
    log_level: str = "info"

    @property
    def threads(self) -> int:
        """Threads of each worker, at least 1."""
        return self.threads_per_worker or max(1, len(os.sched_getaffinity(0)) // self.workers)

    @property
    def device_of_each_worker(self) -> tuple[str, ...]:
        """The device of each worker, in the order of the workers."""
        devices = _visible_devices() if self.devices == ("auto",) else self.devices
        return tuple(devices[i % len(devices)] for i in range(self.workers))


def _visible_devices() -> tuple[str, ...]:
    """Every GPU that CUDA will show, or the CPU. Looks at device files: the front has no torch."""
    gpus = sum(1 for path in Path("/dev").glob("nvidia[0-9]*"))
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        gpus = min(gpus, sum(1 for name in chosen.split(",") if name.strip() not in ("", "-1")))
    return tuple(f"cuda:{i}" for i in range(gpus)) or ("cpu",)


_PARSERS: Mapping[str, values.Parser] = {
    "models": values.models,
    "listen": values.address,
    "workers": values.integer(1, 1024),
    "devices": values.devices,
    "threads_per_worker": values.integer(0, 4096),
    "token_budget": values.integer(0, 1 << 30),
    "kept_points_mib": values.integer(0, 1 << 20),
    "jobs_per_worker": values.integer(1, 10_000),
    "max_queue": values.integer(0, 1_000_000),
    "max_request_bytes": values.integer(1024, 1 << 30),
    "max_text_chars": values.integer(1, 1 << 30),
    "max_token_passes": values.token_passes,
    "max_deadline_s": values.seconds(above=0.0),
    "drain_grace_s": values.seconds(above=-1.0),
    "write_stall_s": values.seconds(above=0.0),
    "reflection": values.boolean,
    "json_logs": values.boolean,
    "log_level": values.log_level,
}


def load_config(
    flags: Mapping[str, object] | None = None,
    *,
    config_file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> ServerConfig:
    """Read and check every setting.

    Args:
        flags: settings of the command line by their names in ServerConfig; None counts as not given.
        config_file: a TOML file; default: the one that LIGSERVE_CONFIG names, if it does.
        environ: in place of the process's environment.

    Raises:
        ConfigError: a setting is wrong, unknown or missing.
    """
    environ = os.environ if environ is None else environ
    file = config_file or environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
    settings: dict[str, Any] = {}
    if file:
        _merge(settings, _read_toml(Path(file)), lambda name: f"{name} in {file}")
    _merge(settings, _from_environment(environ), lambda name: f"{ENVIRONMENT_PREFIX}{name.upper()}")
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    _merge(settings, given, _flag_name)
    if not settings.get("models"):
        raise ConfigError("models: none given; name one with --model NAME=PATH_OR_HUB_ID")
    return ServerConfig(**settings)


_FLAG_NAMES = {"models": "--model", "devices": "--device", "threads_per_worker": "--threads"}


def _flag_name(name: str) -> str:
    return _FLAG_NAMES.get(name, "--" + name.removesuffix("_s").replace("_", "-"))


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    names = [field.name for field in fields(ServerConfig)]
    keys = {name: f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in names}
    return {name: environ[key] for name, key in keys.items() if key in environ}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {path}: not TOML: {error}") from error


def _merge(settings: dict[str, Any], raw: Mapping[str, object], origin: values.Origin) -> None:
    for name, value in raw.items():
        parser = _PARSERS.get(name)
        if parser is None:
            known = ", ".join(sorted(_PARSERS))
            raise ConfigError(f"{origin(name)}: no such setting; there are {known}")
        try:
            settings[name] = parser(value)
        except ValueError as error:
            raise ConfigError(f"{origin(name)}: {error}") from error
