"""The gateway's end of the supervisor's channel: JSON lines over a socketpair; its end is the supervisor's end."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from llm_router.gateway.desk import OPERATIONS, Desk, UnknownAccount
from llm_router.gateway.recorder import Recorder
from llm_router.gateway.settle import settle, translator_from
from llm_router.gateway.state import GatewayState, Snapshot
from llm_router.home import Home
from llm_router.routing.plan import Plan

_log = logging.getLogger(__name__)
_LARGEST_MESSAGE = 16 * 1024 * 1024
Reply = dict[str, Any]


class ControlChannel:
    """Answers the supervisor's messages, in order."""

    def __init__(
        self, state: GatewayState, home: Home, environ: Mapping[str, str], *, drain: Callable[[], None]
    ) -> None:
        self._state = state
        self._home = home
        self._environ = environ
        self._drain = drain
        self._desk: Desk | None = None
        self._recorder: Recorder | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.configured = asyncio.Event()

    async def serve(self, channel: socket.socket) -> None:
        """Read messages until the supervisor hangs up, then drain."""
        reader, self._writer = await asyncio.open_connection(sock=channel, limit=_LARGEST_MESSAGE)
        try:
            while line := await reader.readline():
                await self._say(await self._answer(line))
        except (ConnectionError, ValueError):
            _log.warning("the control channel broke off")
        finally:
            self.configured.set()
            self._drain()

    def attach(self, desk: Desk, recorder: Recorder) -> None:
        """The gateway is about to serve: it can be asked, and wants to hear of every further plan."""
        self._desk, self._recorder = desk, recorder

    async def first_snapshot(self) -> Snapshot | None:
        """The first plan that the supervisor sends; None when it hangs up before."""
        await self.configured.wait()
        return self._state.snapshot

    async def announce_ready(self) -> None:
        """Tell the supervisor, if it is still there, that connections are being accepted."""
        with contextlib.suppress(ConnectionError):
            await self._say({"op": "ready"})

    async def _say(self, message: Reply) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        self._writer.write(json.dumps(message).encode() + b"\n")
        await self._writer.drain()

    async def _answer(self, line: bytes) -> Reply:
        reply: Reply = {"id": None}
        try:
            message = json.loads(line)
            reply["id"] = message.get("id")
            return {**reply, "ok": True, **await self._perform(message)}
        except UnknownAccount as error:
            return {**reply, "ok": False, "unknown": error.account, "known": error.known}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # The text of the error may quote the message, which holds keys.
            return {**reply, "ok": False, "error": f"the message cannot be used: {type(error).__name__}"}

    async def _perform(self, message: Mapping[str, Any]) -> Reply:
        match message["op"]:
            case "configure":
                return await self._configure(message)
            case "stats":
                return self._stats()
            case "drain":
                self._drain()
                return {}
            case "ping":
                return {}
            case op if op in OPERATIONS:
                return await self._ask_desk(message)
        raise ValueError(message["op"])

    def _stats(self) -> Reply:
        problems = self._recorder.problems() if self._recorder is not None else []
        return {
            "in_flight": self._state.in_flight,
            "translators": self._state.translators_in_flight(),
            "problems": [problem.as_json() for problem in problems],
        }

    async def _ask_desk(self, message: Mapping[str, Any]) -> Reply:
        if self._desk is None:
            raise ValueError("the gateway is starting")
        return await self._desk.perform(message)

    async def _configure(self, message: Mapping[str, Any]) -> Reply:
        plan = Plan.from_json(json.dumps(message["plan"]).encode())
        endpoints: dict[str, str] = message.get("endpoints") or {}
        # A keyring may ask the person at the screen; streams go on meanwhile.
        snapshot = await asyncio.to_thread(settle, plan, endpoints, self._home, self._environ)
        translator = translator_from(message.get("translator"), snapshot)
        former = (translator_from(held, snapshot) for held in message.get("former") or ())
        self._state.remember(held for held in former if held is not None)
        self._state.configure(snapshot, translator, str(message.get("no_translator") or ""))
        if self._recorder is not None:
            self._recorder.configured(snapshot)
        self.configured.set()
        return {"problems": [problem.as_json() for problem in snapshot.problems]}
