"""Whether this Python is one that llm-router runs on."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

OLDEST = (3, 12)


def examine(context: Context) -> Finding | None:
    """An older Python is an error."""
    if context.machine.python[:2] >= OLDEST:
        return None
    held = ".".join(map(str, context.machine.python))
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "Python is too old",
        f"llm-router runs on Python {OLDEST[0]}.{OLDEST[1]} and later, this is {held}",
        fix="./scripts/quickstart.sh",
    )


CHECK = Check("python.version", "the version of Python", examine)
