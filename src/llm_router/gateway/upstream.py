"""The one seam to upstreams: a request out, a reply whose bytes arrive as they come, over pooled connections.

Everything that can go wrong on the network becomes an `UpstreamFailure`, whose `reason` is one of `Reason`. Redirects
are not followed, cookies not kept, bodies passed as they are, compressed or not.
"""

from dataclasses import dataclass

from llm_router.gateway.http_connection import HttpConnection
from llm_router.gateway.http_pool import KEEP_IDLE_SECONDS, HttpPool
from llm_router.gateway.http_proxies import Proxies, Proxy
from llm_router.gateway.http_request import Headers, Target, path_with_query, target_of, write_head
from llm_router.gateway.upstream_failure import Reason, UpstreamFailure
from llm_router.routing.plan import Timeouts

__all__ = ["Headers", "Reason", "UpstreamClient", "UpstreamFailure", "UpstreamReply", "UpstreamRequest"]


@dataclass(slots=True)  # not frozen, which would double the cost of making one
class UpstreamRequest:
    """One call. `is_local` keeps it away from any proxy: LiteLLM and the sandbox are reached on loopback only."""

    method: str
    url: str
    headers: Headers
    body: bytes
    is_local: bool


class UpstreamReply:
    """Status and headers of an answer; `read` gives its bytes until they end with b""."""

    __slots__ = ("_connection", "_pool", "_timeouts", "headers", "status")

    def __init__(self, connection: HttpConnection, pool: HttpPool, timeouts: Timeouts) -> None:
        self._connection: HttpConnection | None = connection
        self._pool = pool
        self._timeouts = timeouts
        self.status = connection.answer.status
        self.headers = connection.answer.headers  # (name in small letters, value), as they came

    @property
    def is_stream(self) -> bool:
        """Whether the answer is server-sent events."""
        return self.header("content-type").lower().startswith("text/event-stream")

    @property
    def has_ended(self) -> bool:
        """Whether all of the answer has been read."""
        answer = self._connection.answer if self._connection is not None else None
        return answer is not None and answer.complete and not answer.held

    def header(self, name: str) -> str:
        """One header's value, the first when it repeats, or an empty text. `name` in small letters."""
        for held, value in self.headers:
            if held == name:
                return value
        return ""

    async def read(self, *, first: bool = False) -> bytes:
        """The next bytes, as they arrived; b"" at the end. Raises UpstreamFailure."""
        if self._connection is None:
            raise UpstreamFailure(Reason.BROKEN, "the answer has been given up")
        if first:
            return await self._connection.read(self._timeouts.first_byte, Reason.FIRST_BYTE_TIMEOUT)
        return await self._connection.read(self._timeouts.idle, Reason.IDLE_TIMEOUT)

    def close(self) -> None:
        """Give the connection up: kept for the next call when the whole answer has come, else cut."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)


class UpstreamClient:
    """Pooled connections to upstreams. Made where an event loop runs."""

    def __init__(self, proxies: Proxies | None = None, idle_seconds: float = KEEP_IDLE_SECONDS) -> None:
        """`proxies` are the environment's by default; `idle_seconds`: how long an unused connection is kept."""
        self._pool = HttpPool(idle_seconds)
        self._proxies = proxies if proxies is not None else Proxies()

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamReply:
        """Send one request and wait for the head of its answer. Raises UpstreamFailure."""
        try:
            base, _, query = request.url.partition("?")
            target = target_of(base)
            proxy = None if request.is_local or self._proxies.is_empty else self._proxies.proxy_for(target)
            head = _head(request, target, query, proxy)
        except ValueError as error:
            raise UpstreamFailure(Reason.PROTOCOL, f"the request cannot be sent: {error}") from error
        connection = self._pool.take((target.origin, proxy))
        if connection is not None:
            try:
                await connection.ask(head, request.body, timeouts.first_byte, no_body=request.method == "HEAD")
                return UpstreamReply(connection, self._pool, timeouts)
            except UpstreamFailure:
                connection.abort()
                if not connection.was_stale:
                    raise
            except BaseException:
                connection.abort()
                raise
        connection = await self._pool.open(target, proxy, timeouts.connect)
        return await self._ask(connection, request, head, timeouts)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    async def _ask(
        self, connection: HttpConnection, request: UpstreamRequest, head: bytes, timeouts: Timeouts
    ) -> UpstreamReply:
        try:
            await connection.ask(head, request.body, timeouts.first_byte, no_body=request.method == "HEAD")
        except BaseException:
            connection.abort()
            raise
        return UpstreamReply(connection, self._pool, timeouts)


def _head(request: UpstreamRequest, target: Target, query: str, proxy: Proxy | None) -> bytes:
    path = path_with_query(target, query)
    if proxy is None or target.is_tls:
        return write_head(request.method, path, target.authority, request.headers, len(request.body))
    whole = f"http://{target.authority}{path}"
    return write_head(request.method, whole, target.authority, [*request.headers, *proxy.headers], len(request.body))
