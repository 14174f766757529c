"""The one seam to upstreams: a request out, a reply whose bytes arrive as they come. aiohttp stands behind it.

Everything that can go wrong on the network becomes an `UpstreamFailure`, whose `reason` is one of `Reason`.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from llm_router.routing.plan import Timeouts

_LARGEST_HEADER = 64 * 1024
_READ_BUFFER = 64 * 1024
_KEEP_ALIVE = 4.0  # seconds: shorter than the 5 s after which common servers hang up on an idle connection

Headers = Sequence[tuple[str, str]]


class Reason(StrEnum):
    """What failed between the gateway and an upstream."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    BROKEN = "broken"
    PROTOCOL = "protocol"


class UpstreamFailure(Exception):
    """The upstream could not be reached, or its answer broke off."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """`detail` is for people: it names no key and no header."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One call. `is_local` keeps it away from any proxy: LiteLLM and the sandbox are reached on loopback only."""

    method: str
    url: str
    headers: Headers
    body: bytes
    is_local: bool


class UpstreamReply:
    """Status and headers of an answer; `read` gives its bytes until they end with b""."""

    __slots__ = ("_first_byte_by", "_reply", "_timeouts", "headers", "status")

    def __init__(self, reply: aiohttp.ClientResponse, timeouts: Timeouts, first_byte_by: float) -> None:
        """`first_byte_by` is the reading of the loop's clock at which the wait for the first byte ends."""
        self._reply = reply
        self._timeouts = timeouts
        self._first_byte_by = first_byte_by
        self.status = reply.status
        self.headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in reply.raw_headers]

    @property
    def is_stream(self) -> bool:
        """Whether the answer is server-sent events."""
        return self._reply.headers.get("content-type", "").lower().startswith("text/event-stream")

    def header(self, name: str) -> str:
        """One header's value, or an empty text."""
        return self._reply.headers.get(name, "")

    async def read(self, *, first: bool = False) -> bytes:
        """The next bytes, as they arrived; b"" at the end. Raises UpstreamFailure."""
        by = self._first_byte_by if first else asyncio.get_running_loop().time() + self._timeouts.idle
        try:
            async with asyncio.timeout_at(by):
                return await self._reply.content.readany()
        except TimeoutError as error:
            if first:
                raise _timed_out(error, self._timeouts) from error
            raise UpstreamFailure(Reason.IDLE_TIMEOUT, f"nothing came for {self._timeouts.idle:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFailure(Reason.BROKEN, "the answer broke off") from error

    def close(self) -> None:
        """Give the connection up: kept for the next call when the answer was read whole, else cut."""
        if self._reply.content.at_eof():
            self._reply.release()
        else:
            self._reply.close()


class UpstreamClient:
    """Pooled connections to upstreams. Needs a running event loop."""

    def __init__(self) -> None:
        self._session = _session()
        self._proxies = getproxies_environment()

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamReply:
        """Send one request and wait for the head of its answer. Raises UpstreamFailure."""
        proxy = self._proxy_for(request) if self._proxies else None
        first_byte_by = asyncio.get_running_loop().time() + timeouts.connect + timeouts.first_byte
        try:
            async with asyncio.timeout_at(first_byte_by):
                reply = await self._session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    data=request.body or None,
                    headers=CIMultiDict(request.headers),
                    allow_redirects=False,
                    proxy=proxy,
                    timeout=_connect_within(timeouts.connect),
                )
        except TimeoutError as error:
            raise _timed_out(error, timeouts) from error
        except aiohttp.ClientError as error:
            raise _translate(error) from error
        except OSError as error:
            raise UpstreamFailure(Reason.CONNECT, _plain(error)) from error
        except ValueError as error:
            raise UpstreamFailure(Reason.PROTOCOL, "the upstream's address or answer cannot be used") from error
        return UpstreamReply(reply, timeouts, first_byte_by)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    def _proxy_for(self, request: UpstreamRequest) -> str | None:
        url = URL(request.url)
        if request.is_local or url.host is None or _is_loopback(url.host) or proxy_bypass(url.host):
            return None
        return self._proxies.get(url.scheme) or self._proxies.get("all")


@cache
def _connect_within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=seconds)


def _is_loopback(host: str) -> bool:
    """Whether `host` is this machine itself, which no proxy can reach in our stead."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=30)
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        max_line_size=_LARGEST_HEADER,
        max_field_size=_LARGEST_HEADER,
        read_bufsize=_READ_BUFFER,
    )


def _timed_out(error: TimeoutError, timeouts: Timeouts) -> UpstreamFailure:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamFailure(Reason.CONNECT_TIMEOUT, f"no connection within {timeouts.connect:g} s")
    return UpstreamFailure(Reason.FIRST_BYTE_TIMEOUT, f"no answer within {timeouts.first_byte:g} s")


def _translate(error: aiohttp.ClientError) -> UpstreamFailure:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return UpstreamFailure(Reason.DNS, f"the name `{error.host}` is not known")
        case aiohttp.ClientSSLError():
            return UpstreamFailure(Reason.TLS, f"no trusted connection to `{error.host}`")
        case aiohttp.ClientConnectorError():
            held = error.os_error
            if isinstance(held, ssl.SSLError):
                return UpstreamFailure(Reason.TLS, f"no trusted connection to `{error.host}`")
            if isinstance(held, socket.gaierror):
                return UpstreamFailure(Reason.DNS, f"the name `{error.host}` is not known")
            return UpstreamFailure(Reason.CONNECT, _plain(held))
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError():
            return UpstreamFailure(Reason.BROKEN, "the upstream hung up before it answered")
        case _:
            return UpstreamFailure(Reason.PROTOCOL, "the upstream's answer is not HTTP that can be read")


def _plain(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
