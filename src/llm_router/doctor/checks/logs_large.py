"""Whether the logs grow without end."""

from pathlib import Path

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity, shown

LARGE = 64 * 1024**2  # a unit's log is rotated at 10 MB
OF_ALL = 1024**3


def examine(context: Context) -> Finding | None:
    """One file far beyond where it is rotated, or very many."""
    sizes = {path: _size(path) for path in context.home.logs.glob("*")}
    total = sum(sizes.values())
    found = sorted((path for path, size in sizes.items() if size > LARGE), key=lambda path: -sizes[path])
    if not found and total < OF_ALL:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "The logs are large",
        f"`{context.home.logs}` holds {total / 1e6:.0f} MB",
        evidence=shown([f"{path}: {sizes[path] / 1e6:.0f} MB" for path in found]),
        fix=f"ls -lS {context.home.logs}",
    )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


CHECK = Check("logs.large", "the size of the logs", examine)
