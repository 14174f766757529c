"""How units look: the table, the progress of a start, the lines of `health`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Unit = Mapping[str, Any]
_WORKER = re.compile(r"gateway(-\d+)?")
UNWELL = ("failed", "unready", "backoff")


def unit_line(unit: Unit, profile: str = "") -> str:
    """One unit: `  gateway   ready   http://127.0.0.1:8317      balanced`."""
    name, state, url = str(unit["unit"]), str(unit["state"]), str(unit["url"] or "")
    middle, end = (url, profile) if name == "gateway" else (url, "")
    if name == "litellm":
        middle, end = "(translator)", url
    if state != "ready" and unit["reason"]:
        end = str(unit["reason"])
    return f"  {name:<9} {state:<8} {middle:<26} {end}".rstrip()


def tail_lines(unit: Unit) -> list[str]:
    """The last lines of a unit that is not well, as far as the supervisor sent them."""
    lines = unit.get("log_tail") or []
    return [f"  last lines of {unit['log']}:", *(f"    {line}" for line in lines)] if lines else []


def hint_lines(units: Iterable[Unit]) -> list[str]:
    """What to run next, each hint once."""
    found = [str(hint) for unit in units if unit["state"] != "ready" for hint in unit.get("hints", ())]
    return [f"hint: {hint}" for hint in dict.fromkeys(found)]


def status_lines(report: Mapping[str, Any]) -> list[str]:
    """`router status`: facts as `key=value`, then a table."""
    units: Sequence[Unit] = report["units"]
    running = [f"{unit['unit']}_running={'yes' if unit['pid'] else 'no'}" for unit in units]
    facts = [
        f"current_profile={report['current_profile']}",
        f"updated_at={report['updated_at']}",
        *sorted(running),
        f"secret_permission_issues={len(report['secret_permission_issues'])}",
    ]
    return [*facts, "", *_table(units)] if units else facts


def health_lines(unit: Unit) -> list[str]:
    """`router health`: one line of facts, then why it is not well."""
    alive = bool(unit["pid"])
    code = unit["readiness_code"]
    facts = (
        f"{unit['unit']}:liveness={_ok(alive)} readiness={_ok(unit['ready'])} running={'yes' if alive else 'no'} "
        f"readiness_code={'n/a' if code is None else code} readiness_error={unit['readiness_error'] or 'none'} "
        f"readiness_url={unit['readiness_url'] or 'n/a'}"
    )
    reason = [] if unit["ready"] else [f"  {unit['state']}: {unit['reason'] or 'not started'}"]
    problems = [f"  {problem['message']}" for problem in unit.get("problems", ()) if alive]
    return [facts, *reason, *problems]


def health_body(units: Sequence[Unit]) -> dict[str, object]:
    """`router health --json`: a verdict and the units. `degraded`: the gateway answers and something else does not."""
    gateway = any(unit["ready"] for unit in units if _WORKER.fullmatch(str(unit["unit"])))
    well = bool(units) and all(unit["ready"] for unit in units)
    return {"health": "ok" if well else "degraded" if gateway else "down", "units": [dict(unit) for unit in units]}


def problem_hints(units: Iterable[Unit]) -> list[str]:
    """Hints for what is wrong with the gateway's configuration, each once."""
    found = [str(problem.get("hint", "")) for unit in units for problem in unit.get("problems", ())]
    return [f"hint: {hint}" for hint in dict.fromkeys(found) if hint]


def stopping_line(step: Mapping[str, Any]) -> str:
    """One line of talk while units are stopped."""
    return f"  {step['unit']:<9} {step['state']}"


def outcome_line(unit: Unit) -> str:
    """`router service`: `litellm:started pid=4711`."""
    result, state = str(unit["result"]), str(unit["state"])
    if result in ("started", "restarted", "already-running"):
        if state == "ready":
            return f"{unit['unit']}:{result} pid={unit['pid']}"
        return f"{unit['unit']}:{'start-failed' if state == 'failed' else 'not-ready'} {unit['reason']}".rstrip()
    if result in ("success", "success-after-kill", "not-running", "already-exited"):
        return f"{unit['unit']}:stopped"
    return f"{unit['unit']}:stop-failed"


def _table(units: Sequence[Unit]) -> list[str]:
    rows = [("UNIT", "STATE", "PID", "RESTARTS", "MEMORY", "ADDRESS", "REASON")]
    for unit in units:
        memory = f"{unit['memory_bytes'] / 1e6:.0f} MB" if unit["memory_bytes"] else "-"
        rows.append(
            (
                str(unit["unit"]),
                str(unit["state"]),
                str(unit["pid"] or "-"),
                str(unit["restarts"]),
                memory,
                str(unit["url"] or "-"),
                str(unit["reason"] or ""),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _ok(value: object) -> str:
    return "ok" if value else "fail"
