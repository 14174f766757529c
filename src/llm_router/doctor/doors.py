"""The addresses that the router is to listen on, and whether they can be had."""

from llm_router.doctor.context import Context
from llm_router.supervisor.sockets import AddressUnusable, PortInUse, bind

Refusal = PortInUse | AddressUnusable


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


def refusals(context: Context) -> list[Refusal]:
    """Why doors cannot be opened. Each is bound once, for a moment, unless a supervisor runs and has them."""
    return context.once("refusals", lambda: [] if context.runs else _try(wanted(context)))


def _try(doors: list[tuple[str, str, int]]) -> list[Refusal]:
    found: list[Refusal] = []
    for name, host, port in doors:
        try:
            bind(name, host, port).close()
        except (PortInUse, AddressUnusable) as refused:
            found.append(refused)
    return found
