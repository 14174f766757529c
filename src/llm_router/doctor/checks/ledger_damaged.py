"""Whether the ledger is sound."""

import sqlite3
import time
from contextlib import closing
from urllib.parse import quote

from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity

SECONDS = 1.0  # for the check of all pages; a ledger of 100 MB takes about half of it
BETWEEN = 20_000  # steps of SQLite's machine between two looks at the clock
AFTER = ("home.missing", "home.not_a_folder", "home.owner", "home.modes", "home.links")


def examine(context: Context) -> Finding | None:
    """SQLite's quick check, as far as it gets in a second."""
    problem = _problem(context)
    if not problem:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The ledger is damaged",
        f"`{context.home.ledger}` is not a sound database",
        evidence=(problem,),
        fix="router doctor --fix ledger.damaged",
        unharmed="Requests are served; it is kept beside the new one, never deleted",
        mendable=not context.runs,
    )


def mend(context: Context) -> str:
    """Move it aside, as a gateway that starts would."""
    from llm_router.journal.ledger_file import move_aside

    return f"moved the damaged ledger to `{move_aside(context.home.ledger).name}`"


def _problem(context: Context) -> str:
    from llm_router.journal.ledger_file import is_damaged

    path = context.home.ledger
    if not path.is_file() or path.stat().st_size == 0:
        return ""
    until = time.monotonic() + SECONDS
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1.0)) as connection:
            connection.set_progress_handler(lambda: int(time.monotonic() > until), BETWEEN)
            rows = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.Error as error:
        return str(error) if is_damaged(error) else ""
    return "" if rows == ["ok"] else rows[0]


CHECK = Check("ledger.damaged", "whether the ledger is sound", examine, mend, depends_on=AFTER)
