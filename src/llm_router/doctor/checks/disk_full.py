"""Whether the disk has room."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

NOTHING_LEFT = 64 * 1024**2
LITTLE_LEFT = 512 * 1024**2


def examine(context: Context) -> Finding | None:
    """Below 64 MB files can no longer be replaced as a whole; below 512 MB that is near."""
    free = context.machine.free_bytes(context.home.root)
    if free >= LITTLE_LEFT:
        return None
    full = free < NOTHING_LEFT
    return Finding(
        CHECK.code,
        Severity.ERROR if full else Severity.WARNING,
        "The disk is full" if full else "The disk is nearly full",
        f"{free / 1e6:.0f} MB are free where `{context.home.root}` lies",
        fix=f"du -sh {context.home.root}/* | sort -h",
        unharmed="Requests are served; their rows in the ledger wait in memory",
    )


CHECK = Check("disk.full", "free space on the disk", examine)
