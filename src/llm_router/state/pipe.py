"""Questions of many requests on one connection to Redis: what is asked in one turn of the loop leaves in one write.

Every request of a limited key asks Redis twice, and a third time where its session is looked up. A connection and a
time-out for each would cost more processor time than the rest of the request, so these go here; everything else is
asked through the client library.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ResponseError

_SECOND_LOOK = 0.1  # seconds
type Reply = int | str | ResponseError | list[Reply] | None


class Incomplete(Exception):
    """More bytes are needed."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, known to the server by its digest once it has run."""

    source: str
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out the digest that EVALSHA asks for."""
        object.__setattr__(self, "digest", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())


class Pipe(asyncio.Protocol):
    """Connects when it is first asked, and again after a break. `limit` is seconds for an answer."""

    def __init__(self, client: Redis, limit: float) -> None:
        self._client = client
        self._limit = limit
        self._transport: asyncio.Transport | None = None
        self._writer: Any = None  # forgotten, it would close its transport
        self._connecting: asyncio.Task[asyncio.Transport] | None = None
        self._outgoing: list[bytes] = []
        self._waiting: deque[tuple[asyncio.Future[Reply], float]] = deque()  # and when it was asked
        self._held = b""  # the beginning of an answer
        self._watch: asyncio.TimerHandle | None = None

    async def run(self, script: Script, arguments: Iterable[str | int | float]) -> Any:  # noqa: ANN401 - a script's own
        """What a script returns. Raises RedisError, OSError and TimeoutError; then it may have run, or not."""
        texts = [str(argument) for argument in arguments]
        answer = await self._ask("EVALSHA", script.digest, "0", *texts)
        if isinstance(answer, ResponseError) and str(answer).startswith("NOSCRIPT"):
            answer = await self._ask("EVAL", script.source, "0", *texts)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    async def command(self, *words: str) -> Any:  # noqa: ANN401 - a command's own
        """What a command returns, texts as `str`. Raises as `run` does."""
        answer = await self._ask(*words)
        if isinstance(answer, ResponseError):
            raise answer
        return answer

    def close(self) -> None:
        """Hang up; open questions fail."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._break(Disconnected("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Give whole answers to those who wait for them."""
        held, at = self._held + data if self._held else data, 0
        try:
            while at < len(held):
                reply, at = unpack(held, at)
                answer, _ = self._waiting.popleft()
                if not answer.done():
                    answer.set_result(reply)
        except Incomplete:
            pass
        except (ValueError, IndexError):
            self._break(Disconnected("an answer cannot be read"))
            return
        self._held = held[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        if self._transport is not None and self._transport.is_closing():
            self._break(exc if isinstance(exc, OSError) else Disconnected("the server hung up"))

    async def _ask(self, *words: str) -> Reply:
        if self._transport is None:
            await self._connect()
        loop = asyncio.get_running_loop()
        if not self._outgoing:
            loop.call_soon(self._flush)
        self._outgoing.append(pack(words))
        answer: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append((answer, loop.time()))
        if self._watch is None:
            self._watch = loop.call_later(self._limit, self._look)
        return await answer

    async def _connect(self) -> None:
        """One attempt for all who wait for it."""
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._open(), name="state-pipe-connect")
            self._connecting.add_done_callback(self._connected)
        await asyncio.shield(self._connecting)

    def _connected(self, attempt: "asyncio.Task[asyncio.Transport]") -> None:
        self._connecting = None
        if not attempt.cancelled():
            attempt.exception()  # whoever asked has it

    async def _open(self) -> asyncio.Transport:
        connection: Any = self._client.connection_pool.make_connection()  # type: ignore[no-untyped-call] # the library's
        await connection.connect()
        # Address, TLS, password and database are the library's work; what is beneath it, it does not offer.
        self._writer, connection._reader, connection._writer = connection._writer, None, None
        transport: asyncio.Transport = self._writer.transport
        transport.set_protocol(self)
        self._transport = transport
        return transport

    def _flush(self) -> None:
        data, self._outgoing = b"".join(self._outgoing), []
        if self._transport is not None:
            self._transport.write(data)

    def _look(self, late: "asyncio.Future[Reply] | None" = None) -> None:
        """Give a server up that leaves its oldest question unanswered for too long, seen twice."""
        self._watch = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        oldest, asked = self._waiting[0]
        left = asked + self._limit - loop.time()
        if left > 0:
            self._watch = loop.call_later(left, self._look)
        elif oldest is late:
            self._break(TimeoutError(f"no answer within {self._limit:g} s"))
        else:  # a busy loop may not have read yet what has come
            self._watch = loop.call_later(_SECOND_LOOK, self._look, oldest)

    def _break(self, error: Exception) -> None:
        transport, self._transport = self._transport, None
        waiting, self._waiting = self._waiting, deque()
        self._outgoing, self._held = [], b""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if transport is not None:
            transport.abort()
        for answer, _ in waiting:
            if not answer.done():
                answer.set_exception(error)


def pack(words: Iterable[str]) -> bytes:
    """A command as Redis reads it."""
    held = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(held)]
    parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in held]
    return b"".join(parts)


def unpack(data: bytes, at: int) -> tuple[Reply, int]:
    """The reply that begins at `at`, and where the next one does. Raises Incomplete, ValueError for what is none."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise Incomplete
    kind, line, after = data[at : at + 1], data[at + 1 : end], end + 2
    match kind:
        case b":":
            return int(line), after
        case b"+":
            return line.decode(), after
        case b"-":
            return ResponseError(line.decode("utf-8", "replace")), after
        case b"_":
            return None, after
        case b"$":
            return _text(data, int(line), after)
        case b"*":
            return _list(data, int(line), after)
    raise ValueError("a reply of an unknown kind")


def _text(data: bytes, length: int, at: int) -> tuple[str | None, int]:
    if length < 0:
        return None, at
    end = at + length
    if len(data) < end + 2:
        raise Incomplete
    return data[at:end].decode(), end + 2


def _list(data: bytes, length: int, at: int) -> tuple[list[Reply] | None, int]:
    if length < 0:
        return None, at
    found: list[Reply] = []
    for _ in range(length):
        one, at = unpack(data, at)
        found.append(one)
    return found, at
