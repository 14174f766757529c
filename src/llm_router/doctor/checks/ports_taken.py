"""Whether the ports that are wanted can be had."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """They are bound for a moment. While a supervisor runs they are its own."""
    from llm_router.supervisor.sockets import AddressUnusable, PortInUse, bind

    if context.silence is None or not _nobody(context):
        return None
    found: list[PortInUse] = []
    for name, host, port in wanted(context):
        try:
            bind(name, host, port).close()
        except PortInUse as taken:
            found.append(taken)
        except AddressUnusable:
            continue  # another check's
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


def wanted(context: Context) -> list[tuple[str, str, int]]:
    """Name, host and port of each door, from the configuration or else from the plan."""
    if context.door is None:
        return []
    doors = [("gateway", *context.door)]
    if context.translates:
        loaded, plan = context.loaded, context.plan
        port = loaded.settings.litellm.port if loaded is not None else plan.translator.port if plan is not None else 0
        doors.append(("translator", "127.0.0.1", port))
    return doors


def _nobody(context: Context) -> bool:
    from llm_router.control.supervisor import SupervisorNotRunning

    return isinstance(context.silence, SupervisorNotRunning)


CHECK = Check(
    "ports.taken",
    "the ports and who owns them",
    examine,
    depends_on=("supervisor.silent", "supervisor.homeless", "runtime.orphans", "ports.unusable"),
)
