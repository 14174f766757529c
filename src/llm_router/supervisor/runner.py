"""One unit at work: performs what `units.step` decides, with a real process, a real probe and the real clock."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from llm_router.errors import RouterError
from llm_router.home import explain
from llm_router.supervisor import units
from llm_router.supervisor.identity import memory_bytes
from llm_router.supervisor.logs import UnitLog
from llm_router.supervisor.processes import Child, Launch, spawn
from llm_router.supervisor.readiness import Probe, Readiness
from llm_router.supervisor.units import State

ASKED_TWICE = 2.0  # seconds for SIGTERM when a gentler request was not enough


@dataclass(frozen=True, slots=True)
class Started:
    """What a preparation yields: how to start the process, how to ask it, and where it is reached."""

    launch: Launch
    probe: Probe
    url: str = ""
    port: int | None = None
    after_spawn: Callable[[], None] | None = None  # e.g. close the child's end of a socket pair
    ask: Callable[[], Awaitable[bool]] | None = None  # a gentler request to end than SIGTERM; whether it was heard


class CommandUnusable(RouterError):
    """A unit's command cannot be run."""

    code = "supervisor.command_unusable"

    def __init__(self, unit: str, started: Started | None, error: OSError) -> None:
        """`error` is what the operating system said."""
        command = started.launch.command[0] if started else unit
        super().__init__(
            f"`{command}` cannot be run: {explain(error)}",
            hints=[f"Mend `services.{unit}.command` in router.yaml, then run `router service start {unit}`"],
        )


