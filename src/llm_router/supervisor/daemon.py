"""The supervisor's life: lock, end leftovers, bind, start, serve, stop in reverse."""

import asyncio
import fcntl
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from llm_router.control.release import release
from llm_router.errors import RouterError
from llm_router.home import FILE_MODE, Home, HomeError, explain, write_private
from llm_router.supervisor import sockets
from llm_router.supervisor.apply import read_plan
from llm_router.supervisor.control_socket import ControlSocket
from llm_router.supervisor.fleet import ALL, Fleet
from llm_router.supervisor.identity import identify
from llm_router.supervisor.launches import Commands, Launcher
from llm_router.supervisor.leftovers import end_leftovers, path_of
from llm_router.supervisor.operations import Operations
from llm_router.supervisor.runner import Timing
from llm_router.supervisor.sockets import HeldSockets
from llm_router.supervisor.units import RestartPolicy


class AlreadyRunning(RouterError):
    """Another supervisor serves this home."""

    code = "supervisor.already_running"


@dataclass(frozen=True, slots=True)
class Options:
    """How one supervisor is run."""

    autostart: bool = True
    commands: Commands = field(default_factory=Commands)
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    timing: Timing = field(default_factory=Timing)


def lock(home: Home) -> int:
    """Take the home's one supervisor lock; held until the process ends. Raises AlreadyRunning, HomeError."""
    try:
        descriptor = os.open(home.supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise HomeError(f"`{home.supervisor_lock}` cannot be opened: {explain(error)}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyRunning(
            f"Another supervisor serves `{home.root}`",
            hints=["Run `router status`"],
            unharmed="What runs keeps running",
        ) from error
    return descriptor


async def serve(home: Home, options: Options, environ: dict[str, str], report: Callable[[], None]) -> None:
    """Run until told to end. `report` is called once, when the control socket answers. Raises RouterError before."""
    await _clear(home)
    plan = read_plan(home)
    held = HeldSockets()
    try:
        held.open(sockets.GATEWAY, plan.gateway.host, plan.gateway.port)
        if plan.translator.enabled:
            held.open(sockets.TRANSLATOR, "127.0.0.1", plan.translator.port)
        launcher = Launcher(home, environ, options.commands, held)
        fleet = Fleet(home, launcher, plan, options.policy, options.timing)
        await _run(fleet, options, report)
    finally:
        held.close()


async def _clear(home: Home) -> None:
    for left in await end_leftovers(home):
        from llm_router.journal.events import EventLog

        detail = f"pid {left.identity.pid}, left behind by a supervisor that was killed"
        EventLog(home.events).write("service_stop", result=left.result, service=left.unit, detail=detail)


async def _run(fleet: Fleet, options: Options, report: Callable[[], None]) -> None:
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    operations = Operations(fleet, started_at)
    control, signals = ControlSocket(fleet.home, operations), Signals(operations)
    if options.autostart:
        fleet.start(fleet.select([ALL]))
        await asyncio.sleep(0)  # the units' processes first, then the rest
    try:
        await control.open()
        signals.listen()
        _identify(fleet.home, started_at)
        fleet.announce("supervisor_start", result="success", detail=f"pid {os.getpid()}")
        report()
        await operations.shutdown.wait()
    finally:  # also when the start fails half-way: nothing half-started stays
        operations.shutdown.set()
        await signals.stop_everything()
        fleet.announce("supervisor_stop", result="success")
        operations.ended.set()
        await control.close()
        for leftover in (fleet.home.supervisor_identity, path_of(fleet.home)):
            leftover.unlink(missing_ok=True)


def _identify(home: Home, started_at: str) -> None:
    held = identify(os.getpid())
    body = {"schema": 1, **(held.as_json() if held else {}), "version": release(), "started_at": started_at}
    write_private(home.supervisor_identity, (json.dumps(body) + "\n").encode())


@dataclass(slots=True)
class Signals:
    """Handlers only note what was asked; the loop does it. A second request to end does not wait for anybody."""

    operations: Operations
    _asked: int = 0
    _forced: asyncio.Event = field(default_factory=asyncio.Event)
    _reloading: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """Take over SIGTERM, SIGINT and SIGHUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    async def stop_everything(self) -> None:
        """Stop all units in reverse order; at a second signal, kill what is left."""
        fleet = self.operations.fleet
        fleet.launcher.held.close()  # from now on a client is refused instead of kept waiting
        orderly = asyncio.get_running_loop().create_task(self._orderly(), name="supervisor:stop")
        forced = asyncio.get_running_loop().create_task(self._wait_forced(), name="supervisor:force")
        await asyncio.wait({orderly, forced}, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        for runner in (*fleet.runners.values(), *fleet.translator.beside):
            if runner.child is not None:
                runner.child.kill()
        await orderly

    async def _orderly(self) -> None:
        fleet = self.operations.fleet
        await fleet.stop(list(fleet.runners))
        await asyncio.gather(*(runner.stop() for runner in fleet.translator.beside))

    async def _wait_forced(self) -> None:
        await self._forced.wait()

    def _end(self) -> None:
        self._asked += 1
        self.operations.shutdown.set()
        if self._asked > 1:
            self._forced.set()

    def _reload(self) -> None:
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.get_running_loop().create_task(self._apply(), name="supervisor:reload")

    async def _apply(self) -> None:
        try:
            await self.operations.reload()
        except RouterError as error:
            self.operations.fleet.announce("apply", result="failed", detail=error.message)
