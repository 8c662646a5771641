"""The server's life: start the pool, listen, wait for a signal, drain."""

import sys

from ligserve.server import logs
from ligserve.server.config import ServerConfig
from ligserve.server.grpc_server import BindError, grpc_front
from ligserve.server.pool.handle import Backend, WorkerStartError
from ligserve.server.pool.local import LocalBackend
from ligserve.server.pool.pool import WorkerPool
from ligserve.server.signals import StartInterruptedError, StopSignals

_log = logs.logger("ligserve.app")


async def serve(config: ServerConfig, *, backend: Backend | None = None) -> int:
    """Serve until SIGTERM or SIGINT; a second signal ends calls in flight at once.

    Prints one line on standard output when it can answer; everything else goes to standard error.

    Args:
        config: every setting.
        backend: starts the workers; default: processes of this machine.

    Returns:
        The exit code: 0, or 1 if the server could not start.
    """
    logs.configure_logs(json_logs=config.json_logs, level=config.log_level)
    with StopSignals() as signals:
        try:
            await _serve(config, backend or LocalBackend(config), signals)
        except StartInterruptedError:
            _log.info("stopped before it was ready")
        except (WorkerStartError, BindError) as error:
            # A worker's message may have several lines; an operator wants one.
            print(f"ligserve: {' '.join(str(error).split())}", file=sys.stderr, flush=True)  # noqa: T201
            return 1
    return 0


async def _serve(config: ServerConfig, backend: Backend, signals: StopSignals) -> None:
    pool = WorkerPool(backend, config.device_of_each_worker)
    async with pool, grpc_front(config, pool) as front:
        await signals.or_interrupt(pool.wait_started())
        print(f"ligserve ready on {front.address}", flush=True)  # noqa: T201
        await signals.stop.wait()
        _log.info("draining", grace_s=config.drain_grace_s)
        await front.drain(config.drain_grace_s, force=signals.force)
    _log.info("stopped")
