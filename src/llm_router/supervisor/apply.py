"""Taking a new plan into force without a request failing: new ones are ready before old ones go."""

import asyncio
from dataclasses import dataclass

from llm_router.errors import RouterError
from llm_router.home import Home, explain
from llm_router.routing.plan import Plan
from llm_router.supervisor import sockets, workers
from llm_router.supervisor.fleet import SANDBOX, TRANSLATOR, Fleet
from llm_router.supervisor.launches import gateway_variables
from llm_router.supervisor.units import RUNNING, State

Applied = dict[str, object]


class RestartNeeded(RouterError):
    """A change that a running router cannot take over."""

    code = "supervisor.restart_needed"


class NoPlan(RouterError):
    """There is no compiled plan, or one that this release cannot read."""

    code = "supervisor.no_plan"


def read_plan(home: Home) -> Plan:
    """The compiled plan. Raises NoPlan."""
    hints = ["Run `router up`"]
    try:
        return Plan.from_json(home.plan.read_bytes())
    except OSError as error:
        raise NoPlan(f"The compiled plan `{home.plan}` cannot be read: {explain(error)}", hints=hints) from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoPlan(f"The compiled plan `{home.plan}` is damaged or of another release", hints=hints) from error


@dataclass(slots=True)
class Applier:
    """One application at a time; those who ask while one waits share the next."""

    fleet: Fleet
    _turn: asyncio.Lock
    _next: asyncio.Task[Applied] | None = None

    async def apply(self, limit: float) -> Applied:
        """Put the plan on disk in force. Raises RestartNeeded, NoPlan, TranslatorNotReady, GatewaySilent."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._in_turn(limit), name="apply")
        return await asyncio.shield(self._next)

    async def _in_turn(self, limit: float) -> Applied:
        async with self._turn:
            self._next = None  # from here on the plan is read: who asks now gets another turn
            return await self._apply(read_plan(self.fleet.home), limit)

    async def _apply(self, plan: Plan, limit: float) -> Applied:
        fleet, before = self.fleet, self.fleet.plan
        self._refuse(before, plan)
        await self._before(plan, limit)
        replaced = await self._exchange(before, plan, limit)
        await self._services(before, plan)
        await workers.fit(fleet, before, plan)
        return {"profile": plan.profile, "translator_replaced": replaced, "problems": fleet.gateway.problems}

    def _refuse(self, before: Plan, plan: Plan) -> None:
        changed = [
            name
            for name, old, new in (
                ("gateway.host", before.gateway.host, plan.gateway.host),
                ("gateway.port", before.gateway.port, plan.gateway.port),
                ("litellm.port", self._door(before, plan), plan.translator.port),
                ("state", before.state, plan.state),
            )
            if old != new
        ]
        if changed:
            raise RestartNeeded(
                f"A running router cannot take over a change of {' and '.join(f'`{name}`' for name in changed)}",
                hints=["Run `router down && router up`"],
                unharmed="What runs keeps running as it was",
            )

    def _door(self, before: Plan, plan: Plan) -> int | None:
        """The translator's door that is held, or the new plan's when none is wanted."""
        if not plan.translator.enabled:
            return plan.translator.port
        held = before.translator.enabled or self.fleet.launcher.held.has(sockets.TRANSLATOR)
        return before.translator.port if held else None

    async def _before(self, plan: Plan, limit: float) -> None:
        """What the new plan needs must be there before a request can ask for it."""
        new = gateway_variables(plan) - self.fleet.gateway.variables
        if new & self.fleet.launcher.environ.keys() and self.fleet.gateway_runs:
            await workers.renew(self.fleet, plan, limit)
        if plan.needs_unit(SANDBOX) and not self.fleet.plan.needs_unit(SANDBOX):
            self.fleet.adopt_sandbox()
            if self.fleet.gateway_runs:
                self.fleet.start([SANDBOX])

    async def _exchange(self, before: Plan, plan: Plan, limit: float) -> bool:
        """The gateway's plan and the translator change together. Returns whether LiteLLM was replaced."""
        fleet, old = self.fleet, self.fleet.translator.current
        same = (before.translator.digest, before.translator.environment, before.translator.enabled) == (
            plan.translator.digest,
            plan.translator.environment,
            plan.translator.enabled,
        )
        if same:
            await fleet.gateway.configure(plan, fleet.gateway.translator)
            return False
        if not plan.translator.enabled:
            await fleet.gateway.configure(plan, None)
            if old is not None:
                fleet.drop(TRANSLATOR)
                fleet.translator.retire(old)
            return False
        if old is None or old.runner.state in (State.STOPPED, State.FAILED):
            return await self._renew(plan)
        new = await fleet.translator.successor(plan, limit)
        await fleet.hand_over(old, new, plan)
        return True

    async def _renew(self, plan: Plan) -> bool:
        """There is no LiteLLM to keep: the new plan does not wait for one."""
        old = self.fleet.translator.current
        fresh = self.fleet.translator.new_slot(plan)
        await self.fleet.gateway.configure(plan, None)
        self.fleet.put_translator(fresh)
        stopped = old is not None and old.runner.state is State.STOPPED
        if self.fleet.gateway_runs and not stopped:
            fresh.runner.start()
        return False

    async def _services(self, before: Plan, plan: Plan) -> None:
        fleet = self.fleet
        old, new = ({service.name: service for service in held.services} for held in (before, plan))
        running = {name for name in old if fleet.runners[name].state in (*RUNNING, State.BACKOFF)}
        gone = [name for name in old if new.get(name) != old[name]]
        await fleet.stop(gone)
        for name in gone:
            fleet.drop(name)
        if fleet.plan.needs_unit(SANDBOX) and not plan.needs_unit(SANDBOX):
            await fleet.stop([SANDBOX])
            fleet.drop(SANDBOX)
        fleet.adopt(plan)
        up = fleet.gateway_runs
        fleet.start([name for name in new if name in running or (up and name not in old)])
