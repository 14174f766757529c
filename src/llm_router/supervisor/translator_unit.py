"""LiteLLM as a unit: the one in force, and how a new one takes its place without a request failing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from llm_router.errors import RouterError
from llm_router.routing.plan import Plan
from llm_router.supervisor.gateway_channel import GatewaySilent
from llm_router.supervisor.gateway_unit import GatewayUnit
from llm_router.supervisor.launches import Launcher, Translator
from llm_router.supervisor.runner import Started, UnitRunner
from llm_router.supervisor.units import RestartPolicy, State

DRAIN_DEADLINE = 600.0  # seconds: as long as an answer may stream; meanwhile the old LiteLLM keeps its memory
DRAIN_POLL = 0.1
# One event loop translates and answers probes: under full load it is slow to answer, and killing it fails what it does.
PATIENCE = 4
# A retiring LiteLLM shares the machine with its starting successor: slow to answer a probe is not hung, and one that
# ends is not missed.
RETIRING = RestartPolicy(exits_unready=1, exits_any=1, unready_deadline=DRAIN_DEADLINE + 60.0)
ANSWERING = frozenset({State.READY, State.UNREADY})


class TranslatorNotReady(RouterError):
    """A new LiteLLM did not become ready, so the one before it stays."""

    code = "supervisor.translator_not_ready"


Prepare = Callable[[], Awaitable[Started]]
MakeRunner = Callable[[str, Prepare, Callable[[UnitRunner], None]], UnitRunner]


@dataclass(slots=True, eq=False)
class Slot:
    """One LiteLLM: its runner, and the port and keys of its present process."""

    runner: UnitRunner
    made: Translator | None = None

    @property
    def busy(self) -> bool:
        """Whether it has, or will have, a process."""
        return self.runner.state not in (State.STOPPED, State.FAILED)

    @property
    def given_up(self) -> str:
        """Why it will not come back by itself; an empty text while it may."""
        return (self.runner.unit.reason or "it failed") if self.runner.state is State.FAILED else ""

    @property
    def answering(self) -> Translator | None:
        """What the gateway may send requests to."""
        return self.made if self.runner.state in ANSWERING else None


@dataclass(slots=True)
class TranslatorUnit:
    """Owns every LiteLLM there is: the one in force and, during an exchange, its successor."""

    launcher: Launcher
    gateway: GatewayUnit
    gateway_ready: Callable[[], Awaitable[None]]  # waits; raises RouterError when the gateway does not come
    make_runner: MakeRunner
    current: Slot | None = None
    generation: int = 0
    slots: list[Slot] = field(default_factory=list)
    _telling: asyncio.Task[None] | None = None
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)

    def new_slot(self, plan: Plan) -> Slot:
        """A LiteLLM for this plan, not started. Every start of it has a port and keys of its own."""

        async def prepare() -> Started:
            self.slots = [held for held in self.slots if held.busy and held is not slot] + [slot]
            await self.gateway_ready()
            self.generation += 1
            slot.made = Translator.create(self.generation)
            return self.launcher.translator(plan, slot.made)

        def changed(_runner: UnitRunner) -> None:
            if slot is self.current:
                self._tell_gateway()

        slot = Slot(self.make_runner("litellm", prepare, changed))
        policy = slot.runner.policy
        slot.runner.policy = replace(policy, unready_deadline=policy.unready_deadline * PATIENCE)
        return slot

    @property
    def beside(self) -> list[UnitRunner]:
        """Runners of every LiteLLM but the one in force, as far as they are at work."""
        return [slot.runner for slot in self.slots if slot is not self.current and slot.busy]

    async def successor(self, plan: Plan, limit: float) -> Slot:
        """A new LiteLLM, ready, beside the old one. Raises TranslatorNotReady; then it is gone again."""
        slot = self.new_slot(plan)
        patient, slot.runner.policy = slot.runner.policy, RestartPolicy(exits_unready=1, exits_any=1)
        slot.runner.start()
        await slot.runner.wait_for(lambda state: state in (State.READY, State.FAILED), limit)
        if slot.runner.state is State.READY:
            slot.runner.policy = patient
            return slot
        reason = slot.runner.unit.reason or f"not ready within {limit:g} s"
        tail = slot.runner.log.tail()
        await slot.runner.stop()
        error = TranslatorNotReady(
            f"the new LiteLLM did not become ready: {reason}",
            hints=["Run `router service logs litellm`"],
            unharmed="The plan and the LiteLLM from before are still in force",
        )
        if tail:
            raise error from RuntimeError("its last lines: " + " | ".join(tail[-5:]))
        raise error

    def retire(self, old: Slot) -> None:
        """Stop a LiteLLM that gets no new requests, in the background, once it has none in flight."""
        task = asyncio.get_running_loop().create_task(self._drain(old), name="litellm:retire")
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _drain(self, old: Slot) -> None:
        old.runner.policy = RETIRING
        deadline = asyncio.get_running_loop().time() + DRAIN_DEADLINE
        while old.made is not None and old.busy and asyncio.get_running_loop().time() < deadline:
            try:
                if await self.gateway.in_flight(old.made.generation) == 0:
                    break
            except GatewaySilent:
                pass
            await asyncio.sleep(DRAIN_POLL)
        if old.busy:
            await old.runner.stop()

    def _is_told(self) -> bool:
        slot = self.current
        wanted = (slot.answering, slot.given_up) if slot is not None else (None, "")
        return wanted == (self.gateway.translator, self.gateway.no_translator)

    def _tell_gateway(self) -> None:
        """Let the gateway know what answers now, one telling at a time."""
        if self._is_told() or (self._telling is not None and not self._telling.done()):
            return
        self._telling = asyncio.get_running_loop().create_task(self._tell(), name="litellm:announce")

    async def _tell(self) -> None:
        while not self._is_told():
            slot = self.current
            self.gateway.no_translator = slot.given_up if slot is not None else ""
            try:
                await self.gateway.configure(self.gateway.plan, slot.answering if slot is not None else None)
            except GatewaySilent:
                await asyncio.sleep(DRAIN_POLL)
