"""One request of a connection and its answer: the two ASGI callables, and what they have taken and given so far."""

import asyncio
import http
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

_log = logging.getLogger(__name__)
_NO_BODY = frozenset({204, 304})
_MOST_HELD = 64 * 1024  # bytes of a request's body that wait for the application
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("latin-1") for status in http.HTTPStatus
}

Headers = Sequence[tuple[bytes, bytes]]
Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Flow(Protocol):
    """The connection's back-pressure, in both directions."""

    write_paused: bool

    async def drain(self) -> None:
        """Wait until there is room to write."""

    def pause_reading(self) -> None:
        """Take no more of what the client sends."""

    def resume_reading(self) -> None:
        """Go on taking it."""


class Cycle:
    """A request being answered. `on_leave` is called once when the client goes away before the answer is complete."""

    __slots__ = (
        "_chunked",
        "_expects_go_on",
        "_flow",
        "_has_news",
        "_is_head",
        "_left",
        "_on_response",
        "_parts",
        "_transport",
        "_waiter",
        "_was_read",
        "default_headers",
        "disconnected",
        "held",
        "keep_alive",
        "more_body",
        "on_leave",
        "response_complete",
        "response_started",
        "scope",
    )

    def __init__(
        self,
        scope: dict[str, Any],
        transport: asyncio.Transport,
        flow: Flow,
        on_response: Callable[[], None],
        *,
        expects_go_on: bool,
    ) -> None:
        self.scope = scope
        self._transport = transport
        self._flow = flow
        self._on_response = on_response
        self._expects_go_on = expects_go_on
        self._is_head = scope["method"] == "HEAD"
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._chunked = self._has_news = self._was_read = False
        self._left: int | None = None  # bytes of the answer's body that its head promises and that have not come
        self.held = 0  # bytes of the request's body that wait to be taken
        self.more_body = True
        self.disconnected = False
        self.keep_alive = True
        self.response_started = False
        self.response_complete = False
        self.on_leave: Callable[[], None] | None = None
        self.default_headers: Headers = ()

    # ── what the connection says

    @property
    def message_event(self) -> "Cycle":
        """What uvicorn's protocol sets when something happened."""
        return self

    def set(self) -> None:
        """Something happened: whoever waits in `receive` looks again."""
        self._has_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def feed(self, part: bytes) -> None:
        """Some of the request's body."""
        self._parts.append(part)
        self.held += len(part)
        if self.held > _MOST_HELD:
            self._flow.pause_reading()
        self.set()

    def leave(self) -> None:
        """The client is gone."""
        if not self.response_complete:
            self.disconnected = True
            if self.on_leave is not None:
                self.on_leave()
        self.set()

    # ── what the application does

    async def run(self, app: App) -> None:
        """Let the application answer; an answer that it does not give, or not to the end, ends the connection."""
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._transport.close()
            raise
        except Exception:  # noqa: BLE001 # whatever it was, the client must not wait for ever
            _log.exception("a request met a bug")
        finally:
            self.scope = {}  # it holds this cycle: nothing is left for the collector
        if self.response_complete or self.disconnected:
            return
        if not self.response_started:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await self.send({"type": "http.response.start", "status": 500, "headers": headers})
            await self.send({"type": "http.response.body"})
            return
        self._transport.close()

    def take_body(self) -> bytes | None:
        """The whole body, if all of it is there and none of it was taken; else None."""
        if self.more_body or self._was_read or self._expects_go_on:
            return None
        self._has_news = False
        return self._take()

    async def receive(self) -> Message:
        """More of the request's body; or that the client is gone, or that the answer is complete."""
        self._was_read = True
        if self._expects_go_on and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._expects_go_on = False
        if not self.disconnected and not self.response_complete:
            self._flow.resume_reading()
            if not self._has_news:
                await self._wait()
            self._has_news = False
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take(), "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """The answer's head, then its body in one piece or more. Raises RuntimeError for what no client could read."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected or self.response_complete:
            return
        if not self.response_started:
            self._start(message["status"], message["headers"])
        else:
            self._go_on(message.get("body", b""), more=message.get("more_body", False))

    @property
    def is_free(self) -> bool:
        """Whether `answer` can be used now."""
        plain = not self._is_head and self.keep_alive and not self.response_started
        return plain and not self._flow.write_paused and not self.disconnected

    def answer(self, status: int, lines: str, count: int, body: bytes) -> None:
        """An answer as a whole, in one write: its header lines, `count` of them with `content-length` among them, each
        with its line end, and its body. Raises RuntimeError for a line that holds another line end.
        """
        head = b"%b%b%b\r\n" % (
            _status_line(status),
            b"".join([b"%b: %b\r\n" % pair for pair in self.default_headers]),
            lines.encode("latin-1"),
        )
        count += 2 + len(self.default_headers)
        if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
            raise RuntimeError("a header of the answer holds a line end or a zero")
        self.response_started = self.response_complete = True
        self._expects_go_on = False
        self._transport.write(head + body)
        if self._waiter is not None:
            self.set()
        self._on_response()

    def _start(self, status: int, headers: Headers) -> None:
        self.response_started = True
        self._expects_go_on = False
        lines = [_status_line(status)]
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection" and b"close" in value.lower():
                self.keep_alive = False
        count = 1 + len(headers) + len(self.default_headers)
        if not self.keep_alive and (b"connection", b"close") not in headers:
            lines.append(b"connection: close\r\n")
            count += 1
        if self._left is None and not self._is_head and status not in _NO_BODY:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
            count += 1
        head = b"".join(lines)
        # Every line end must be one of ours: one search of the whole costs less than one for each value.
        if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
            raise RuntimeError("a header of the answer holds a line end or a zero")
        self._transport.write(head + b"\r\n")

    def _go_on(self, body: bytes, *, more: bool) -> None:
        if self._is_head:
            self._left = 0
        elif self._chunked:
            end = b"" if more else b"0\r\n\r\n"
            if body:
                self._transport.write(b"%x\r\n%b\r\n%b" % (len(body), body, end))
            elif end:
                self._transport.write(end)
        else:
            self._left = (self._left or 0) - len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("an answer's body is not as long as its head says")
            self._transport.write(body)
        if more:
            return
        self.response_complete = True
        self.set()
        if not self.keep_alive:
            self._transport.close()
        self._on_response()

    def _take(self) -> bytes:
        parts, self._parts, self.held = self._parts, [], 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
