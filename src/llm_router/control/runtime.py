"""What runs in a home: asked of the supervisor, or, when there is none, read from the files."""

import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_router.control.release import release
from llm_router.control.supervisor import SupervisorClient, SupervisorNotRunning
from llm_router.errors import UnknownName
from llm_router.home import FILE_MODE, FOLDER_MODE, Home
from llm_router.routing.plan import gateway_units

UnitReport = Mapping[str, Any]
UNKNOWN = "unknown"
POLL = 0.05
WELL = "ready"


@dataclass(frozen=True, slots=True)
class RuntimeReport:
    """A home at one moment. `supervisor` is None when nothing runs; `units` are UnitReports."""

    supervisor: Mapping[str, Any] | None
    profile: str
    updated_at: str
    units: tuple[UnitReport, ...]
    secret_permission_issues: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The body of `router status --json`."""
        return {
            "supervisor": self.supervisor,
            "current_profile": self.profile,
            "updated_at": self.updated_at,
            "units": [dict(unit) for unit in self.units],
            "secret_permission_issues": list(self.secret_permission_issues),
        }


def read_runtime(home: Home) -> RuntimeReport:
    """What runs. Raises SupervisorSilent, RemoteError."""
    state = _read_json(home.state)
    profile = str(state.get("profile", UNKNOWN))
    try:
        answer = SupervisorClient(home).call("status", timeout=5.0)
    except SupervisorNotRunning:
        answer = {"units": idle_units(home)}
    return RuntimeReport(
        supervisor=answer.get("supervisor"),
        profile=str(answer.get("profile", profile)),
        updated_at=str(state.get("updated_at", UNKNOWN)),
        units=tuple(answer["units"]),
        secret_permission_issues=tuple(permission_issues(home)),
    )


def await_runtime(home: Home, seconds: float, names: list[str]) -> RuntimeReport:
    """Wait until these units (all for none) are ready or given up on, at most so long; then as `read_runtime`."""
    deadline = time.monotonic() + seconds
    client = SupervisorClient(home)
    while (left := deadline - time.monotonic()) > 0:
        try:
            client.call("wait", units=names or ["all"], wait=left)
            break
        except SupervisorNotRunning:
            time.sleep(min(POLL, left))
    return read_runtime(home)


def version_hint(report: RuntimeReport) -> str | None:
    """What to say when the supervisor is of another release than this command."""
    there = str((report.supervisor or {}).get("version", release()))
    if there == release():
        return None
    return f"the supervisor runs release {there}, this is {release()}; `router down && router up` renews it"


def choose(report: RuntimeReport, names: list[str]) -> tuple[UnitReport, ...]:
    """The units of these names; all for none or `all`, each worker for `gateway`. Raises UnknownName."""
    known = {str(unit["unit"]): unit for unit in report.units}
    for name in names:
        if name not in known and name != "all":
            raise UnknownName("unit", name, (*known, "all"))
    wanted = {*names, *(gateway_units(len(known)) if "gateway" in names else ())}
    return tuple(unit for name, unit in known.items() if not names or "all" in names or name in wanted)


def idle_units(home: Home) -> list[dict[str, object]]:
    """The units that the compiled plan has, all stopped; none when there is no plan."""
    plan = _read_json(home.plan)
    if not plan:
        return []
    services = [str(service["name"]) for service in plan.get("services", [])]
    needs_sandbox = any(held.get("base_url") == "unit://sandbox" for held in plan.get("upstreams", {}).values())
    translator = plan.get("translator", {}).get("enabled", False)
    workers = plan.get("gateway", {}).get("workers", 1)
    sandbox = ["sandbox"] if needs_sandbox else []
    names = [*gateway_units(workers), *sandbox, *services, *(["litellm"] if translator else [])]
    return [_stopped(home, name) for name in names]


def permission_issues(home: Home) -> list[str]:
    """Folders that are not 0700 and secret files that are not 0600."""
    folders = [home.root, home.keys, home.runtime, home.logs]
    issues = [f"{path}" for path in folders if _mode(path) not in (FOLDER_MODE, None)]
    try:
        files = [Path(entry.path) for entry in os.scandir(home.keys) if entry.is_file(follow_symlinks=False)]
    except OSError:
        files = []
    return issues + [f"{path}" for path in (*sorted(files), home.config) if _mode(path) not in (FILE_MODE, None)]


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _stopped(home: Home, name: str) -> dict[str, object]:
    nothing = ("pid", "started_at", "since", "exit", "port", "readiness_code", "readiness_error", "memory_bytes")
    return {
        "unit": name,
        "state": "stopped",
        "ready": False,
        "reason": "nothing was started",
        "code": "",
        "hints": ["Run `router up`"],
        "restarts": 0,
        "url": "",
        "readiness_url": "",
        "log": str(home.log(name)),
        **dict.fromkeys(nothing),
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
