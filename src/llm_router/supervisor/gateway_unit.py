"""The gateway as a unit: its present configuration, and the channel to the process that has it."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_router.routing.plan import Plan
from llm_router.supervisor.gateway_channel import GatewayChannel, GatewaySilent
from llm_router.supervisor.launches import Launcher, Translator, endpoints
from llm_router.supervisor.runner import Started

CONFIGURE_LIMIT = 20.0
DRAIN_LIMIT = 2.0
LOOK_LIMIT = 1.0


@dataclass(slots=True)
class GatewayUnit:
    """What the gateway is told: every new process gets the present state as its first message."""

    launcher: Launcher
    plan: Plan
    translator: Translator | None = None
    no_translator: str = ""  # why none will come; empty while one answers or is awaited
    variables: frozenset[str] = frozenset()  # of the environment, that its process sees beyond the allow-list
    problems: list[dict[str, Any]] = field(default_factory=list)
    troubles: list[dict[str, Any]] = field(default_factory=list)  # of its running, as `look` last found them
    _channel: GatewayChannel | None = None
    _first: asyncio.Task[None] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def prepare(self) -> Started:
        """A new process: its channel already holds its first configuration when it starts to read."""
        self._close()
        channel = GatewayChannel.create()
        try:
            started = self.launcher.gateway(self.plan, channel, self.variables)
        except BaseException:
            channel.close()
            raise
        self._channel = channel
        self._first = asyncio.get_running_loop().create_task(self._configure_first(channel), name="gateway:configure")
        return Started(started.launch, started.probe, started.url, started.port, started.after_spawn, ask=self.drain)

    async def configure(self, plan: Plan, translator: Translator | None) -> None:
        """Put a new state in force. A gateway that is not there gets it when it comes. Raises GatewaySilent."""
        before = self.plan, self.translator
        self.plan, self.translator = plan, translator
        channel = self._channel
        if channel is None or channel.closed:
            return
        try:
            await self._tell(channel)
        except GatewaySilent:
            if channel.closed or channel is not self._channel:
                return  # it died; its successor is configured with the new state
            self.plan, self.translator = before
            raise

    async def in_flight(self, generation: int) -> int:
        """How many requests a translator's generation still has. 0 when there is no gateway to ask."""
        if self._channel is None or self._channel.closed:
            return 0
        answer = await self._channel.ask("stats")
        return int(answer.get("translators", {}).get(str(generation), 0))

    async def look(self) -> None:
        """Ask what goes wrong while it runs: a ledger that cannot be written, state that cannot be reached."""
        self.troubles = []
        if self._channel is None or self._channel.closed:
            return
        with contextlib.suppress(GatewaySilent):  # its readiness tells that
            self.troubles = list((await self._channel.ask("stats", limit=LOOK_LIMIT)).get("problems", []))

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Pass an operator's question on. Raises GatewaySilent, and UnknownName for an account that is not there."""
        if self._channel is None or self._channel.closed:
            raise GatewaySilent("the gateway does not run", hints=["Run `router service start gateway`"])
        fields = {name: value for name, value in message.items() if name not in {"id", "op"}}
        return await self._channel.ask(str(message.get("op", "")), **fields)

    async def drain(self) -> bool:
        """Ask it to stop accepting, finish and end. Returns whether it was heard."""
        if self._channel is None:
            return False
        try:
            await self._channel.ask("drain", limit=DRAIN_LIMIT)
        except GatewaySilent:
            return False
        return True

    def gone(self) -> None:
        """Its process ended."""
        self._close()

    async def _configure_first(self, channel: GatewayChannel) -> None:
        try:
            await self._tell(channel)
        except GatewaySilent as error:
            self.problems = [{"code": error.code, "message": error.message, "hint": "router service logs gateway"}]

    async def _tell(self, channel: GatewayChannel) -> None:
        async with self._turn:
            answer = await channel.ask(
                "configure",
                limit=CONFIGURE_LIMIT,
                plan=json.loads(self.plan.to_json()),
                endpoints=endpoints(self.plan, self.launcher.held),
                translator=self.translator.as_json() if self.translator else None,
                no_translator=self.no_translator,
            )
            self.problems = list(answer.get("problems", []))

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
