"""HTTP/1.1 by hand, for tests that see every byte and decide when it is sent: a client and a scripted upstream."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE = 10.0  # seconds that any one wait in a test may take
Headers = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Message:
    """A request or an answer as it arrived: `start` is its first line; header names are lower case."""

    start: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """One connection, from either side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=64 * 1024 * 1024))

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> Message:
        async with asyncio.timeout(PATIENCE):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *rest = raw.decode("latin-1").rstrip("\r\n").split("\r\n")
        pairs = [line.partition(":") for line in rest]
        return Message(first, [(name.lower(), value.strip()) for name, _, value in pairs])

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; b"" for the last."""
        async with asyncio.timeout(PATIENCE):
            size = int((await self.reader.readline()).strip() or b"0", 16)
            data = await self.reader.readexactly(size)
            await self.reader.readline()
        return data

    async def message(self, *, is_answer: bool = True) -> Message:
        """One whole message."""
        held = await self.head()
        if "chunked" in (held.header("transfer-encoding") or ""):
            while part := await self.chunk():
                held.body += part
        elif (length := held.header("content-length")) is not None:
            async with asyncio.timeout(PATIENCE):
                held.body = await self.reader.readexactly(int(length))
        elif is_answer:
            held.body = await self.end()
        return held

    async def end(self) -> bytes:
        """Everything until the other side hangs up."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read()

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Headers = ()) -> Message:
        await self.write(request(method, path, body, headers))
        if method == "HEAD":
            return await self.head()
        return await self.message()

    async def gone(self) -> None:
        """Wait until the other side has closed or reset the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                return

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            return

    def cut(self) -> None:
        """Hang up at once, without a proper end."""
        self.writer.transport.abort()


def request(method: str, path: str, body: bytes = b"", headers: Headers = ()) -> bytes:
    names = {name.lower() for name, _ in headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if "host" not in names:
        lines.append("host: localhost")
    if body and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    line = await Line.to(port)
    try:
        yield line
    finally:
        await line.close()


async def ask(port: int, method: str, path: str, body: bytes = b"", headers: Headers = ()) -> Message:
    """One request on a connection of its own."""
    async with line_to(port) as line:
        return await line.ask(method, path, body, headers)


Script = Callable[[Line, Message], Awaitable[None]]


def answer(status: int, body: bytes, headers: Headers = (("content-type", "application/json"),)) -> Script:
    """A whole answer."""

    async def play(line: Line, received: Message) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        await line.write(f"HTTP/1.1 {status} X\r\n{head}content-length: {len(body)}\r\n\r\n".encode("latin-1") + body)

    return play


async def cut_at_once(line: Line, received: Message) -> None:
    """An upstream that resets the connection instead of answering."""
    line.cut()


async def begin_stream(line: Line, *chunks: bytes) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    for chunk in chunks:
        await send_chunk(line, chunk)


async def send_chunk(line: Line, chunk: bytes) -> None:
    await line.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))


def stream(*chunks: bytes, whole: bool = True) -> Script:
    """A stream, whole or broken off after its chunks."""

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, *chunks)
        if whole:
            await line.write(b"0\r\n\r\n")
        else:
            line.cut()

    return play


@dataclass
class ScriptedUpstream:
    """A server on loopback that records what it receives and plays its scripts, the last one for ever."""

    port: int = 0
    received: list[Message] = field(default_factory=list)
    connections: int = 0
    failures: list[BaseException] = field(default_factory=list)
    _scripts: list[Script] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def play(self, *scripts: Script) -> None:
        self._scripts = list(scripts)

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(Line(reader, writer)), name="scripted-upstream")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    async def _serve(self, line: Line) -> None:
        self.connections += 1
        try:
            while not line.writer.is_closing():
                try:
                    received = await line.message(is_answer=False)
                except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
                    return
                self.received.append(received)
                script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
                await script(line, received)
        finally:
            line.writer.close()

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def scripted_upstream(*scripts: Script) -> AsyncIterator[ScriptedUpstream]:
    """A running scripted upstream; a script that failed fails the test."""
    upstream = ScriptedUpstream()
    upstream.play(*scripts)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.stop()
    assert upstream.failures == []
