"""The gateway's own door: uvicorn's HTTP/1.1 protocol, which sends an answer's head together with what follows it.

One write less for each answer: the head waits for the first of the body, but never longer than the turn of the event
loop in which it was written.

A request's head is bounded in size and in time, which neither the parser nor uvicorn does: a client could otherwise
fill the memory with header lines, or hold connections open for ever by never finishing one.
"""

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llm_router.gateway.http_cycle import Cycle

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_HEAD = b"HTTP/1.1 "
_HEAD_END = b"\r\n\r\n"
MOST_HEAD_BYTES = 128 * 1024  # of the request line and all headers; agents send some KiB
HEAD_SECONDS = 30.0  # from a connection, or the first byte behind a request, to the end of a head
# How long a connection stays while the gateway drains: without a request so far, and between two of them.
FIRST_SECONDS = 1.0
REST_SECONDS = 0.25
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
        elif data.startswith(_HEAD) and data.endswith(_HEAD_END):
            self._held = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether it is closed, or will be when all is sent."""
        return self._transport.is_closing()

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
    """Uvicorn's protocol over a transport that joins heads and bodies, with heads within bounds.

    What it does for every request it does itself, in less than half of uvicorn's time: an application begins when all
    that came at once has been read, so it finds the body of most requests there (`Cycle.take_body`).
    """

    head_seconds = HEAD_SECONDS
    cycle: Cycle  # type: ignore[assignment] # it passes for uvicorn's
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True  # a head is awaited or under way
    _refused = False
    _draining = False
    _due: Cycle | None = None  # the request that begins when what has come is read
    _idle_since = 0.0  # 0 while a request is under way

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the class above
        """A client has connected."""
        super().connection_made(transport)
        self.transport = HeadWithBody(transport)  # type: ignore[assignment] # it passes for one
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop_head_timer()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        waiting: list[Any] = [cycle for cycle, _ in self.pipeline]
        super().connection_lost(exc)
        for cycle in (self.cycle, *waiting):
            if cycle is not None:
                cycle.leave()

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request, or of more than one."""
        if self._refused:
            return
        # The end of a head and every piece of a body set this back, so it counts heads, trailers and chunk marks.
        self._head_bytes += len(data)
        self._idle_since = 0.0
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nobody here speaks anything else, and the request is answered as it is
        except httptools.HttpParserError:
            self._refused = True
            self._due = None
            self.send_400_response("Invalid HTTP request received.")
            return
        if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refused = True
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        if self._due is not None:
            due, self._due = self._due, None
            self._begin(due)
        if self._in_head and self._head_bytes and self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def shutdown(self) -> None:
        """The gateway drains: a client that rests, or has only just connected, may still ask once, and then hangs up.

        Hung up at once, a request that is under way to us would be lost: its client sees a reset.
        """
        self._draining = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(FIRST_SECONDS if self.cycle is None else REST_SECONDS, self._leave_at_rest)
        else:
            self.cycle.keep_alive = False

    def _leave_at_rest(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins, with its head."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """A head is whole."""
        self._in_head = False
        self._head_bytes = 0
        if self._head_timer is not None:
            self._stop_head_timer()
        parser, url = self.parser, self.url
        path, _, query = url.partition(b"?")
        if not url.startswith(b"/") or b"#" in url:
            parsed = httptools.parse_url(url)
            path, query = parsed.path or b"/", parsed.query or b""
        text = path.decode("ascii")
        version = parser.get_http_version()
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "client": self.client,
            "server": self.server,
        }
        under_way = self.cycle
        cycle = Cycle(scope, self.transport, self.flow, self._answered, expects_go_on=self.expect_100_continue)
        cycle.default_headers = self.server_state.default_headers
        cycle.keep_alive = version != "1.0" and parser.should_keep_alive() and not self._draining
        scope["cycle"] = self.cycle = cycle
        if under_way is None or (under_way.response_complete and not self.pipeline and self._due is None):
            self._due = cycle
        else:
            # Another request before the first is answered: one after the other.
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))  # type: ignore[arg-type] # it passes for uvicorn's

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        self._head_bytes = 0
        if not self.cycle.response_complete:
            self.cycle.feed(body)

    def on_message_complete(self) -> None:
        """A request is whole; the next begins with a head."""
        self._in_head = True
        if not self.cycle.response_complete:
            self.cycle.more_body = False
            self.cycle.set()

    # The life of a request.

    def _begin(self, cycle: Cycle) -> None:
        # It runs at once as far as it can, which for most requests is until an upstream has been asked.
        task = asyncio.Task(cycle.run(self.app), loop=self.loop, eager_start=True)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _answered(self) -> None:
        """An answer is complete: the next request that waits begins, or the client has some time for another."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._begin(self.pipeline.pop()[0])  # type: ignore[arg-type] # as above
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._look_at_rest)

    def _look_at_rest(self) -> None:
        """Hang up on a client that has rested too long. One timer serves many requests: it looks again if need be."""
        self.timeout_keep_alive_task = None
        if self.transport.is_closing():
            return
        rested = self.loop.time() - self._idle_since if self._idle_since else 0.0
        if rested >= self.timeout_keep_alive - 0.001:
            self.transport.close()
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive - rested, self._look_at_rest)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        """Hang up on a client that does not finish a head; between requests uvicorn's own timer does."""
        self._head_timer = None
        if self._in_head and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
