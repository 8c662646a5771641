from collections.abc import AsyncIterator

import pytest

from ligserve.client import AsyncClient
from tests.client.scripted_server import Script, running


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    async with running(script):
        yield script


@pytest.fixture
async def client(script: Script) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(script.address) as client:
        yield client
