"""An upstream of raw bytes: records what it is sent and plays what a test wrote down, be it HTTP or not."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
LONGEST_WAIT = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it stood on the wire, and the number of the connection it came on, from 0."""

    connection: int
    head: bytes
    body: bytes

    @property
    def lines(self) -> list[str]:
        """The request line and the header lines."""
        return self.head.decode("latin-1").split("\r\n")[:-2]


@dataclass(slots=True)
class Visit:
    """One connection as the server holds it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: "ScriptedServer"

    async def request(self) -> Seen:
        """The next request. Raises asyncio.IncompleteReadError when the client has gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        seen = Seen(self.number, head, await self.reader.readexactly(length))
        self.server.requests.append(seen)
        self.server.asked.set()
        return seen

    async def say(self, answer: bytes) -> None:
        """Send bytes."""
        self.writer.write(answer)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has hung up."""
        while await self.reader.read(65536):
            pass

    def cut(self) -> None:
        """Hang up with a reset."""
        self.writer.transport.abort()


Script = Callable[[Visit], Awaitable[None]]


@dataclass(slots=True)
class ScriptedServer:
    """A listening server: `requests` as they came, `asked` set by the first, `left` whenever a connection ends."""

    port: int = 0
    scheme: str = "http"
    connections: int = 0
    requests: list[Seen] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


def answers(*said: bytes) -> Script:
    """A script: the same answers to the requests of each connection, in turn, then silence until the client leaves."""

    async def play(visit: Visit) -> None:
        for answer in said:
            await visit.request()
            await visit.say(answer)
        await visit.gone()

    return play


def answers_and_closes(*said: bytes) -> Script:
    """A script: as `answers`, but the server hangs up after the last."""

    async def play(visit: Visit) -> None:
        for answer in said:
            await visit.request()
            await visit.say(answer)

    return play


def answers_always(said: bytes) -> Script:
    """A script: the same answer to every request."""

    async def play(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.say(said)

    return play


@asynccontextmanager
async def scripted(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Serve `script` to every connection; the connection ends when the script does."""
    state = ScriptedServer(scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(state.connections, reader, writer, state)
        state.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(visit)
        except (asyncio.IncompleteReadError, OSError):
            pass
        except asyncio.CancelledError:
            return
        finally:
            state.left.set()
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(visited, "127.0.0.1", 0, ssl=tls, backlog=1024, limit=2**20)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def pass_time(seconds: float) -> None:
    """Let time pass where the time itself is what is tested, or what a slow server or reader is made of."""
    await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


async def left(server: ScriptedServer) -> None:
    """Wait until a connection of the server's has ended."""
    async with asyncio.timeout(LONGEST_WAIT):
        await server.left.wait()
