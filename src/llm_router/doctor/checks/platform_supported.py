"""Whether this is a system that llm-router runs on."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

SUPPORTED = ("linux", "darwin")


def examine(context: Context) -> Finding | None:
    """Anything but Linux and macOS is an error."""
    if context.machine.system in SUPPORTED:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "This system is not supported",
        f"llm-router runs on Linux and macOS, this is `{context.machine.system}`",
        fix="run it in a Linux container or in WSL",
    )


CHECK = Check("platform.unsupported", "the operating system", examine)
