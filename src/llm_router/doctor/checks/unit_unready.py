"""Units that run and do not answer."""

from datetime import datetime

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.doctor.log_lines import last_lines, likely_cause

PATIENCE = 60.0  # seconds that a start may take before it is worth a word
TOLD = 3


def examine(context: Context) -> Finding | None:
    """Unready after having been ready, or starting for longer than a start takes."""
    now = context.machine.wall()
    found = [
        unit
        for unit in context.units
        if unit["state"] == "unready" or (unit["state"] == "starting" and now - _since(unit["since"], now) > PATIENCE)
    ]
    if not found:
        return None
    worst = found[0]
    lines = last_lines(worst, TOLD)
    said = [f"{unit['unit']}: {unit['state']}, {unit['reason'] or unit['readiness_error']}" for unit in found]
    return Finding(
        CHECK.code,
        Severity.ERROR,
        f"The unit `{worst['unit']}` does not answer",
        likely_cause(lines) or said[0],
        evidence=(*shown(said), *(_stopped(unit["pid"]) for unit in found if _stopped(unit["pid"])), *lines),
        fix=f"router service restart {worst['unit']}",
        unharmed="After 30 s without an answer the supervisor starts it anew by itself",
    )


def _since(text: object, otherwise: float) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return otherwise


def _stopped(pid: object) -> str:
    import psutil

    try:
        stopped = psutil.Process(int(str(pid))).status() == psutil.STATUS_STOPPED
    except (psutil.Error, ValueError):
        return ""
    return f"process {pid} is stopped (SIGSTOP)" if stopped else ""


CHECK = Check("unit.unready", "units that run and do not answer", examine, depends_on=("supervisor.silent",))
