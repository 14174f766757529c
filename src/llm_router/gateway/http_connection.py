"""One HTTP/1.1 connection to an upstream: a request written, its answer read as it comes, both within bounds.

A connection carries one exchange after another, never two at once, and is closed by a byte that nobody asked for.
"""

import asyncio
from collections.abc import Callable

from llm_router.gateway.http_answer import HttpAnswer, NotHttp
from llm_router.gateway.upstream_failure import Reason, UpstreamFailure

MOST_HELD = 128 * 1024  # bytes of a body held for a slow reader; one more receive may stand on top
_RACE_SECONDS = 2.0  # an idle connection that its server closed shows it within a round trip
_COPIED_BEHIND_HEAD = 64 * 1024  # a larger body is written by itself

Lost = Callable[["HttpConnection"], None]


class HttpConnection(asyncio.Protocol):
    """A connection in use or idle. `ask`, then `read` until b"", then `rest` when it `is_reusable`."""

    __slots__ = (
        "_asked_at",
        "_busy",
        "_closed",
        "_deadline",
        "_failure",
        "_late",
        "_loop",
        "_lost",
        "_paused",
        "_seconds",
        "_timer",
        "_timer_at",
        "_transport",
        "_waiter",
        "answer",
        "idle_since",
        "key",
    )

    def __init__(self, key: object, lost: Lost) -> None:
        """`key` says which requests may use it; `lost` is called once, when the connection is gone."""
        self.key = key
        self.idle_since = 0.0
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self.answer = HttpAnswer()  # under way: its status and headers are there once `ask` has returned
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = self._seconds = self._asked_at = 0.0
        self._late = Reason.FIRST_BYTE_TIMEOUT
        self._failure: tuple[Reason, str] | None = None
        self._busy = self._closed = self._paused = False

    @property
    def transport(self) -> asyncio.Transport:
        """What carries the bytes. Raises UpstreamFailure when it is gone."""
        if self._transport is None or self._closed or self._transport.is_closing():
            raise UpstreamFailure(Reason.BROKEN, "the upstream hung up before it answered")
        return self._transport

    @transport.setter
    def transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    @property
    def is_open(self) -> bool:
        """Whether a request may still be written."""
        return not self._closed and self._transport is not None and not self._transport.is_closing()

    @property
    def is_reusable(self) -> bool:
        """Whether the exchange is over and the next may begin."""
        answer, transport = self.answer, self._transport
        if not answer.complete or not answer.keeps_alive or transport is None or not self.is_open:
            return False
        return transport.get_write_buffer_size() == 0

    @property
    def was_stale(self) -> bool:
        """Whether it broke the way an idle connection does that its server has closed: soon, and without a byte."""
        broken = self._failure is not None and self._failure[0] is Reason.BROKEN
        return broken and not self.answer.has_begun and self._loop.time() - self._asked_at < _RACE_SECONDS

    async def ask(self, head: bytes, body: bytes, seconds: float, *, no_body: bool = False) -> None:
        """Send a request and wait for the head of its answer. `no_body`: none follows it (HEAD, CONNECT).

        Raises UpstreamFailure.
        """
        answer, transport = self.answer, self._transport
        answer.begin(no_body=no_body)
        self._busy, self._failure = True, None
        self._asked_at = self._loop.time()
        if transport is None or self._closed or transport.is_closing():
            self._failure = (Reason.BROKEN, "the upstream hung up before it answered")
        elif len(body) > _COPIED_BEHIND_HEAD:
            transport.writelines((head, body))
        else:
            transport.write(head + body)
        if not answer.has_head and self._failure is None:
            await self._wait(seconds, Reason.FIRST_BYTE_TIMEOUT)
        if not answer.has_head:
            self._raise_failure()

    async def read(self, seconds: float, late: Reason) -> bytes:
        """The next bytes of the body, all that have come; b"" at its end. Raises UpstreamFailure with the reason `late`
        when none come within `seconds`: of this call, or of the request when the reason is its first byte.
        """
        answer = self.answer
        if not answer.held and not answer.complete and self._failure is None:
            await self._wait(seconds, late)
        if taken := answer.take():
            if self._paused:
                self._resume()
            return taken
        if not answer.complete:
            self._raise_failure()
        return b""

    def rest(self) -> None:
        """Make ready for the next exchange; bytes that come before it close the connection."""
        self._busy = False
        self.answer.take()
        if self._paused:
            self._resume()

    def close(self) -> None:
        """Hang up in order."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = transport  # type: ignore[assignment] # a stream's transport reads and writes

    def data_received(self, data: bytes) -> None:
        """Some bytes of an answer."""
        answer = self.answer
        if not self._busy or answer.complete:
            answer.keeps_alive = False
            self.abort()
            return
        try:
            answer.feed(data)
        except NotHttp as error:
            self._fail(Reason.PROTOCOL, str(error))
            return
        if answer.held > MOST_HELD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if answer.has_news and self._waiter is not None:
            self._wake()

    def eof_received(self) -> bool:
        """The upstream sends no more."""
        self._end(clean=True)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._closed = True
        self._end(clean=exc is None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._lost(self)

    # Waiting and failing.

    async def _wait(self, seconds: float, late: Reason) -> None:
        self.answer.has_news = False
        self._late, self._seconds = late, seconds
        now = self._loop.time()
        # The wait for the first byte goes on from the head to the body; any other begins anew.
        self._deadline = (self._asked_at if late is Reason.FIRST_BYTE_TIMEOUT else now) + seconds
        # One timer serves many waits: it looks at the deadline when it fires. Only a sooner deadline needs a new one.
        if self._timer is None or self._timer_at > self._deadline:
            self._set_timer(max(0.0, self._deadline - now))
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._loop.time() + seconds
        self._timer = self._loop.call_later(seconds, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        left = self._deadline - self._loop.time()
        if left > 0.001:
            self._set_timer(left)
        else:
            said = "no answer within" if self._late is Reason.FIRST_BYTE_TIMEOUT else "nothing came for"
            self._fail(self._late, f"{said} {self._seconds:g} s")

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None and self.is_open:
            self._transport.resume_reading()

    def _end(self, *, clean: bool) -> None:
        answer = self.answer
        answer.keeps_alive = False
        if not self._busy or answer.complete:
            return
        if clean and answer.end():
            self._wake()
            return
        begun = answer.has_begun
        self._fail(Reason.BROKEN, "the answer broke off" if begun else "the upstream hung up before it answered")

    def _fail(self, reason: Reason, detail: str) -> None:
        if self._failure is None:
            self._failure = (reason, detail)
        self.abort()
        self._wake()

    def _raise_failure(self) -> None:
        reason, detail = self._failure or (Reason.BROKEN, "the answer broke off")
        raise UpstreamFailure(reason, detail)
