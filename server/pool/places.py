"""The places of the workers: who may take one, and who has it."""

from collections import Counter
from collections.abc import Iterable

from ligserve.server.pool.handle import WorkerHandle
from ligserve.server.pool.job import Job

# Long jobs take at most this share of a worker's places (at least one), so that others never wait for the end
# of one; in the engine they have their turns beside each other.
LONG_SHARE = 0.75


class Places:
    """Counts what each worker has. Jobs that compute, and jobs that do not, have places of their own.

    Attributes:
        of_worker: how many jobs of a kind a worker takes.
        for_long: how many of them may be long.
    """

    def __init__(self, of_worker: int) -> None:
        self.of_worker = of_worker
        self.for_long = max(1, int(LONG_SHARE * of_worker))
        # By worker, whether they compute, and whether they are long.
        self._taken: Counter[tuple[WorkerHandle, bool, bool]] = Counter()
        self._holders: dict[Job, WorkerHandle] = {}

    def taken(self, worker: WorkerHandle, *, computes: bool) -> int:
        """How many jobs of a kind a worker has."""
        return sum(self._taken[worker, computes, long] for long in (False, True))

    def long_left(self, worker: WorkerHandle, *, computes: bool) -> int:
        """How many more long ones it may take, others permitting."""
        return self.for_long - self._taken[worker, computes, True]

    def at_work(self, workers: Iterable[WorkerHandle]) -> Counter[bool]:
        """How many jobs that compute the workers have, by whether they are long."""
        found = Counter[bool]()
        for worker in workers:
            found.update({long: self._taken[worker, True, long] for long in (False, True)})
        return found

    def free(self, worker: WorkerHandle, *, computes: bool, long: bool) -> bool:
        """Whether there is a place for such a job."""
        if self.taken(worker, computes=computes) >= self.of_worker:
            return False
        return not long or self.long_left(worker, computes=computes) > 0

    def take(self, worker: WorkerHandle, job: Job) -> None:
        """Give a job a place."""
        self._holders[job] = worker
        self._taken[worker, job.computes, job.long] += 1

    def leave(self, job: Job) -> bool:
        """Take a job's place away; whether it had one."""
        worker = self._holders.pop(job, None)
        if worker is None:
            return False
        place = worker, job.computes, job.long
        self._taken[place] -= 1
        if not self._taken[place]:
            del self._taken[place]
        return True
