"""Whether the addresses that are wanted are this machine's, and may be bound."""

from llm_router.doctor.checks.ports_taken import wanted
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """Bound for a moment, while nothing runs."""
    from llm_router.supervisor.sockets import AddressUnusable, PortInUse, bind

    if context.runs:
        return None
    for name, host, port in wanted(context):
        try:
            bind(name, host, port).close()
        except PortInUse:
            continue  # another check's
        except AddressUnusable as refused:
            return Finding(
                CHECK.code,
                Severity.ERROR,
                "The gateway's address cannot be used",
                refused.message,
                evidence=(f"{name}: {host}:{port}",),
                fix="router config explain gateway.host",
            )
    return None


CHECK = Check(
    "ports.unusable", "whether the addresses can be bound", examine, depends_on=("config.missing", "config.invalid")
)
