"""One Redis for the whole run, and a store of each kind on it, each with names of its own."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.redis_server import RedisServer, running

from llm_router.home import Home
from llm_router.state.checkpoint import Keeper
from llm_router.state.memory import MemoryStore
from llm_router.state.port import StateStore


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.needs("redis"))])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateStore]:
    """A store that keeps the contract, opened."""
    made: StateStore
    if request.param == "memory":
        home = Home(tmp_path / ".router")
        home.create()
        made = MemoryStore(Keeper(home))
    else:
        from llm_router.state.link import connect
        from llm_router.state.redis import RedisOptions, RedisStore

        server: RedisServer = request.getfixturevalue("redis_server")
        made = RedisStore(connect(server.url, None), options=RedisOptions(prefix=uuid.uuid4().hex))
    await made.open()
    try:
        yield made
    finally:
        await made.close()
