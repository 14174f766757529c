"""Readiness: one small HTTP GET, or a connect, over asyncio streams; the answer always comes with a reason."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a probe saw. `code` is the HTTP status, if there was one; `error` a short name, e.g. `TimeoutError`."""

    ready: bool
    reason: str = ""
    code: int | None = None
    error: str = ""


class Probe(Protocol):
    """Asks one running unit whether it is ready. Never raises; returns within its own deadline."""

    @property
    def url(self) -> str:
        """What is asked; empty when it is not a URL."""
        ...

    async def check(self) -> Readiness:
        """One look."""
        ...


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """GET on loopback; ready is a 2xx answer."""

    host: str
    port: int
    path: str
    timeout: float = 2.0

    @property
    def url(self) -> str:
        """What is asked."""
        return f"http://{self.host}:{self.port}{self.path}"

    async def check(self) -> Readiness:
        """One request on a connection of its own."""
        try:
            async with asyncio.timeout(self.timeout):
                code = await self._get()
        except TimeoutError:
            return Readiness(False, f"no answer from {self.url} within {self.timeout:g} s", error="TimeoutError")
        except (OSError, ValueError, EOFError) as error:
            return Readiness(False, f"no answer from {self.url}", error=type(error).__name__)
        ready = 200 <= code < 300
        return Readiness(ready, "" if ready else f"{self.url} answered {code}", code)

    async def _get(self) -> int:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            head = f"GET {self.path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode("ascii"))
            line = await reader.readline()
            version, code, *_ = line.split(maxsplit=2)
            if not version.startswith(b"HTTP/"):
                raise ValueError("not HTTP")
            # read to the end, so that the server does not log a client that went away
            await reader.read(LONGEST_ANSWER)
            return int(code)
        finally:
            writer.close()


@dataclass(frozen=True, slots=True)
class ConnectProbe:
    """Ready when the port accepts a connection."""

    host: str
    port: int
    timeout: float = 2.0

    @property
    def url(self) -> str:
        """A connect has no URL."""
        return ""

    async def check(self) -> Readiness:
        """One connection."""
        try:
            async with asyncio.timeout(self.timeout):
                _, writer = await asyncio.open_connection(self.host, self.port)
            writer.close()
        except (OSError, TimeoutError) as error:
            return Readiness(False, f"port {self.port} does not accept connections", error=type(error).__name__)
        return Readiness(True)


@dataclass(frozen=True, slots=True)
class AliveProbe:
    """Ready as soon as the process runs: for a service with neither port nor path."""

    @property
    def url(self) -> str:
        """Nothing is asked."""
        return ""

    async def check(self) -> Readiness:
        """Always ready; the unit's exit is seen elsewhere."""
        return Readiness(True)
