"""The gateway as a unit: one configuration for all of its workers, and a channel to each worker's process."""

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
_MOST_FORMER = 4  # translators that may be drained at the same time
Problems = list[dict[str, Any]]


@dataclass(slots=True)
class GatewayUnit:
    """What the gateway is told: every new process gets the present state as its first message."""

    launcher: Launcher
    plan: Plan
    translator: Translator | None = None
    no_translator: str = ""  # why none will come; empty while one answers or is awaited
    variables: frozenset[str] = frozenset()  # of the environment, that its processes see beyond the allow-list
    former: tuple[Translator, ...] = ()  # replaced, and perhaps still at work for one of several workers
    workers: "dict[str, GatewayWorker]" = field(default_factory=dict)  # by unit name

    def add(self, name: str) -> "GatewayWorker":
        """One more worker, without a process."""
        self.workers[name] = GatewayWorker(self)
        return self.workers[name]

    @property
    def problems(self) -> Problems:
        """The answers to the last `configure`, each problem once."""
        found: Problems = []
        for worker in self.workers.values():
            found += [problem for problem in worker.problems if problem not in found]
        return found

    async def configure(self, plan: Plan, translator: Translator | None) -> None:
        """Put a new state in force, in all workers or in none.

        A worker that is not there gets it when it comes. Raises GatewaySilent.
        """
        before = self.plan, self.translator
        self.plan, self.translator = plan, translator
        if before[1] is not None and before[1] != translator:
            self.former = (*self.former, before[1])[-_MOST_FORMER:]
        failures = await self._tell_all()
        if not failures:
            return
        self.plan, self.translator = before
        if len(self.workers) > 1:
            await self._tell_all()  # those that had taken it
        raise failures[0]

    async def in_flight(self, generation: int) -> int:
        """How many requests of all workers a translator's generation still has. Raises GatewaySilent."""
        answers = await asyncio.gather(*(worker.stats() for worker in self.workers.values()))
        return sum(int(answer.get("translators", {}).get(str(generation), 0)) for answer in answers)

    async def look(self) -> None:
        """Ask what goes wrong while it runs: a ledger that cannot be written, state that cannot be reached."""
        await asyncio.gather(*(worker.look() for worker in self.workers.values()))

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Pass an operator's question on to any worker that serves; what it changes, it changes for all.

        Raises GatewaySilent, and UnknownName for an account that is not there.
        """
        fields = {name: value for name, value in message.items() if name not in {"id", "op"}}
        error = GatewaySilent("the gateway does not run", hints=["Run `router service start gateway`"])
        for worker in sorted(self.workers.values(), key=lambda worker: not worker.serves):
            channel = worker.channel
            if channel is None or channel.closed:
                continue
            try:
                return await channel.ask(str(message.get("op", "")), **fields)
            except GatewaySilent as silent:
                error = silent
        raise error

    def gone(self) -> None:
        """All of its processes ended."""
        for worker in self.workers.values():
            worker.gone()

    async def _tell_all(self) -> list[GatewaySilent]:
        answers = await asyncio.gather(*(worker.tell() for worker in self.workers.values()))
        return [answer for answer in answers if answer is not None]


@dataclass(slots=True, eq=False)
class GatewayWorker:
    """One process of the gateway: its channel, and what it said."""

    unit: GatewayUnit
    problems: Problems = field(default_factory=list)
    troubles: Problems = field(default_factory=list)  # of its running, as `look` last found them
    channel: GatewayChannel | None = None
    _first: asyncio.Task[None] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def serves(self) -> bool:
        """Whether its process said that it accepts requests, and is there."""
        return self.channel is not None and self.channel.ready.is_set() and not self.channel.closed

    async def prepare(self) -> Started:
        """A new process: its channel already holds its first configuration when it starts to read."""
        self.gone()
        unit, channel = self.unit, GatewayChannel.create()
        try:
            started = unit.launcher.gateway(unit.plan, channel, unit.variables)
        except BaseException:
            channel.close()
            raise
        self.channel = channel
        self._first = asyncio.get_running_loop().create_task(self._configure_first(channel), name="gateway:configure")
        return Started(started.launch, started.probe, started.url, started.port, started.after_spawn, ask=self.drain)

    async def tell(self) -> GatewaySilent | None:
        """Configure it with the unit's present state; why that failed. One that died is no failure: another comes."""
        channel = self.channel
        if channel is None or channel.closed:
            return None
        try:
            await self._tell(channel)
        except GatewaySilent as error:
            return None if channel.closed or channel is not self.channel else error
        return None

    async def stats(self) -> dict[str, Any]:
        """What it has in flight; nothing when it is not there. Raises GatewaySilent."""
        if self.channel is None or self.channel.closed:
            return {}
        return await self.channel.ask("stats")

    async def look(self) -> None:
        """Ask what goes wrong while it runs."""
        self.troubles = []
        if self.channel is None or self.channel.closed:
            return
        with contextlib.suppress(GatewaySilent):  # its readiness tells that
            self.troubles = list((await self.channel.ask("stats", limit=LOOK_LIMIT)).get("problems", []))

    async def drain(self) -> bool:
        """Ask it to stop accepting, finish and end. Returns whether it was heard."""
        if self.channel is None:
            return False
        try:
            await self.channel.ask("drain", limit=DRAIN_LIMIT)
        except GatewaySilent:
            return False
        return True

    def gone(self) -> None:
        """Its process ended."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    async def _configure_first(self, channel: GatewayChannel) -> None:
        try:
            await self._tell(channel)
        except GatewaySilent as error:
            self.problems = [{"code": error.code, "message": error.message, "hint": "router service logs gateway"}]

    async def _tell(self, channel: GatewayChannel) -> None:
        unit = self.unit
        async with self._turn:
            answer = await channel.ask(
                "configure",
                limit=CONFIGURE_LIMIT,
                plan=json.loads(unit.plan.to_json()),
                endpoints=endpoints(unit.plan, unit.launcher.held),
                translator=unit.translator.as_json() if unit.translator else None,
                no_translator=unit.no_translator,
                **({"former": [held.as_json() for held in unit.former]} if len(unit.workers) > 1 else {}),
            )
            self.problems = list(answer.get("problems", []))
