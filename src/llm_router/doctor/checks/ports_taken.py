"""Whether the ports that are wanted are free."""

from llm_router.doctor.context import Context
from llm_router.doctor.doors import refusals
from llm_router.doctor.finding import Check, Finding, Severity, shown
from llm_router.supervisor.sockets import PortInUse


def examine(context: Context) -> Finding | None:
    """They are bound for a moment. While a supervisor runs they are its own."""
    found = [refused for refused in refusals(context) if isinstance(refused, PortInUse)]
    if not found:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "A port is taken",
        found[0].message,
        evidence=shown([f"port {taken.address[1]}: {taken.owner}" for taken in found]),
        fix=found[0].hints[-1],
    )


CHECK = Check(
    "ports.taken",
    "the ports and who owns them",
    examine,
    depends_on=("supervisor.silent", "supervisor.homeless", "runtime.orphans", "ports.unusable"),
)
