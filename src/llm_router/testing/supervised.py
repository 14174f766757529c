"""A real supervisor process over scripted units, for tests: fast waits, free ports, a home of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from llm_router.control.supervisor import SupervisorClient
from llm_router.home import Home, write_private
from llm_router.routing.plan import GatewaySettings, Plan, TranslatorSettings
from llm_router.supervisor.launches import Commands
from llm_router.supervisor.runner import Timing
from llm_router.supervisor.sockets import free_port
from llm_router.supervisor.units import RestartPolicy
from llm_router.testing import scripted

DEADLINE = 20.0
POLL = 0.02


class NeverHappened(AssertionError):
    """A state that a test waits for did not come in time."""


def until[T](look: Callable[[], T], what: str, *, seconds: float = DEADLINE) -> T:
    """Look until there is something true to see, and return it. Raises NeverHappened."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise NeverHappened(what)
        time.sleep(POLL)
    return seen


@dataclass(slots=True)
class Supervised:
    """One home, its plan, and the supervisor that is started on it."""

    home: Home
    plan: Plan
    commands: Commands = field(
        default_factory=lambda: Commands(gateway=scripted.command("gateway"), translator=scripted.command("http"))
    )
    policy: RestartPolicy = field(default_factory=lambda: RestartPolicy(second_delay=0.05, unready_deadline=1.5))
    timing: Timing = field(
        default_factory=lambda: Timing(probe_starting=0.02, probe_ready=0.1, probe_unready=0.05, stop_grace=1.0)
    )
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def client(self) -> SupervisorClient:
        """The client of the control socket."""
        return SupervisorClient(self.home)

    def write_plan(self, plan: Plan) -> None:
        """Put a plan on disk, as `control.activation` does."""
        self.plan = plan
        self.home.create()
        write_private(self.home.plan, plan.to_json())

    def start(self) -> "Supervised":
        """Start the supervisor and wait until its socket answers. Raises NeverHappened."""
        self.write_plan(self.plan)
        self.launch()
        until(self.client.running, "the supervisor answers")
        return self

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the supervisor's process and wait for nothing."""
        options = {
            "home": str(self.home.root),
            "gateway": self.commands.gateway,
            "sandbox": self.commands.sandbox,
            "translator": self.commands.translator,
            "policy": {name: getattr(self.policy, name) for name in RestartPolicy.__slots__},
            "timing": {name: getattr(self.timing, name) for name in Timing.__slots__},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llm_router.testing.supervised", json.dumps(options)],
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        return self.process

    def unit(self, name: str) -> dict[str, Any]:
        """One unit's report."""
        units: list[dict[str, Any]] = self.client.call("status")["units"]
        return next(unit for unit in units if unit["unit"] == name)

    def until_state(self, name: str, *states: str) -> dict[str, Any]:
        """Wait until a unit is in one of these states; its report."""

        def look() -> dict[str, Any] | None:
            unit = self.unit(name)
            return unit if unit["state"] in states else None

        return until(look, f"{name} is {' or '.join(states)}") or {}

    def ask(self) -> dict[str, Any]:
        """One request to the gateway's door: what the scripted gateway was configured with."""
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.plan.gateway.port}/", timeout=DEADLINE) as answer:
            body: dict[str, Any] = json.loads(answer.read())
        return body

    def events(self) -> list[tuple[str, str, str]]:
        """(event, service, result) of every event so far."""
        rows = [json.loads(line) for line in self.home.events.read_text().splitlines()]
        return [(row["event"], row["service"], row["result"]) for row in rows]

    def end(self) -> None:
        """Ask the supervisor to end, end it if it does not."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


def plain_plan(**changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
    """A plan on free ports, with a translator and no upstream."""
    plan = Plan(
        profile="balanced",
        gateway=GatewaySettings(port=free_port()),
        translator=TranslatorSettings(port=free_port(), digest="first"),
        upstreams={},
        models=(),
    )
    return replace(plan, **changes)


@contextmanager
def supervised(folder: Path, plan: Plan | None = None, **changes: Any) -> Iterator[Supervised]:  # noqa: ANN401 - fields of Supervised
    """A supervisor that runs, ended afterwards."""
    held = Supervised(Home(folder / ".router"), plan or plain_plan(), **changes)
    try:
        yield held.start()
    finally:
        held.end()


def _run(options: Mapping[str, Any]) -> int:
    import asyncio

    from llm_router.errors import RouterError
    from llm_router.supervisor import daemon

    home = Home(Path(options["home"]))
    commands = Commands(*(tuple(options[name]) for name in ("gateway", "sandbox", "translator")))
    settings = daemon.Options(
        commands=commands, policy=RestartPolicy(**options["policy"]), timing=Timing(**options["timing"])
    )
    os.umask(0o077)
    try:
        daemon.lock(home)
        asyncio.run(daemon.serve(home, settings, dict(os.environ), lambda: None))
    except RouterError as error:
        sys.stderr.write(json.dumps(error.as_json()))
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(_run(json.loads(sys.argv[1])))
