"""What the control socket can ask for: one method per `op`, plain values in and out."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from llm_router.control.release import release
from llm_router.errors import RouterError, UnknownName, UsageError
from llm_router.supervisor.apply import Applier
from llm_router.supervisor.fleet import ALL, Fleet, Watcher
from llm_router.supervisor.runner import UnitRunner
from llm_router.supervisor.units import SETTLED, State

Report = Callable[[dict[str, object]], None]
Result = dict[str, object]
DEFAULT_WAIT = 60.0
DESK = frozenset({"accounts", "pause", "resume", "explain"})  # what an operator may ask of the gateway itself


class BadRequest(UsageError):
    """A request to the supervisor has a wrong shape."""

    code = "supervisor.bad_request"


class Stopping(RouterError):
    """The supervisor was told to end and takes no more orders."""

    code = "supervisor.stopping"


@dataclass(slots=True)
class Operations:
    """Serves one fleet. `shutdown` is set when the supervisor is to end."""

    fleet: Fleet
    started_at: str
    shutdown: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # all units are stopped
    _applier: Applier = field(init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # start, stop, restart and apply do not mix

    def __post_init__(self) -> None:
        self._applier = Applier(self.fleet, self._turn)

    async def perform(self, request: dict[str, Any], progress: Report) -> Result:
        """Do what a request asks. Raises RouterError."""
        table: dict[str, Callable[[dict[str, Any], Watcher], Awaitable[Result]]] = {
            "ping": self._ping,
            "status": self._status,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "wait": self._wait,
            "apply": self._apply,
            "gateway": self._gateway,
            "shutdown": self._shutdown,
        }
        op = str(request.get("op", ""))
        if op not in table:
            raise UnknownName("supervisor operation", op, table)
        if self.shutdown.is_set() and op not in ("ping", "status", "shutdown"):
            raise Stopping("The supervisor is stopping", hints=["Run `router up` once it is gone"])
        watcher = _watcher(progress, self.fleet)
        self.fleet.watchers.append(watcher)
        try:
            return await table[op](request, watcher)
        finally:
            self.fleet.watchers.remove(watcher)

    async def reload(self) -> None:
        """What SIGHUP asks for."""
        await self._applier.apply(DEFAULT_WAIT)

    async def _ping(self, _request: dict[str, Any], _watch: Watcher) -> Result:
        return {"pid": os.getpid(), "version": release()}

    async def _status(self, _request: dict[str, Any], _watch: Watcher) -> Result:
        await self.fleet.gateway.look()
        return {
            "supervisor": {"pid": os.getpid(), "version": release(), "started_at": self.started_at},
            "profile": self.fleet.plan.profile,
            "units": self.fleet.report(),
        }

    async def _start(self, request: dict[str, Any], watch: Watcher) -> Result:
        names = self.fleet.select(_names(request))
        async with self._turn:
            results = self.fleet.start(names)
        return await self._settle(names, results, _wait(request), watch)

    async def _stop(self, request: dict[str, Any], _watch: Watcher) -> Result:
        names = self.fleet.select(_names(request))
        async with self._turn:
            results = await self.fleet.stop(names)
        return {"units": [self._row(name, results) for name in names]}

    async def _restart(self, request: dict[str, Any], watch: Watcher) -> Result:
        names = self.fleet.select(_names(request))
        async with self._turn:
            await self.fleet.stop(names, keep_doors=True)
            self.fleet.start(names)
        outcome = await self._settle(names, dict.fromkeys(names, "restarted"), _wait(request), watch)
        for name in names:
            ready = self.fleet.runners[name].state is State.READY
            self.fleet.announce("service_restart", result="success" if ready else "failed", service=name)
        return outcome

    async def _wait(self, request: dict[str, Any], watch: Watcher) -> Result:
        names = self.fleet.select(_names(request))
        return await self._settle(names, {}, _wait(request), watch)

    async def _apply(self, request: dict[str, Any], _watch: Watcher) -> Result:
        return await self._applier.apply(_wait(request))

    async def _gateway(self, request: dict[str, Any], _watch: Watcher) -> Result:
        message = request.get("message")
        if not isinstance(message, dict) or message.get("op") not in DESK:
            raise BadRequest("The message to the gateway is not one that it answers")
        answer = await self.fleet.gateway.ask(message)
        return {name: value for name, value in answer.items() if name not in {"id", "ok"}}

    async def _shutdown(self, _request: dict[str, Any], _watch: Watcher) -> Result:
        self.shutdown.set()
        await self.ended.wait()
        return {"units": [self._row(name, {}) for name in self.fleet.runners]}

    async def _settle(self, names: list[str], results: dict[str, str], limit: float, watch: Watcher) -> Result:
        for name in names:  # what is settled already is news to the asker
            watch(self.fleet.runners[name])
        ready = await self.fleet.wait_ready(names, limit)
        return {"ready": ready, "units": [self._row(name, results) for name in names]}

    def _row(self, name: str, results: dict[str, str]) -> dict[str, object]:
        runner = self.fleet.runners[name]
        row = {**self.fleet.describe(name), "result": results.get(name, "")}
        unwell = runner.state is not State.READY and runner.unit.last_exit
        return {**row, "log_tail": runner.log.tail()} if unwell else row


def _watcher(progress: Report, fleet: Fleet) -> Callable[[UnitRunner], None]:
    seen: dict[str, tuple[str, str]] = {}

    def watch(runner: UnitRunner) -> None:
        now = str(runner.state), runner.unit.reason
        if seen.get(runner.name) == now:
            return
        seen[runner.name] = now
        progress(
            {
                "unit": runner.name,
                "state": now[0],
                "reason": now[1],
                "url": runner.started.url if runner.started else "",
                "settled": runner.state in SETTLED,
                "profile": fleet.plan.profile,
            }
        )

    return watch


def _names(request: dict[str, Any]) -> Iterable[str]:
    names = request.get("units", [ALL])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequest("`units` must be a list of names")
    return names


def _wait(request: dict[str, Any]) -> float:
    wait = request.get("wait", DEFAULT_WAIT)
    if not isinstance(wait, int | float) or wait < 0:
        raise BadRequest("`wait` must be a number of seconds")
    return float(wait)
