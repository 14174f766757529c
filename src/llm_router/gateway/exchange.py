"""One client's request and the answer to it, over ASGI: a body read within bounds, an answer started at most once."""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from llm_router.gateway.http_cycle import Cycle
from llm_router.routing.plan import Wire
from llm_router.wire.errors import Failure, error_body

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = Sequence[tuple[bytes, bytes]]
_WATCH_AFTER = 0.05  # seconds
# How long, and how much, a client that was refused may go on sending before the connection is cut.
_LINGER_SECONDS = 3.0
_LINGER_BYTES = 64 * 1024 * 1024
# Each of these bytes buys a client a second to send its body, behind those that it may be silent: who drips is cut off.
_SLOWEST_BODY = 1024


class ClientGone(Exception):
    """The client closed its connection; there is nobody to answer."""


class BodyTooLarge(Exception):
    """The body is larger than the gateway takes."""


class BodyTooSlow(Exception):
    """The client stopped sending its body, or sends it too slowly to ever end."""


class Exchange:
    """A request being answered. `started` is true once the head of the answer has been sent."""

    __slots__ = (
        "_body_begun",
        "_body_read",
        "_finished",
        "_receive",
        "_send",
        "began",
        "cycle",
        "extra_headers",
        "headers",
        "method",
        "path",
        "request_id",
        "scope",
        "started",
        "wire",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.cycle: Cycle | None = scope.get("cycle")  # where our own door serves
        self.path = str(scope["path"])  # decoded
        self.method = str(scope["method"])  # in capitals
        self._receive = receive
        self._send = send
        self.headers = _joined(scope["headers"])
        self.wire = Wire.MESSAGES if "anthropic-version" in self.headers else Wire.CHAT
        self.request_id = _new_id()
        self.extra_headers: list[tuple[str, str]] = []
        self.started = False
        self._body_begun = False
        self._body_read = False
        self._finished = False
        self.began = time.perf_counter()  # the loop's own clock stands still within a turn

    @property
    def query(self) -> str:
        """The query string without its question mark, as sent."""
        return bytes(self.scope["query_string"]).decode("latin-1")

    async def body(self, most: int, seconds: float | None = None) -> bytes:
        """The whole body. Raises BodyTooLarge as soon as it is known to be over `most` bytes, BodyTooSlow when it does
        not come within `seconds` and a second for each KiB that has come, and ClientGone.
        """
        cycle = self.cycle
        if cycle is not None and (whole := cycle.take_body()) is not None:
            self._body_begun = self._body_read = True
            if len(whole) > most:
                raise BodyTooLarge
            return whole
        try:
            async with asyncio.timeout(seconds) as limit:
                return await self._whole_body(most, limit)
        except TimeoutError:
            raise BodyTooSlow from None

    async def _whole_body(self, most: int, limit: asyncio.Timeout) -> bytes:
        declared = self.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise BodyTooLarge
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            self._body_begun = True
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise BodyTooLarge
            parts.append(part)
            if not message.get("more_body", False):
                self._body_read = True
                return parts[0] if len(parts) == 1 else b"".join(parts)
            if (until := limit.when()) is not None:
                limit.reschedule(until + len(part) / _SLOWEST_BODY)

    def until_client_leaves(self) -> "ClientWatch":
        """Run a block; when the client goes away meanwhile the block is cancelled and ClientGone raised."""
        return ClientWatch(self)

    async def client_left(self) -> bool:
        """Wait for the client's leaving, or for the end of the answer; whether it was the first."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        # The server says "disconnect" too when an answer is complete.
        return not self._finished

    async def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head of the answer."""
        self.started = True
        pairs = [*headers, ("x-request-id", self.request_id), *self.extra_headers]
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def whole(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Send the answer as a whole: its head and all of its body."""
        cycle = self.cycle
        if cycle is None or not cycle.is_free:
            await self.start(status, headers)
            await self.finish(body)
            return
        self.started = self._finished = True
        lines = [f"{name}: {value}\r\n" for name, value in headers]
        lines.append(f"x-request-id: {self.request_id}\r\n")
        lines += [f"{name}: {value}\r\n" for name, value in self.extra_headers]
        cycle.answer(status, "".join(lines), len(lines), body)

    async def send(self, chunk: bytes) -> None:
        """Send some of the answer's body."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self, chunk: bytes = b"") -> None:
        """Send the last of the answer's body."""
        self._finished = True
        await self._send({"type": "http.response.body", "body": chunk, "more_body": False})

    async def answer(
        self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = (), content_type: str = "application/json"
    ) -> None:
        """Send a whole answer."""
        held = [("content-type", content_type), ("content-length", str(len(body))), *headers]
        await self.start(status, held)
        await self.finish(b"" if self.method == "HEAD" else body)

    async def fail(self, failure: Failure, *, linger: bool = True) -> None:
        """Answer with an error in the client's own format; the connection closes when the body was not read.

        `linger`: the client may go on sending for a while, so that it reads the answer before it is cut off.
        """
        body = error_body(failure, self.wire, self.request_id)
        if self._body_read or not self._has_body():
            await self.answer(failure.status_for(self.wire), body, failure.headers())
            return
        headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")]
        await self.start(failure.status_for(self.wire), [*headers, *failure.headers()])
        await self.send(b"" if self.method == "HEAD" else body)
        if linger:
            await self._linger()
        await self.finish()

    def _has_body(self) -> bool:
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers

    async def _linger(self) -> None:
        """Throw away what the client still sends, within bounds.

        Closing a connection that holds unread bytes resets it, and the client would never read why.
        """
        if self._asked_to_go_on():
            return
        left = _LINGER_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return

    def _asked_to_go_on(self) -> bool:
        """Whether the client waits for a `100 Continue` that it will not get, before it sends its body."""
        return self.headers.get("expect", "").lower() == "100-continue" and not self._body_begun


class ClientWatch:
    """Cancels the task that entered it when the client leaves, and turns that into ClientGone.

    Our own door tells of it; another server must be asked. Most answers are quicker than it would pay to watch for:
    only a slower one gets a task that looks.
    """

    __slots__ = ("_exchange", "_left", "_timer", "_watcher", "_worker")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._left = False
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._worker = asyncio.current_task()
        self._timer = None
        cycle = self._exchange.cycle
        if cycle is not None:
            if cycle.disconnected:
                raise ClientGone
            cycle.on_leave = self._leave
            return
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._look)

    def _look(self) -> None:
        name = f"disconnect-watch-{self._exchange.request_id}"
        self._watcher = asyncio.get_running_loop().create_task(self._wait(), name=name)

    async def _wait(self) -> None:
        if await self._exchange.client_left():
            self._leave()

    def _leave(self) -> None:
        if self._worker is not None:
            self._left = True
            self._worker.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        elif self._exchange.cycle is not None:
            self._exchange.cycle.on_leave = None
        if self._watcher is not None:
            self._watcher.cancel()
        if not self._left or kind is None or not issubclass(kind, asyncio.CancelledError):
            return
        if self._worker is not None and self._worker.uncancel() == 0:
            raise ClientGone from None


def _new_id() -> str:
    """A trace id: 32 hexadecimal digits that begin with the time, so that rows which come together lie together."""
    return f"{time.time_ns() // 1_000_000:012x}{random.getrandbits(80):020x}"  # it is no secret


def _joined(pairs: RawHeaders) -> dict[str, str]:
    """Headers by name; one that was sent on several lines is the list that its lines make."""
    held: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        held[name] = f"{held[name]}, {value}" if name in held else value
    return held
