"""Whether the supervisor is of this release."""

from llm_router.control.release import release
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """After an upgrade the old one goes on until it is restarted."""
    there = str((((context.status or {}).get("supervisor")) or {}).get("version", release()))
    if there == release():
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "What runs is another release",
        f"the supervisor runs release {there}, this command is {release()}",
        fix="router down && router up",
        unharmed="Requests are served by the old release",
    )


CHECK = Check("supervisor.version", "the release of what runs", examine, depends_on=("supervisor.silent",))
