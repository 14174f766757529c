"""Whether the ledger grows without end."""

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

LARGE = 4 * 1024**3


def examine(context: Context) -> Finding | None:
    """Four gigabytes are some ten million requests."""
    try:
        size = context.home.ledger.stat().st_size
    except OSError:
        return None
    if size < LARGE:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "The ledger is large",
        f"`{context.home.ledger}` has {size / 1e9:.1f} GB",
        fix="router config explain ledger.retention_days",
    )


CHECK = Check("ledger.large", "the ledger's size", examine)
