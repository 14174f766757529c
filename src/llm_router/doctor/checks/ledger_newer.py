"""Whether the ledger was written by a newer release."""

import sqlite3
from contextlib import closing
from urllib.parse import quote

from llm_router.doctor.checks.ledger_damaged import AFTER
from llm_router.doctor.context import Context
from llm_router.doctor.finding import Check, Finding, Severity


def examine(context: Context) -> Finding | None:
    """This release does not write into it, so no request is counted."""
    from llm_router.journal.ledger_file import SCHEMA

    path = context.home.ledger
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1.0)) as connection:
            held = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return None
    if held <= SCHEMA:
        return None
    return Finding(
        CHECK.code,
        Severity.ERROR,
        "The ledger was written by a newer release",
        f"the ledger has schema {held}, this release knows {SCHEMA}",
        fix=f"update llm-router, or mv {path} {path}.newer",
        unharmed="Requests are served and not counted",
    )


CHECK = Check("ledger.newer", "the ledger's schema", examine, depends_on=(*AFTER, "ledger.damaged"))
