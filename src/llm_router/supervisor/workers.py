"""The gateway's workers as a group: as many as the plan says, and others in their place when they must see more."""

import asyncio
from dataclasses import replace

from llm_router.errors import RouterError
from llm_router.routing.plan import Plan, gateway_units
from llm_router.supervisor.fleet import Fleet
from llm_router.supervisor.gateway_unit import GatewayUnit
from llm_router.supervisor.launches import gateway_variables
from llm_router.supervisor.runner import UnitRunner
from llm_router.supervisor.units import State

RETIRE_GRACE = 30.0  # seconds that requests in flight get in a gateway that is replaced


class GatewayNotReady(RouterError):
    """A new gateway did not become ready, so the one before it stays."""

    code = "supervisor.gateway_not_ready"


async def renew(fleet: Fleet, plan: Plan, limit: float) -> None:
    """Workers that see the variables which `plan` names take the place of those that do not.

    All accept on the same sockets until the old ones, drained, are gone. Raises GatewayNotReady.
    """
    old = fleet.gateway
    fresh = GatewayUnit(
        fleet.launcher,
        old.plan,
        old.translator,
        no_translator=old.no_translator,
        variables=old.variables | gateway_variables(plan),
        former=old.former,
    )
    runners = {name: fleet.gateway_runner(fresh, name) for name in old.workers}
    for runner in runners.values():
        runner.start()
    await asyncio.gather(*(runner.wait_for(_settled, limit) for runner in runners.values()))
    unready = [runner for runner in runners.values() if runner.state is not State.READY]
    if unready:
        reason = unready[0].unit.reason
        await asyncio.gather(*(runner.stop() for runner in runners.values()))
        raise GatewayNotReady(
            f"a gateway that sees the new plan's variables did not become ready: {reason}",
            hints=["Run `router service logs gateway`"],
            unharmed="What runs keeps running as it was",
        )
    leaving = [fleet.runners[name] for name in old.workers]
    fleet.gateway = fleet.translator.gateway = fresh
    fleet.runners.update(runners)
    await asyncio.gather(*(_retire(runner) for runner in leaving))
    old.gone()


async def fit(fleet: Fleet, before: Plan, plan: Plan) -> None:
    """As many workers as the new plan says: new ones start if others run, surplus ones finish what they do and go."""
    held, wanted = (gateway_units(each.gateway.workers) for each in (before, plan))
    if fleet.gateway_runs:
        fleet.start([name for name in wanted if name not in held])
    surplus = [name for name in held if name not in wanted]
    await asyncio.gather(*(_retire(fleet.runners[name]) for name in surplus))
    for name in surplus:
        fleet.drop(name)


async def _retire(runner: UnitRunner) -> None:
    runner.timing = replace(runner.timing, stop_grace=RETIRE_GRACE)
    await runner.stop()


def _settled(state: State) -> bool:
    return state in (State.READY, State.FAILED)
