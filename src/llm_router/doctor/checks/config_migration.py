"""Whether the configuration is of an older version."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown


def examine(context: Context) -> Finding | None:
    """It works as it is, and new settings cannot be written into it."""
    loaded = context.loaded
    if loaded is None or not loaded.migrated:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "The configuration is of an older version",
        f"`{loaded.path}` was written for an older release and is translated at each start",
        evidence=shown(list(loaded.notices[1:])),
        fix="router config migrate",
        unharmed="It is used as it is",
    )


CHECK = Check("config.migration", "the version of the configuration", examine, depends_on=("config.invalid",))
