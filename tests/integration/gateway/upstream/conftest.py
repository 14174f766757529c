"""The seam to upstreams is tested on both event loops: asyncio's own and the one that the gateway runs on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from llm_router.gateway.upstream import UpstreamClient


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test here runs once on each."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[UpstreamClient]:
    """A client that is closed behind the test."""
    held = UpstreamClient()
    yield held
    await held.close()
