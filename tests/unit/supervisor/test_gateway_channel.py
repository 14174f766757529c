"""Questions and answers over the socket pair."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from llm_router.supervisor.gateway_channel import GatewayChannel, GatewaySilent

Far = tuple[GatewayChannel, asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def far() -> AsyncIterator[Far]:
    """A channel with the test at its far end."""
    channel = GatewayChannel.create()
    reader, writer = await asyncio.open_connection(sock=channel.far.dup())
    channel.far.close()
    yield channel, reader, writer
    channel.close()
    writer.close()


async def read(reader: asyncio.StreamReader) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await reader.readline())
    return message


async def test_answers_find_their_questions(far: Far) -> None:
    """Whatever their order."""
    channel, reader, writer = far
    first = asyncio.ensure_future(channel.ask("stats"))
    second = asyncio.ensure_future(channel.ask("configure", plan={"a": 1}))
    messages = [await read(reader), await read(reader)]
    assert messages == [{"id": 1, "op": "stats"}, {"id": 2, "op": "configure", "plan": {"a": 1}}]
    writer.write(b'{"op": "ready"}\n{"id": 2, "ok": true, "problems": []}\n{"id": 1, "ok": true, "in_flight": 3}\n')
    assert (await first, await second) == (
        {"id": 1, "ok": True, "in_flight": 3},
        {"id": 2, "ok": True, "problems": []},
    )
    assert channel.ready.is_set()


async def test_refusals_and_silence(far: Far) -> None:
    """A refusal, a missing answer and a closed channel each raise with a reason."""
    channel, reader, writer = far
    refused = asyncio.ensure_future(channel.ask("configure"))
    await read(reader)
    writer.write(b'{"id": 1, "ok": false, "error": "bad plan"}\n')
    with pytest.raises(GatewaySilent, match="the gateway refused `configure`: bad plan"):
        await refused
    with pytest.raises(GatewaySilent, match=r"the gateway did not answer `stats` within 0\.05 s"):
        await channel.ask("stats", limit=0.05)
    pending = asyncio.ensure_future(channel.ask("stats"))
    await read(reader)
    await read(reader)
    writer.close()
    with pytest.raises(GatewaySilent, match="the gateway's control channel is closed"):
        await pending
    assert channel.closed
    with pytest.raises(GatewaySilent, match="the gateway's control channel is closed"):
        await channel.ask("stats")