class Announcer(Protocol):
    """Writes to the event log on behalf of a unit."""

    def __call__(self, event: str, *, result: str, service: str, detail: str = "") -> None:
        """One event."""
        ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long, in seconds."""

    probe_starting: float = 0.1
    probe_ready: float = 2.0
    probe_unready: float = 0.5
    stop_grace: float = 10.0


@dataclass(slots=True)
class UnitRunner:
    """Owns a unit's process, its probe and its waits. All its methods belong to the event loop's thread."""

    name: str
    prepare: Callable[[], Awaitable[Started]]  # called for every start; raises RouterError when it cannot be
    log: UnitLog
    announce: Announcer
    changed: Callable[["UnitRunner"], None]
    policy: units.RestartPolicy = field(default_factory=units.RestartPolicy)
    timing: Timing = field(default_factory=Timing)
    clock: Callable[[], float] = time.monotonic

    unit: units.Unit = field(init=False)
    child: Child | None = field(default=None, init=False)
    started: Started | None = field(default=None, init=False)
    readiness: Readiness = field(default=Readiness(False), init=False)
    refusal: RouterError | None = field(default=None, init=False)  # why it could not be started at all
    started_at: str = field(default="", init=False)
    since: str = field(default="", init=False)
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _waiters: list[asyncio.Future[None]] = field(default_factory=list, init=False)
    _pending: deque[units.Event] = field(default_factory=deque, init=False)
    _stepping: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.unit = units.Unit(self.name)
        self.since = _now()

    @property
    def state(self) -> State:
        """The unit's state."""
        return self.unit.state

    def start(self) -> bool:
        """Ask it to run. Returns False when it already does."""
        if self.state in units.RUNNING:
            self.announce("service_start", result="already-running", service=self.name)
            return False
        self.send(units.StartAsked())
        return True

    async def stop(self) -> str:
        """Ask it to end and wait until it is gone. Returns a result of the event `service_stop`."""
        before, child = self.state, self.child
        self.send(units.StopAsked())
        await self.wait_for(lambda state: state in (State.STOPPED, State.FAILED), limit=None)
        result = "success-after-kill" if child is not None and child.killed else "success"
        if before in (State.STOPPED, State.FAILED):
            result = "not-running"
        elif before is State.BACKOFF:
            result = "already-exited"
        self.announce("service_stop", result=result, service=self.name)
        return result

    async def wait_for(self, wanted: Callable[[State], bool], limit: float | None) -> bool:
        """Wait until the state is a wanted one. Returns False when `limit` seconds passed."""
        try:
            async with asyncio.timeout(limit):
                while not wanted(self.state):
                    future = asyncio.get_running_loop().create_future()
                    self._waiters.append(future)
                    await future
        except TimeoutError:
            return False
        return True

    def send(self, event: units.Event) -> None:
        """Let the event happen; events that come up meanwhile happen after it."""
        self._pending.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._pending:
                self._apply(self._pending.popleft())
        finally:
            self._stepping = False

    def report(self) -> dict[str, object]:
        """The unit as a UnitReport."""
        child = self.child
        return {
            "unit": self.name,
            "state": str(self.state),
            "pid": child.pid if child else None,
            "started_at": self.started_at if child else None,
            "ready": self.state is State.READY,
            "reason": self.unit.reason,
            "code": self.refusal.code if self.refusal else "",
            "hints": self._hints(),
            "since": self.since,
            "restarts": self.unit.restarts,
            "exit": self.unit.last_exit or None,
            "port": self.started.port if self.started else None,
            "url": self.started.url if self.started else "",
            "readiness_url": self.started.probe.url if self.started else "",
            "readiness_code": self.readiness.code,
            "readiness_error": self.readiness.error or None,
            "log": str(self.log.path),
            "memory_bytes": memory_bytes(child.pid) if child else None,
        }

    def _hints(self) -> list[str]:
        if self.refusal is not None:
            return list(self.refusal.hints)
        unwell = self.state in (State.FAILED, State.UNREADY, State.BACKOFF)
        return [f"Run `router service logs {self.name}`"] if unwell else []

    def _apply(self, event: units.Event) -> None:
        before = self.unit
        self.unit, actions = units.step(before, event, now=self.clock(), policy=self.policy)
        if before.state is not self.unit.state:
            self.since = _now()
            if self.unit.state in (State.BACKOFF, State.FAILED, State.STOPPED):
                self.readiness = Readiness(False)
        for action in actions:
            self._perform(action)
        if before != self.unit:
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(None)
        self.changed(self)

    def _perform(self, action: units.Action) -> None:
        match action:
            case units.Spawn():
                self._run("life", self._live())
            case units.AskToStop():
                self._run("stop", self._end())
            case units.Kill():
                if self.child is not None:
                    self.child.kill()
            case units.WakeAfter(seconds):
                self._run("wake", self._wake_after(seconds))
            case units.CancelWake():
                self._cancel("wake")
            case units.Announce(event, result, detail):
                self.announce(event, result=result, service=self.name, detail=detail)

    async def _live(self) -> None:
        """One process from its start to its end."""
        self.started = self.refusal = None
        try:
            self.started = await self.prepare()
            self.child = await spawn(self.started.launch, self.log)
        except RouterError as error:
            self._refused(error)
            return
        except OSError as error:
            self._refused(CommandUnusable(self.name, self.started, error))
            return
        finally:
            if self.started is not None and self.started.after_spawn is not None:
                self.started.after_spawn()
        self.started_at = _now()
        event = "service_restart" if self.unit.restarts else "service_start"
        self.announce(event, result="success", service=self.name, detail=f"pid {self.child.pid}")
        self.changed(self)
        if self.state is State.STOPPING:  # it was asked to stop while it was being prepared
            self._run("stop", self._end())
        self._run("probe", self._probe(self.started.probe))
        how = await self.child.wait()
        self._cancel("probe")
        self.child = None
        self.send(units.Exited(how))

    def _refused(self, error: RouterError) -> None:
        event = "service_restart" if self.unit.restarts else "service_start"
        self.announce(event, result="failed", service=self.name, detail=error.message)
        self.refusal = error
        stopping = self.state is State.STOPPING
        self.send(units.Exited(error.message) if stopping else units.Refused(error.message))

    async def _probe(self, probe: Probe) -> None:
        while True:
            self.readiness = await probe.check()
            passed = self.readiness.ready
            self.send(units.ProbePassed() if passed else units.ProbeFailed(self.readiness.reason))
            await asyncio.sleep(self._interval())

    def _interval(self) -> float:
        if self.state is State.READY:
            return self.timing.probe_ready
        return self.timing.probe_starting if self.state is State.STARTING else self.timing.probe_unready

    async def _end(self) -> None:
        child, grace = self.child, self.timing.stop_grace
        if child is None:
            return
        if self.started is not None and self.started.ask is not None:
            heard = await self.started.ask()
            if heard and await child.gone_within(grace):
                return
            grace = min(grace, ASKED_TWICE)
        await child.stop(grace)

    async def _wake_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.send(units.WaitOver())

    def _run(self, job: str, work: Awaitable[None]) -> None:
        self._cancel(job)

        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run(), name=f"{self.name}:{job}")
        task.add_done_callback(_complain)
        self._tasks[job] = task

    def _cancel(self, job: str) -> None:
        task = self._tasks.pop(job, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()


def _complain(task: asyncio.Task[None]) -> None:
    """A bug in a unit's task goes to the supervisor's log at once, not when the task is forgotten."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": f"the task {task.get_name()} failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
