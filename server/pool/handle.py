"""The seam between the front and whatever runs workers: one worker, and what starts workers."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from ligserve.internal.v1 import frames_pb2
from ligserve.v1 import model_service_pb2 as model_pb


class WorkerStartError(Exception):
    """A worker could not start; the message is one line for the operator."""


class WorkerLostError(Exception):
    """The worker died, or its connection did."""


class WorkerHandle(Protocol):
    """A worker that has loaded its models. It runs several jobs at a time."""

    @property
    def id(self) -> str:
        """Identifier, such as "worker-0"."""

    @property
    def device(self) -> str:
        """Device, such as "cpu"."""

    @property
    def models(self) -> Sequence[model_pb.Model]:
        """The models that it holds."""

    @property
    def alive(self) -> bool:
        """Whether it takes jobs; false from the very moment that its death is seen."""

    def run(self, order: frames_pb2.RunJob) -> AsyncGenerator[frames_pb2.JobEvent, None]:
        """What the worker says of a job, as it comes.

        Closing the generator cancels the job and waits until it has ended.

        Args:
            order: the job; its job_id is filled in here.

        Raises:
            WorkerLostError: the worker died.
            RemoteError: the job failed.
        """

    async def kill(self) -> None:
        """End the worker now, whatever it does."""

    async def wait_lost(self) -> None:
        """Wait until the worker is of no more use."""

    async def close(self) -> str:
        """Let the worker end, kill it if it does not; tells how it ended, such as "exit code -9"."""


class Backend(Protocol):
    """Starts workers."""

    async def start(self) -> None:
        """Get ready to spawn."""

    async def spawn(self, worker_id: str, device: str) -> WorkerHandle:
        """Start a worker and wait until its models are loaded.

        Raises:
            WorkerStartError: it cannot serve, or died before it could.
        """

    async def close(self) -> None:
        """Give back what start took."""
