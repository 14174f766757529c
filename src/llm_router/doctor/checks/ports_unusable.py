"""Whether the addresses that are wanted are this machine's, and may be bound."""

from llm_router.doctor.context import Context
from llm_router.doctor.doors import refusals
from llm_router.doctor.finding import Check, Finding, Severity
from llm_router.supervisor.sockets import AddressUnusable


def examine(context: Context) -> Finding | None:
    """Bound for a moment, while nothing runs."""
    refused = next((refused for refused in refusals(context) if isinstance(refused, AddressUnusable)), None)
    if refused is None:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The gateway's address cannot be used",
        refused.message,
        fix="router config explain gateway.host",
    )


CHECK = Check(
    "ports.unusable", "whether the addresses can be bound", examine, depends_on=("config.missing", "config.invalid")
)
