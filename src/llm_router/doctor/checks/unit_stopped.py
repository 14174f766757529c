"""Units that were stopped while the rest runs."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """Somebody asked for it, and may have forgotten."""
    found = [str(unit["unit"]) for unit in context.units if unit["state"] == "stopped"]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "A unit is stopped while the rest runs",
        f"`{found[0]}` was stopped and not started again",
        evidence=shown(found),
        fix=f"router service start {found[0]}",
    )


CHECK = Check("unit.stopped", "units that were stopped", examine, depends_on=("supervisor.silent",))
