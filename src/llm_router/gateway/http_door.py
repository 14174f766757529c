"""The gateway's own door: uvicorn's HTTP/1.1 protocol, which sends an answer's head together with what follows it.

One write less for each answer: the head waits for the first of the body, but never longer than the turn of the event
loop in which it was written.

A request's head is bounded in size and in time, which neither the parser nor uvicorn does: a client could otherwise
fill the memory with header lines, or hold connections open for ever by never finishing one.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD = b"HTTP/1.1 "
MOST_HEAD_BYTES = 128 * 1024  # of the request line and all headers; agents send some KiB
HEAD_SECONDS = 30.0  # from a connection, or the first byte behind a request, to the end of a head
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 25\r\nconnection: close\r\n\r\nThe headers are too large"
)


class HeadWithBody:
    """A transport that holds an answer's head back until the next write, or the end of the turn."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held = b""

    def write(self, data: bytes) -> None:
        """Send bytes, behind what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data.startswith(_HEAD):
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held and hang up."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 # whatever else a transport has
        return getattr(self._transport, name)


class Door(HttpToolsProtocol):
    """Uvicorn's protocol over a transport that joins heads and bodies, with heads within bounds."""

    head_seconds = HEAD_SECONDS
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True  # a head is awaited or under way
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the class above
        """A client has connected."""
        super().connection_made(transport)
        self.transport = HeadWithBody(transport)  # type: ignore[assignment] # it passes for one
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request, or of more than one."""
        if self._refused:
            return
        # The end of a head and every piece of a body set this back, so it counts heads, trailers and chunk marks.
        self._head_bytes += len(data)
        if self._in_head and self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)
        super().data_received(data)
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refused = True
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        self._head_bytes = 0
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole; the next begins with a head."""
        self._in_head = True
        super().on_message_complete()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        """Hang up on a client that does not finish a head; between requests uvicorn's own timer does."""
        self._head_timer = None
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
