"""A request being answered, over ASGI messages made by hand."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from llm_router.gateway.exchange import BodyTooLarge, ClientGone, Exchange
from llm_router.routing.plan import Wire
from llm_router.wire.errors import Failure

Message = dict[str, Any]
GONE: Message = {"type": "http.disconnect"}
NO = Failure(401, "invalid_api_key", "no", should_retry=False)


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Played:
    """A server that hands out `messages`, then says nothing until it is told to go on."""

    def __init__(self, *messages: Message, headers: Sequence[tuple[bytes, bytes]] = (), method: str = "POST") -> None:
        self.left = list(messages)
        self.sent: list[Message] = []
        self.gone = asyncio.Event()
        scope = {"method": method, "path": "/v1/x", "query_string": b"a=b", "headers": list(headers)}
        self.exchange = Exchange(scope, self.receive, self.send)

    async def receive(self) -> Message:
        if self.left:
            return self.left.pop(0)
        await self.gone.wait()
        return GONE

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    def head(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def test_what_is_known_of_a_request():
    """Repeated headers are one list; a header tells an Anthropic client."""
    headers = [(b"anthropic-version", b"1"), (b"anthropic-beta", b"a"), (b"anthropic-beta", b"b"), (b"x", b"\xe9")]
    exchange = Played(headers=headers).exchange

    assert exchange.headers == {"anthropic-version": "1", "anthropic-beta": "a, b", "x": "é"}
    assert (exchange.wire, exchange.path, exchange.query, exchange.method) == (Wire.MESSAGES, "/v1/x", "a=b", "POST")
    assert Played().exchange.wire is Wire.CHAT
    assert len(exchange.request_id) == 32


async def test_a_body_in_parts():
    """It is put together in order."""
    assert await Played(part(b"a", more=True), part(b"", more=True), part(b"b")).exchange.body(2) == b"ab"
    assert await Played(part(b"ab")).exchange.body(2) == b"ab"


async def test_a_body_over_the_limit_is_not_read_whole():
    """A declared length is believed, and an undeclared body is read no further than the limit."""
    declared = Played(part(b"abc"), headers=[(b"content-length", b"3")])
    with pytest.raises(BodyTooLarge):
        await declared.exchange.body(2)
    assert len(declared.left) == 1

    grown = Played(part(b"ab", more=True), part(b"c", more=True), part(b"d"))
    with pytest.raises(BodyTooLarge):
        await grown.exchange.body(2)
    assert grown.left == [part(b"d")]


async def test_a_client_that_goes_in_its_body():
    """There is nobody to answer."""
    with pytest.raises(ClientGone):
        await Played(part(b"a", more=True), GONE).exchange.body(9)


async def test_a_failure_after_the_body():
    """The connection may be used again."""
    played = Played(part(b"{}"), headers=[(b"content-length", b"2")])
    await played.exchange.body(2)
    await played.exchange.fail(NO)

    assert played.sent[0]["status"] == 401
    assert (played.head().get(b"connection"), played.head()[b"x-should-retry"]) == (None, b"false")
    assert played.head()[b"content-length"] == str(len(played.body())).encode()
    assert played.sent[-1]["more_body"] is False


@pytest.mark.parametrize("headers", [[(b"content-length", b"9")], [(b"transfer-encoding", b"chunked")]])
async def test_a_failure_before_the_body(headers: list[tuple[bytes, bytes]]):
    """The client hears why, is left to finish what it sends, and the connection closes."""
    played = Played(part(b"abc", more=True), part(b"d"), headers=headers)
    await played.exchange.fail(NO)

    assert played.head()[b"connection"] == b"close"
    assert played.left == []
    assert [message.get("more_body") for message in played.sent] == [None, True, False]


async def test_a_failure_before_a_body_that_was_asked_for_first():
    """A client that waits for `100 Continue` sends nothing that could be waited for."""
    played = Played(part(b"a"), headers=[(b"content-length", b"1"), (b"expect", b"100-continue")])
    await played.exchange.fail(NO)

    assert len(played.left) == 1


async def test_a_failure_without_a_body():
    """A request that has no body keeps its connection; an answer to HEAD has no body either."""
    played = Played(method="HEAD")
    await played.exchange.fail(NO)

    assert b"connection" not in played.head()
    assert played.body() == b""


async def test_a_block_whose_client_leaves_is_cancelled():
    """Whatever it waits for."""
    played, cancelled = Played(), asyncio.Event()
    asyncio.get_running_loop().call_soon(played.gone.set)

    async def work() -> None:
        async with played.exchange.until_client_leaves():
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    async with asyncio.timeout(5):
        with pytest.raises(ClientGone):
            await work()
    assert cancelled.is_set()


async def test_a_block_that_is_cancelled_from_outside():
    """That is no client that left."""
    played, begun = Played(), asyncio.Event()

    async def work() -> None:
        async with played.exchange.until_client_leaves():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work(), name="work")
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_block_that_ends_leaves_nothing_behind():
    """No task watches on."""
    played = Played()
    before = asyncio.all_tasks()
    async with played.exchange.until_client_leaves():
        await played.exchange.answer(200, b"{}")

    assert asyncio.all_tasks() == before
    assert (played.head()[b"content-type"], played.body()) == (b"application/json", b"{}")
