"""Client keys that have been in use for long."""

from datetime import datetime

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

OLD = 365 * 24 * 3600.0


def examine(context: Context) -> Finding | None:
    """Only worth knowing: a key does not wear out, but more and more places have seen it."""
    from llm_router.secrets.client_keys import load_client_keys

    now = context.machine.wall()
    found = []
    for key in load_client_keys(context.home, (), context.environ).named():
        try:
            age = now - datetime.fromisoformat(key.created_at).timestamp()
        except ValueError:
            continue
        if age > OLD:
            found.append(f"{key.name}: {age / 86400:.0f} days")
    if not found:
        return None
    name = found[0].partition(":")[0]
    return Finding(
        CHECK.code,
        Severity.INFO,
        "A client key is old",
        f"the client key `{name}` is older than a year",
        evidence=shown(found),
        fix=f"router key rotate {name}",
    )


CHECK = Check("keys.old", "client keys older than a year", examine, depends_on=("keys.damaged", "clock.wrong"))
