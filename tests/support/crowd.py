"""Fifty clients on fifty kept connections, each request accounted for: which got an answer, and which could not."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from support.policy import WIRES, body_of, is_whole
from support.rawhttp import PATIENCE, Line, Message
from support.stage import PATHS

LOAD_ID = "x-load-id"  # travels on to the upstream, so that both ends of a request can be brought together


class StrictLine(Line):
    """A connection that takes no answer for whole whose last chunk did not come."""

    async def chunk(self) -> bytes:
        """The next chunk. Raises IncompleteReadError when the other side hangs up instead."""
        async with asyncio.timeout(PATIENCE):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            return (await self.reader.readexactly(size + 2))[:-2]


@dataclass(slots=True)
class Told:
    """One request. Moments are seconds since 1970; `got` is None when no whole answer came."""

    load_id: str
    client: str
    began: float
    connected: float  # when its connection was opened
    ended: float = 0.0
    got: Message | None = None
    whole: bool = False  # a good answer from its beginning to its end
    error: str = ""

    @property
    def request_id(self) -> str:
        return str(self.got.header("x-request-id")) if self.got is not None else ""

    def could_be_lost(self, kills: Sequence[tuple[float, float]]) -> bool:
        """Whether a killed process held its connection: opened before the kill, broken after it.

        A connection that no process had accepted yet is in nobody's hands but the supervisor's, and survives.
        """
        return any(self.connected <= after and self.ended >= before for before, after in kills)


@dataclass(slots=True)
class Client:
    """One client: its name, the key it shows, its session."""

    name: str
    key: str
    port: int
    session: str
    told: list[Told] = field(default_factory=list)
    _line: StrictLine | None = None
    _connected: float = 0.0

    async def ask(self, number: int) -> Told:
        """One request, in another wire each time, every second one streamed."""
        wire, streamed = WIRES[number % 3], number % 2 == 1
        body = body_of(wire, f"{self.name} asks {number} {'word ' * (number % 17)}", stream=streamed, model="load")
        headers = [
            ("authorization", f"Bearer {self.key}"),
            ("content-type", "application/json"),
            ("x-session-id", self.session),
            (LOAD_ID, f"{self.name}-{number}"),
        ]
        told = Told(f"{self.name}-{number}", self.name, time.time(), 0.0)
        self.told.append(told)
        try:
            if self._line is None or self._line.reader.at_eof():
                await self.close()
                self._line, self._connected = await StrictLine.to(self.port), time.time()
            told.connected = self._connected
            told.got = await self._line.ask("POST", PATHS[wire], body, headers)
            told.whole = is_whole(wire, told.got, stream=streamed)
            if told.got.header("connection") == "close":
                await self.close()
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            told.error = f"{type(error).__name__}: {error}"
            await self.close()
        told.ended = time.time()
        return told

    async def close(self) -> None:
        """Hang up."""
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):
                await line.close()


@dataclass(slots=True)
class Crowd:
    """All clients at once, until each has asked its share."""

    clients: list[Client]
    each: int
    ended: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Ask everything."""
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(self._run(client), name=client.name)

    async def until(self, ended: int) -> None:
        """Wait until so many requests have ended."""
        while self.ended < ended:
            self._news.clear()
            await self._news.wait()

    @property
    def told(self) -> list[Told]:
        """Every request."""
        return list(itertools.chain.from_iterable(client.told for client in self.clients))

    async def _run(self, client: Client) -> None:
        try:
            for number in range(self.each):
                await client.ask(number)
                self.ended += 1
                self._news.set()
        finally:
            await client.close()
