"""The control channel to one gateway process: JSON lines over a socket pair, each answer carrying its question's id."""

import asyncio
import json
import socket
from dataclasses import dataclass, field
from typing import Any

from llm_router.errors import RouterError, UnknownName

LONGEST_LINE = 16 * 1024 * 1024


class GatewaySilent(RouterError):
    """The gateway's process does not answer its supervisor."""

    code = "supervisor.gateway_silent"


@dataclass(slots=True)
class GatewayChannel:
    """The supervisor's end. Closed when the gateway's process is gone; then every open question fails."""

    near: socket.socket
    far: socket.socket  # inherited by the child; closed here after the spawn
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.StreamWriter | None = None
    _reading: asyncio.Task[None] | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _open: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _last_id: int = 0
    closed: bool = False

    @classmethod
    def create(cls) -> "GatewayChannel":
        """A channel whose far end waits to be inherited."""
        near, far = socket.socketpair()
        near.setblocking(False)
        return cls(near, far)

    async def ask(self, op: str, *, limit: float = 5.0, **fields: object) -> dict[str, Any]:
        """Ask, and wait at most `limit` seconds. Raises GatewaySilent when no answer or a refusal comes."""
        try:
            async with asyncio.timeout(limit):
                answer = await self._ask(op, fields)
        except TimeoutError as error:
            raise GatewaySilent(f"the gateway did not answer `{op}` within {limit:g} s") from error
        except OSError as error:
            raise GatewaySilent("the gateway's control channel is closed") from error
        if "unknown" in answer:
            raise UnknownName("account", str(answer["unknown"]), answer.get("known", ()))
        if not answer.get("ok"):
            raise GatewaySilent(f"the gateway refused `{op}`: {answer.get('error', 'no reason given')}")
        return answer

    def close(self) -> None:
        """Let go of both ends."""
        self.closed = True
        self.far.close()
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
        else:
            self.near.close()
        self._fail_all()

    async def _ask(self, op: str, fields: dict[str, object]) -> dict[str, Any]:
        if self.closed:
            raise ConnectionResetError
        writer = await self._opened()
        self._last_id += 1
        number = self._last_id
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            writer.write((json.dumps({"id": number, "op": op, **fields}) + "\n").encode())
            await writer.drain()
            return await answer
        finally:
            self._open.pop(number, None)

    async def _opened(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None:
                reader, self._writer = await asyncio.open_connection(sock=self.near, limit=LONGEST_LINE)
                self._reading = asyncio.get_running_loop().create_task(self._read(reader), name="gateway:channel")
            return self._writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._take(json.loads(line))
        except (OSError, ValueError):
            pass
        self.closed = True
        self._fail_all()

    def _take(self, message: dict[str, Any]) -> None:
        if message.get("op") == "ready":
            self.ready.set()
            return
        answer = self._open.get(int(message.get("id", 0)))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _fail_all(self) -> None:
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError())
