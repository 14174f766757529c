"""Connections to upstreams: opened when none is idle, kept for the next request for a while."""

import asyncio
import contextlib
import os
import socket
import ssl
from functools import cached_property
from typing import Any

from llm_router.gateway.http_connection import HttpConnection
from llm_router.gateway.http_names import Address, Names, first_to_connect
from llm_router.gateway.http_proxies import Proxy
from llm_router.gateway.http_request import Target, write_head
from llm_router.gateway.upstream_failure import Reason, UpstreamFailure

KEEP_IDLE_SECONDS = 4.0  # shorter than the 5 s after which common servers hang up on an idle connection
MOST_IDLE = 1024  # for each place
_CLOSING_SECONDS = 2.0

Key = tuple[tuple[str, str, int], Proxy | None]


class HttpPool:
    """All connections of one client, by where they lead: scheme, host, port and the proxy on the way."""

    def __init__(self, idle_seconds: float = KEEP_IDLE_SECONDS) -> None:
        """`idle_seconds`: how long a connection that nobody uses is kept."""
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._names = Names()
        self._all: set[HttpConnection] = set()
        self._all_gone = asyncio.Event()
        self._idle: dict[object, list[HttpConnection]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def take(self, key: Key) -> HttpConnection | None:
        """The idle connection that was used last, or None."""
        stack = self._idle.get(key)
        while stack:
            connection = stack.pop()
            if connection.is_open and self._loop.time() - connection.idle_since < self._idle_seconds:
                return connection
            connection.close()
        return None

    def give_back(self, connection: HttpConnection) -> None:
        """An exchange is over: keep its connection for the next, or hang up when that cannot be."""
        if not connection.answer.complete:
            connection.abort()
            return
        stack = self._idle.setdefault(connection.key, [])
        if not connection.is_reusable or len(stack) >= MOST_IDLE:
            connection.close()
            return
        connection.rest()
        connection.idle_since = self._loop.time()
        stack.append(connection)
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_seconds, self._close_idle)

    async def open(self, target: Target, proxy: Proxy | None, seconds: float) -> HttpConnection:
        """A new connection. Raises UpstreamFailure."""
        try:
            async with asyncio.timeout(seconds):
                if proxy is None:
                    return await self._open(target, (target.origin, None), target.host, target.port)
                return await self._open_through(target, proxy)
        except TimeoutError as error:
            raise UpstreamFailure(Reason.CONNECT_TIMEOUT, f"no connection within {seconds:g} s") from error
        except ssl.SSLError as error:
            raise UpstreamFailure(Reason.TLS, f"no trusted connection to `{target.host}`") from error
        except ValueError as error:
            raise UpstreamFailure(Reason.PROTOCOL, f"`{target.host}` is no name that a server can have") from error
        except socket.gaierror as error:
            name = target.host if proxy is None else proxy.host
            raise UpstreamFailure(Reason.DNS, f"the name `{name}` is not known") from error
        except OSError as error:
            raise UpstreamFailure(Reason.CONNECT, _plain(error)) from error

    async def close(self) -> None:
        """Close every connection, and wait a moment until they are gone."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in self._all:
            connection.abort()
        if self._all:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await self._all_gone.wait()

    async def _open(
        self, target: Target, key: Key, host: str, port: int, *, encrypted: bool | None = None
    ) -> HttpConnection:
        is_tls = target.is_tls if encrypted is None else encrypted
        security: dict[str, Any] = {"ssl": self._trust, "server_hostname": target.host} if is_tls else {}
        addresses = await self._names.addresses(host, port)
        try:
            connection = await self._connect(addresses, key, security)
        except OSError:
            self._names.forget(host, port)
            raise
        if connection.is_open:
            self._all.add(connection)
            self._all_gone.clear()
        return connection

    async def _connect(self, addresses: list[Address], key: Key, security: dict[str, Any]) -> HttpConnection:
        def make() -> HttpConnection:
            return HttpConnection(key, self._forget)

        if len(addresses) == 1:
            # The event loop connects to a single address in half the time that a socket of ours takes.
            host, port = addresses[0][1][:2]
            return (await self._loop.create_connection(make, host, port, **security))[1]
        held = await first_to_connect(addresses)
        try:
            return (await self._loop.create_connection(make, sock=held, **security))[1]
        except BaseException:
            held.close()
            raise

    async def _open_through(self, target: Target, proxy: Proxy) -> HttpConnection:
        """Plain requests are shown to the proxy whole; for encrypted ones it opens a tunnel."""
        connection = await self._open(target, (target.origin, proxy), proxy.host, proxy.port, encrypted=False)
        if not target.is_tls:
            return connection
        try:
            await self._tunnel(connection, target, proxy)
        except BaseException:
            connection.abort()
            # A handshake that fails takes the connection away without a word to it.
            self._forget(connection)
            raise
        return connection

    async def _tunnel(self, connection: HttpConnection, target: Target, proxy: Proxy) -> None:
        shown = f"[{target.host}]" if ":" in target.host else target.host
        authority = f"{shown}:{target.port}"
        head = write_head("CONNECT", authority, authority, proxy.headers, 0)
        # The time-out of the whole connection is around this.
        await connection.ask(head, b"", float(2**20), no_body=True)
        if not 200 <= connection.answer.status < 300:
            raise UpstreamFailure(Reason.CONNECT, f"the proxy answered {connection.answer.status} to CONNECT")
        if connection.answer.has_excess:
            raise UpstreamFailure(Reason.CONNECT, "the proxy spoke into the tunnel that it had opened")
        connection.rest()
        encrypted = await self._loop.start_tls(
            connection.transport, connection, self._trust, server_hostname=target.host
        )
        if encrypted is None:
            raise UpstreamFailure(Reason.TLS, f"no trusted connection to `{target.host}`")
        connection.transport = encrypted

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """What OpenSSL trusts; SSL_CERT_FILE and SSL_CERT_DIR are heeded. Made once: it reads every certificate."""
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _forget(self, connection: HttpConnection) -> None:
        self._all.discard(connection)
        if not self._all:
            self._all_gone.set()
        stack = self._idle.get(connection.key)
        if stack is not None and connection in stack:
            stack.remove(connection)

    def _close_idle(self) -> None:
        """Hang up on what has been idle too long; look again while anything is."""
        now = self._loop.time()
        self._sweep = None
        for key, stack in list(self._idle.items()):
            while stack and now - stack[0].idle_since >= self._idle_seconds:
                stack.pop(0).close()
            if not stack:
                del self._idle[key]
        if self._idle:
            self._sweep = self._loop.call_later(self._idle_seconds / 4, self._close_idle)


def _plain(error: OSError) -> str:
    return (os.strerror(error.errno) if error.errno else type(error).__name__).lower()
