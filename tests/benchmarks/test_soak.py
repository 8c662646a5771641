from pathlib import Path

from benchmarks.soak.cancels import soak_cancels
from benchmarks.soak.models import write_models
from benchmarks.soak.requests import soak_requests


async def test_mixed_requests_end_as_they_should_and_cancelled_ones_cost_little(tmp_path: Path) -> None:
    models, log = write_models(tmp_path), tmp_path / "server.log"
    asking = await soak_requests(models, log, requests=30, clients=4)
    assert asking.unexpected == 0, str(asking)
    assert sum(asking.ended.values()) == 30
    assert asking.lived

    cancelled = await soak_cancels(models, log, cancels=30, clients=4)
    assert cancelled.lived
    assert cancelled.cancelled == 30
    assert cancelled.counts["late_points"] == 0
    assert 0 <= cancelled.counts["cancelled_points"] <= cancelled.spent
    assert cancelled.saved > 0
