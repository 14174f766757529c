"""The ASGI application: bodies in, answers out, and the one who notices that a client went away."""

import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from llm_router.routing.plan import Wire
from llm_router.sandbox.delivery import Delivery, Outcome, Send, send_out
from llm_router.sandbox.recorder import Record
from llm_router.sandbox.upstream import Request, Upstream, refusal

Receive = Callable[[], Awaitable[dict[str, Any]]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
LARGEST_BODY = 64 * 1024 * 1024


def application(upstream: Upstream) -> Application:
    """`upstream` as an ASGI application."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            return
        request = _request(scope, body)
        if len(body) > LARGEST_BODY:
            await send_out(refusal(Wire.CHAT, 413, ""), send, asyncio.Event())
            return
        administered = upstream.administer(request)
        if administered is not None:
            await send_out(administered, send, asyncio.Event())
            return
        record = upstream.recorder.add(at=time.time(), scope=scope, body=body)
        delivery = _respond(upstream, request, record)
        record.status = delivery.status
        await _send(delivery, record, receive, send)

    return app


def _request(scope: dict[str, Any], body: bytes) -> Request:
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


def _respond(upstream: Upstream, request: Request, record: Record) -> Delivery:
    try:
        return upstream.respond(request, record)
    except Exception:  # noqa: BLE001 - a bug here is shown and answered, not a dropped connection
        traceback.print_exc(file=sys.stderr)
        return refusal(Wire.CHAT, 500, "", "The sandbox met a bug; its log has the traceback")


async def _send(delivery: Delivery, record: Record, receive: Receive, send: Send) -> None:
    gone = asyncio.Event()
    if delivery.length is not None and not delivery.is_slow:
        outcome, record.chunks = await send_out(delivery, send, gone)
        record.outcome = outcome.value
        return
    watcher = asyncio.create_task(_watch(receive, gone), name=f"sandbox-watch-{record.number}")
    try:
        outcome, record.chunks = await send_out(delivery, send, gone)
        record.outcome = outcome.value
    except asyncio.CancelledError:
        record.outcome = Outcome.CANCELLED.value
        raise
    finally:
        watcher.cancel()


async def _watch(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or what is one chunk larger than allowed; None when the client went away first."""
    pieces: list[bytes] = []
    size = 0
    while size <= LARGEST_BODY:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if not message.get("more_body", False):
            break
    return b"".join(pieces)
