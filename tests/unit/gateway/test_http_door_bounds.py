"""A connection whose request never gets complete is hung up on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from support.rawhttp import line_to
from uvicorn.server import ServerState

from llm_router.gateway.http_door import Door


class Impatient(Door):
    """A door that waits a moment only."""

    head_seconds = 0.1


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer everything with two bytes."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_keep_alive=60)
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Impatient(config, state, {}), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTT", b"GET / HTTP/1.1\r\nhost: x\r\n"], ids=["none", "line", "head"])
async def test_a_head_that_does_not_come(port: int, begun: bytes):
    """The first request of a connection has so long, and no longer."""
    async with line_to(port) as line:
        await line.write(begun)
        assert await line.end() == b""


async def test_a_second_head_that_stops(port: int):
    """So has every further one, from its first byte on."""
    async with line_to(port) as line:
        assert (await line.ask("GET", "/")).body == b"ok"
        await line.write(b"GET / HTTP/1.1\r\n")
        assert await line.end() == b""


async def test_between_requests_a_client_may_rest(port: int):
    """A connection that has been served is kept for as long as uvicorn keeps it."""
    async with line_to(port) as line:
        for _ in range(3):
            assert (await line.ask("GET", "/")).body == b"ok"
            done, _ = await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.15)
            assert not done
