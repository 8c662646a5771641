"""How much memory this process can still take."""

import math
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


class _Names(NamedTuple):
    """Of a cgroup's files, and of the page cache among what is used: it gives way."""

    limit: str
    used: str
    cache: str


_FIRST = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_SECOND = _Names("memory.max", "memory.current", "inactive_file")


def free_memory(device: torch.device) -> float:
    """Bytes that this process can still take on a device; infinite where nothing tells."""
    if device.type == "cuda":
        return _free_on_gpu(device)
    return max(0.0, min([_free_addresses(), _available(), *cgroups_room()]))


def own_memory(device: torch.device) -> float:
    """Bytes that this process has taken on a device."""
    if device.type == "cuda":
        return float(torch.cuda.memory_allocated(device))
    return float(_pages(1) * resource.getpagesize())


def _free_on_gpu(device: torch.device) -> float:
    """What nobody has, and what torch has and does not use."""
    free, total = torch.cuda.mem_get_info(device)
    used = torch.cuda.memory_allocated(device)
    room = free + torch.cuda.memory_reserved(device) - used
    # Not in every torch that is good enough.
    fraction = getattr(torch.cuda, "get_per_process_memory_fraction", lambda device: 1.0)
    return float(max(0.0, min(room, fraction(device) * total - used)))


def _free_addresses() -> float:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return math.inf
    return most - _pages(0) * resource.getpagesize()


def _pages(column: int) -> int:
    """Of this process: 0, all that it has addresses of; 1, those in memory."""
    return int((_PROC / "self/statm").read_text().split()[column])


def _available() -> float:
    """What the kernel thinks it can give without swapping."""
    try:
        lines = (_PROC / "meminfo").read_text().splitlines()
    except OSError:
        return math.inf
    return next(
        (1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), math.inf
    )


def cgroups_room(root: Path = _CGROUPS, proc: Path = _PROC) -> Iterator[float]:
    """What is left of the limit of every cgroup that this process is in.

    Args:
        root: where cgroups are mounted.
        proc: where processes are.
    """
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, names = (root / "memory", _FIRST) if controllers else (root, _SECOND)
        folder = top / path.lstrip("/")
        # A container may see its own cgroup as the root, and still be told the path outside.
        for each in (folder, *folder.parents):
            if each.is_relative_to(top) and (each / names.limit).exists():
                yield _room(each, names)


def _room(folder: Path, names: _Names) -> float:
    limit = (folder / names.limit).read_text().strip()
    if limit == "max":
        return math.inf
    used = int((folder / names.used).read_text())
    rows = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return float(int(limit) - used + next((int(value) for name, value in rows if name == names.cache), 0))
