"""Starting and stopping, as `router up`, `router down` and `router service` do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_router.control.supervisor import SupervisorClient, SupervisorNotRunning, ensure_supervisor
from llm_router.home import Home

Say = Callable[[Mapping[str, Any]], None]
TOLERATED = "supervisor.translator_unusable"  # the same-format lane runs without LiteLLM


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the units that were asked for: UnitReports with `result` and, if not well, `log_tail`."""

    units: tuple[Mapping[str, Any], ...]
    started_supervisor: bool = False

    @property
    def unwell(self) -> tuple[Mapping[str, Any], ...]:
        """The units that are not ready."""
        return tuple(unit for unit in self.units if unit["state"] != "ready")

    def missed(self, asked: list[str]) -> tuple[Mapping[str, Any], ...]:
        """Those whose absence is a failure: LiteLLM's missing environment is none unless it was asked for by name."""
        return tuple(unit for unit in self.unwell if unit["code"] != TOLERATED or unit["unit"] in asked)


def up(home: Home, environ: Mapping[str, str], *, wait: float, everything: bool, on_progress: Say) -> Outcome:
    """Start everything; wait for all of it, or only for the gateway. Raises PortInUse's report."""
    fresh = ensure_supervisor(home, environ)
    client = SupervisorClient(home)
    if not fresh:
        client.call("start", units=["all"], wait=0)
    waited = ["all"] if everything else ["gateway"]
    answer = client.call("wait", units=waited, wait=wait, on_progress=on_progress)
    return Outcome(tuple(answer["units"]), fresh)


def start(home: Home, environ: Mapping[str, str], names: list[str], *, wait: float, on_progress: Say) -> Outcome:
    """Start units, and the supervisor if there is none, and wait for them. Raises PortInUse's report, UnknownName's."""
    fresh = ensure_supervisor(home, environ, autostart=False)
    answer = SupervisorClient(home).call("start", units=names, wait=wait, on_progress=on_progress)
    return Outcome(tuple(answer["units"]), fresh)


def stop(home: Home, names: list[str], *, on_progress: Say) -> Outcome:
    """Stop units; none when nothing runs. Raises UnknownName's report."""
    try:
        answer = SupervisorClient(home).call("stop", units=names, on_progress=on_progress)
    except SupervisorNotRunning:
        return Outcome(_never_started(home, names))
    return Outcome(tuple(answer["units"]))


def restart(home: Home, environ: Mapping[str, str], names: list[str], *, wait: float, on_progress: Say) -> Outcome:
    """Stop and start units; the same as a start when nothing runs."""
    if ensure_supervisor(home, environ, autostart=False):
        return start(home, environ, names, wait=wait, on_progress=on_progress)
    answer = SupervisorClient(home).call("restart", units=names, wait=wait, on_progress=on_progress)
    return Outcome(tuple(answer["units"]))


def down(home: Home, *, on_progress: Say) -> bool:
    """Stop everything and the supervisor. Returns False when nothing ran."""
    try:
        SupervisorClient(home).shut_down(on_progress=on_progress)
    except SupervisorNotRunning:
        return False
    return True


def _never_started(home: Home, names: list[str]) -> tuple[Mapping[str, Any], ...]:
    from llm_router.control.runtime import choose, read_runtime

    return tuple({**unit, "result": "not-running"} for unit in choose(read_runtime(home), names))
