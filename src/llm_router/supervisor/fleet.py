"""All units of one home: made from the plan, started by need, stopped in reverse, reported as one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from llm_router.errors import RouterError, UnknownName
from llm_router.home import Home, HomeError
from llm_router.journal.events import EventLog
from llm_router.routing.plan import Plan, Service, gateway_units
from llm_router.supervisor import leftovers, sockets
from llm_router.supervisor.gateway_unit import GatewayUnit
from llm_router.supervisor.launches import Launcher, gateway_variables
from llm_router.supervisor.logs import UnitLog
from llm_router.supervisor.runner import Started, Timing, UnitRunner
from llm_router.supervisor.translator_unit import Slot, TranslatorUnit
from llm_router.supervisor.units import RUNNING, SETTLED, RestartPolicy, State

GATEWAY, SANDBOX, TRANSLATOR = "gateway", "sandbox", "litellm"
ALL = "all"
DEPENDENCY_LIMIT = 120.0
Watcher = Callable[[UnitRunner], None]


class DependencyNotReady(RouterError):
    """A unit that this one needs is not ready."""

    code = "supervisor.dependency_not_ready"


@dataclass(slots=True)
class Fleet:
    """Owns the runners. `watchers` hear of every change of a unit."""

    home: Home
    launcher: Launcher
    plan: Plan
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    timing: Timing = field(default_factory=Timing)
    watchers: list[Watcher] = field(default_factory=list)
    gateway: GatewayUnit = field(init=False)
    translator: TranslatorUnit = field(init=False)
    runners: dict[str, UnitRunner] = field(default_factory=dict, init=False)
    _logs: dict[str, UnitLog] = field(default_factory=dict, init=False)
    _events: EventLog = field(init=False)
    _recording: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._events = EventLog(self.home.events)
        self.gateway = GatewayUnit(self.launcher, self.plan, variables=gateway_variables(self.plan))
        self.translator = TranslatorUnit(
            self.launcher, self.gateway, lambda: self.need(TRANSLATOR, (GATEWAY,)), self.make_runner
        )
        self.adopt(self.plan)

    def adopt(self, plan: Plan) -> None:
        """Make the units that a plan has and the fleet has not. Starts and stops nothing."""
        self.plan = plan
        for name in gateway_units(plan.gateway.workers):
            if name not in self.runners:
                self.runners[name] = self.gateway_runner(self.gateway, name)
        if plan.needs_unit(SANDBOX):
            self.adopt_sandbox()
        for service in plan.services:
            if service.name not in self.runners:
                self.runners[service.name] = self._service_runner(service)
        if plan.translator.enabled and self.translator.current is None:
            self.put_translator(self.translator.new_slot(plan))

    def adopt_sandbox(self) -> None:
        """Hold the sandbox's socket, so that its address is known, and make the unit."""
        self.launcher.held.open(sockets.SANDBOX, "127.0.0.1", 0)
        if SANDBOX not in self.runners:
            self.runners[SANDBOX] = self.make_runner(SANDBOX, self._prepare_sandbox, lambda _: None)

    @property
    def gateway_runs(self) -> bool:
        """Whether any worker of the gateway has a process that is wanted."""
        return any(self.runners[name].state in RUNNING for name in self.gateway.workers)

    def gateway_runner(self, unit: GatewayUnit, name: str) -> UnitRunner:
        """A runner for one more worker of a gateway."""
        return self.make_runner(name, unit.add(name).prepare, self._gateway_changed)

    async def hand_over(self, old: Slot, new: Slot, plan: Plan) -> None:
        """Put a ready LiteLLM in the place of another, together with its plan. Raises GatewaySilent."""
        self.put_translator(new)
        try:
            await self.gateway.configure(plan, new.made)
        except RouterError:
            self.put_translator(old)
            await new.runner.stop()
            raise
        self.translator.retire(old)

    def put_translator(self, slot: Slot) -> None:
        """This LiteLLM is the one in force from now on."""
        self.translator.current = slot
        self.runners[TRANSLATOR] = slot.runner

    def drop(self, name: str) -> None:
        """Forget a unit that is stopped."""
        self.runners.pop(name, None)
        self.gateway.workers.pop(name, None)
        if name == TRANSLATOR:
            self.translator.current = None

    def make_runner(self, name: str, prepare: Callable[[], Awaitable[Started]], changed: Watcher) -> UnitRunner:
        """A runner that logs, announces and is recorded like every other."""
        log = self._logs.setdefault(name, UnitLog(self.home.log(name)))

        def on_change(runner: UnitRunner) -> None:
            changed(runner)
            self._record_soon()
            for watcher in tuple(self.watchers):
                watcher(runner)

        return UnitRunner(name, prepare, log, self.announce, on_change, self.policy, self.timing)

    def announce(self, event: str, *, result: str, service: str = "", detail: str = "") -> None:
        """Write an event under the active profile."""
        self._events.write(event, result=result, service=service, profile=self.plan.profile, detail=detail)

    def select(self, names: Iterable[str]) -> list[str]:
        """The units meant, in starting order: `all` is all, `gateway` each of its workers. Raises UnknownName."""
        asked = self._spelt_out(names)
        for name in sorted(asked - {ALL}):
            if name not in self.runners:
                raise UnknownName("unit", name, (*self.runners, ALL))
        return [name for name in self._order() if ALL in asked or name in asked]

    def start(self, names: Iterable[str]) -> dict[str, str]:
        """Ask units, and those they depend on, to run. Returns `started` or `already-running` by name."""
        wanted = set(names)
        for name in tuple(wanted):
            wanted |= self._needs(name)
        chosen = [name for name in self._order() if name in wanted]
        return {name: "started" if self.runners[name].start() else "already-running" for name in chosen}

    async def stop(self, names: Iterable[str], *, keep_doors: bool = False) -> dict[str, str]:
        """Stop units, users of a unit before the unit. Returns a result of `service_stop` by name.

        With `keep_doors` clients that come meanwhile wait for the next gateway; else they are refused.
        """
        wanted = set(names)
        results: dict[str, str] = {}
        for level in sorted({self._level(name) for name in wanted}, reverse=True):
            chosen = [name for name in wanted if self._level(name) == level]
            ended = await asyncio.gather(*(self.runners[name].stop() for name in chosen))
            results.update(zip(chosen, ended, strict=True))
        if wanted & self.gateway.workers.keys() and not keep_doors and not self._anybody_opens():
            self.launcher.held.close(sockets.GATEWAY, sockets.TRANSLATOR)
        return results

    async def wait_ready(self, names: Iterable[str], limit: float) -> bool:
        """Wait until these are ready or given up on. Returns whether all are ready."""
        runners = [self.runners[name] for name in names]
        await asyncio.gather(*(runner.wait_for(_settled, limit) for runner in runners))
        return all(runner.state is State.READY for runner in runners)

    async def need(self, name: str, others: Iterable[str]) -> None:
        """Wait for what a unit depends on. Raises DependencyNotReady."""
        for other in others:
            runner = self.runners.get(other)
            if runner is None:
                raise DependencyNotReady(f"`{name}` depends on `{other}`, which is no unit")
            for held in (self.runners[each] for each in self._spelt_out([other])):
                await held.wait_for(_settled, DEPENDENCY_LIMIT)
                if held.state is State.READY:  # one worker of the gateway will do
                    runner = held
                    break
            if runner.state is not State.READY:
                raise DependencyNotReady(f"`{name}` depends on `{other}`, which is {runner.state}")

    def report(self) -> list[dict[str, object]]:
        """Every unit as a UnitReport."""
        return [self.describe(name) for name in self._order()]

    def describe(self, name: str) -> dict[str, object]:
        """One UnitReport; a gateway's also says what is wrong with its configuration, and while it runs."""
        report = self.runners[name].report()
        worker = self.gateway.workers.get(name)
        return {**report, "problems": worker.problems + worker.troubles} if worker is not None else report

    def record(self) -> None:
        """Write down which processes run, for the next supervisor should this one be killed."""
        self._recording = False
        runners = (*self.runners.values(), *self.translator.beside)
        running = [(runner.name, runner.child.identity) for runner in runners if runner.child]
        try:
            leftovers.record(self.home, running)
        except HomeError as error:
            self._logs[GATEWAY].lost += 1
            self.announce("supervisor_record", result="failed", detail=error.message)

    def _record_soon(self) -> None:
        if not self._recording:
            self._recording = True
            asyncio.get_running_loop().call_soon(self.record)

    def _gateway_changed(self, runner: UnitRunner) -> None:
        worker = self.gateway.workers.get(runner.name)
        if runner is not self.runners.get(runner.name) or worker is None:
            return  # one that is not yet, or no more, in force
        if runner.state is State.FAILED and not self._anybody_opens():
            # nobody will accept: a client had better be refused than wait for ever
            self.launcher.held.close(sockets.GATEWAY, sockets.TRANSLATOR)
        if runner.state not in (*RUNNING, State.STOPPING):
            worker.gone()

    def _anybody_opens(self) -> bool:
        """Whether a worker of the gateway runs or is to run."""
        gone = (State.STOPPED, State.FAILED)
        return any(self.runners[name].state not in gone for name in self.gateway.workers)

    def _spelt_out(self, names: Iterable[str]) -> set[str]:
        """These names, and with `gateway` those of all its workers."""
        held = set(names)
        return held | self.gateway.workers.keys() if GATEWAY in held else held

    async def _prepare_sandbox(self) -> Started:
        return self.launcher.sandbox()

    def _service_runner(self, service: Service) -> UnitRunner:
        async def prepare() -> Started:
            await self.need(service.name, service.depends_on)
            return self.launcher.service(service)

        return self.make_runner(service.name, prepare, lambda _: None)

    def _depends_on(self, name: str) -> frozenset[str]:
        if name == TRANSLATOR:
            return frozenset(self.gateway.workers)
        named = next((service.depends_on for service in self.plan.services if service.name == name), ())
        return frozenset(self._spelt_out(named)) & self.runners.keys()

    def _needs(self, name: str) -> set[str]:
        found: set[str] = set()
        todo = [name]
        while todo:
            new = self._depends_on(todo.pop()) - found
            found |= new
            todo += new
        return found

    def _level(self, name: str) -> int:
        """Who is used stands below who uses: the gateway is on top, and the translator, which serves it, below."""
        if name in self.gateway.workers:
            return 1000
        if name == TRANSLATOR:
            return 999
        return min(len(self._needs(name)), 998)

    def _order(self) -> list[str]:
        first = [name for name in (*self.gateway.workers, SANDBOX) if name in self.runners]
        services = sorted(
            (name for name in self.runners if name not in (*first, TRANSLATOR)),
            key=lambda name: (len(self._needs(name)), name),
        )
        return [*first, *services, *([TRANSLATOR] if TRANSLATOR in self.runners else [])]


def _settled(state: State) -> bool:
    return state in SETTLED
