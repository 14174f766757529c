"""An answer on its way: the pure part that a fault changes, and the sending of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from llm_router.sandbox.faults import Fault

Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON, EVENTS, TEXT = b"application/json", b"text/event-stream; charset=utf-8", b"text/plain; charset=utf-8"
BROKEN_LINE = b'data: {"sandbox": "this line is bro\n\n'


class Outcome(StrEnum):
    """How an answer ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"  # the client went away
    CUT = "cut"  # a fault closed the connection


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer ready to be sent. `length` is the announced one; None for a stream. Delays are in seconds."""

    status: int
    content_type: bytes
    chunks: tuple[bytes, ...]
    length: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    finished: bool = True
    headers_delay: float = 0.0
    first_byte_delay: float = 0.0
    token_delay: float = 0.0

    @property
    def is_slow(self) -> bool:
        """Whether anything is waited for on the way."""
        return bool(self.headers_delay or self.first_byte_delay or self.token_delay)


def plain(status: int, body: bytes, content_type: bytes = JSON) -> Delivery:
    """An answer in one piece."""
    return Delivery(status, content_type, (body,), len(body))


def stream(chunks: list[bytes]) -> Delivery:
    """An answer as server-sent events."""
    return Delivery(200, EVENTS, tuple(chunks), headers=((b"cache-control", b"no-cache"),))


def struck(delivery: Delivery, fault: Fault) -> Delivery:
    """`delivery` after `fault`. An error status has replaced the body before; here it gets its header."""
    changed = replace(
        delivery,
        headers_delay=fault.headers_delay,
        first_byte_delay=fault.first_byte_delay,
        token_delay=fault.token_delay,
    )
    if fault.retry_after:
        changed = replace(changed, headers=(*changed.headers, (b"retry-after", fault.retry_after.encode())))
    if fault.malformed:
        changed = _broken(changed)
    if fault.empty:
        changed = replace(changed, chunks=(), length=0)
    if fault.cut_after is not None:
        changed = _cut(changed, fault.cut_after)
    return changed


def _broken(delivery: Delivery) -> Delivery:
    if delivery.length is None:
        middle = len(delivery.chunks) // 2
        return replace(delivery, chunks=(*delivery.chunks[:middle], BROKEN_LINE, *delivery.chunks[middle:]))
    body = b"".join(delivery.chunks)
    half = body[: max(1, len(body) // 2)]
    return replace(delivery, chunks=(half,), length=len(half))


def _cut(delivery: Delivery, after: int) -> Delivery:
    if delivery.length is None:
        return replace(delivery, chunks=delivery.chunks[:after], finished=False)
    body = b"".join(delivery.chunks)
    return replace(delivery, chunks=(body[: len(body) // 2],) if after else (), finished=False)


async def send_out(delivery: Delivery, send: Send, gone: asyncio.Event) -> tuple[Outcome, int]:
    """Send `delivery` until it is done or `gone` is set. Returns how it ended and how many chunks were sent."""
    if not await _pause(delivery.headers_delay, gone):
        return Outcome.CANCELLED, 0
    await send({"type": "http.response.start", "status": delivery.status, "headers": _headers(delivery)})
    if not await _pause(delivery.first_byte_delay, gone):
        return Outcome.CANCELLED, 0
    sent = 0
    for chunk in delivery.chunks:
        if sent and not await _pause(delivery.token_delay, gone):
            return Outcome.CANCELLED, sent
        if gone.is_set():
            return Outcome.CANCELLED, sent
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        sent += 1
    if not delivery.finished:
        return Outcome.CUT, sent
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return Outcome.COMPLETED, sent


def _headers(delivery: Delivery) -> list[tuple[bytes, bytes]]:
    found = [(b"content-type", delivery.content_type), *delivery.headers]
    if delivery.length is not None:
        found.append((b"content-length", str(delivery.length).encode()))
    return found


async def _pause(seconds: float, gone: asyncio.Event) -> bool:
    """Wait, unless the client goes away meanwhile; returns whether it is still there."""
    if not seconds:
        return True
    try:
        async with asyncio.timeout(seconds):
            await gone.wait()
    except TimeoutError:
        return True
    return False
