"""Calls of the seam to upstreams, as its contract tests make them."""

from collections.abc import Sequence

from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamFailure, UpstreamReply, UpstreamRequest
from llm_router.routing.plan import Timeouts

QUICK = Timeouts(connect=2.0, first_byte=2.0, idle=2.0)
IMPATIENT = Timeouts(connect=0.2, first_byte=0.2, idle=0.2)
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(
    url: str, body: bytes = b"{}", headers: Sequence[tuple[str, str]] = (), *, method: str = "POST"
) -> UpstreamRequest:
    """A request that takes no proxy."""
    return UpstreamRequest(method, url, headers, body, is_local=True)


async def whole(reply: UpstreamReply) -> bytes:
    """All of a reply's body."""
    parts = [await reply.read(first=True)]
    while parts[-1]:
        parts.append(await reply.read())
    return b"".join(parts)


async def call(client: UpstreamClient, request: UpstreamRequest, timeouts: Timeouts = QUICK) -> tuple[int, bytes]:
    """Status and body of a call that succeeds."""
    reply = await client.send(request, timeouts)
    try:
        return reply.status, await whole(reply)
    finally:
        reply.close()


async def failure_of(
    client: UpstreamClient, request: UpstreamRequest, timeouts: Timeouts = QUICK
) -> tuple[Reason, bytes]:
    """The reason of a call that fails, and what had been read of its body before."""
    got = b""
    try:
        reply = await client.send(request, timeouts)
        try:
            while part := await reply.read():
                got += part
        finally:
            reply.close()
    except UpstreamFailure as failure:
        return failure.reason, got
    raise AssertionError(f"the call did not fail, it gave {got[:200]!r}")
