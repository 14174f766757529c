"""Whether a process may open enough files."""

import resource

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

FEWEST = 256


def examine(_context: Context) -> Finding | None:
    """Each connection is two open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FEWEST:
        return None
    return Finding(
        CHECK.code,
        Severity.WARNING,
        "Few files may be open at once",
        f"A process may open {soft} files, and each request needs two",
        fix="ulimit -n 4096 && router down && router up",
    )


CHECK = Check("machine.files", "how many files a process may open", examine)
