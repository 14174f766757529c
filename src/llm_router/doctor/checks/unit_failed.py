"""Units that end again and again."""

from collections.abc import Mapping
from typing import Any

from llm_router.control.lifecycle import TOLERATED
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.doctor.log_lines import last_lines, likely_cause
from llm_router.translator import launch

TOLD = 5


def examine(context: Context) -> Finding | None:
    """Given up on, or waiting to be started again; with the last lines and what they most likely mean."""
    found = [unit for unit in context.units if unit["state"] in ("failed", "backoff")]
    if launch.installed_problem(context.home) is not None:  # a cause of its own
        found = [unit for unit in found if unit.get("code") != TOLERATED]
    if not found:
        return None
    worst = found[0]
    name, lines = str(worst["unit"]), last_lines(worst, TOLD)
    cause = likely_cause(lines)
    return Finding(
        CHECK.code,
        Severity.ERROR,
        f"The unit `{name}` is in a crash loop"
        if worst["state"] == "backoff"
        else f"The unit `{name}` was given up on",
        cause or f"{name}: {worst['reason']}",
        evidence=(*(_line(unit) for unit in found), *lines),
        fix=f"router service logs {name}; then router service restart {name}",
        unharmed="The other units are not concerned",
    )


def _line(unit: Mapping[str, Any]) -> str:
    return f"{unit['unit']}: {unit['state']}, {unit['reason']}, {unit['restarts']} restarts"


CHECK = Check(
    "unit.failed",
    "units that end again and again",
    examine,
    depends_on=(
        *("supervisor.silent", "supervisor.version", "litellm.known_bad"),
        *("litellm.startup_code", "litellm.packages", "litellm.files", "disk.full"),
    ),
)
