"""One look at a unit, with a reason when it is not ready."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from llm_router.supervisor.readiness import AliveProbe, ConnectProbe, HttpProbe, Readiness
from llm_router.supervisor.sockets import free_port


@contextlib.asynccontextmanager
async def serving(answer: bytes | None) -> AsyncIterator[int]:
    """A server that answers everything with these bytes, or, for None, with nothing."""
    asked: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in asked:
            writer.close()


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Readiness(True, "", 200)),
        (b"HTTP/1.0 204\r\n\r\n", Readiness(True, "", 204)),
        (b"HTTP/1.1 503 Busy\r\n\r\n", Readiness(False, "URL answered 503", 503)),
        (b"HTTP/1.1 302 Found\r\n\r\n", Readiness(False, "URL answered 302", 302)),
        (b"SSH-2.0-x\r\n", Readiness(False, "no answer from URL", error="ValueError")),
        (b"", Readiness(False, "no answer from URL", error="ValueError")),
        (None, Readiness(False, "no answer from URL within 0.2 s", error="TimeoutError")),
    ],
)
async def test_http(answer: bytes | None, wanted: Readiness) -> None:
    """2xx is ready; anything else says why not."""
    async with serving(answer) as port:
        probe = HttpProbe("127.0.0.1", port, "/health", timeout=0.2 if answer is None else 5.0)
        seen = await probe.check()
    assert probe.url == f"http://127.0.0.1:{port}/health"
    assert seen == Readiness(wanted.ready, wanted.reason.replace("URL", probe.url), wanted.code, wanted.error)


async def test_nobody_listens() -> None:
    """Refused is not ready."""
    port = free_port()
    http = await HttpProbe("127.0.0.1", port, "/").check()
    assert http == Readiness(False, f"no answer from http://127.0.0.1:{port}/", error="ConnectionRefusedError")
    connect = await ConnectProbe("127.0.0.1", port).check()
    assert connect == Readiness(False, f"port {port} does not accept connections", error="ConnectionRefusedError")


async def test_connect_and_alive() -> None:
    """A port that accepts is enough for the one, a process for the other."""
    async with serving(b"") as port:
        assert await ConnectProbe("127.0.0.1", port).check() == Readiness(True)
    assert await AliveProbe().check() == Readiness(True)
    assert (AliveProbe().url, ConnectProbe("127.0.0.1", 1).url) == ("", "")
