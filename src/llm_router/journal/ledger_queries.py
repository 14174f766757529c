"""What the ledger says: usage by day, model, account, key or session, totals, and single requests.

Readers open the file read-only: they work while the gateway writes, and when nothing runs.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from llm_router.errors import RouterError
from llm_router.journal.ledger_file import SCHEMA

_BUSY_MS = 2000


class LedgerUnreadable(RouterError):
    """The ledger is there and cannot be read."""

    code = "ledger.unreadable"


class GroupBy(StrEnum):
    """What usage is added up by."""

    DAY = "day"
    MODEL = "model"
    ACCOUNT = "account"
    KEY = "key"
    SESSION = "session"


# Days are those of this machine's time zone. A failed request has no account; the model is then the one asked for.
_GROUPS: Mapping[GroupBy, str] = {
    GroupBy.DAY: "date(started_ms / 1000, 'unixepoch', 'localtime')",
    GroupBy.MODEL: "CASE WHEN model_answered != '' THEN model_answered ELSE model_asked END",
    GroupBy.ACCOUNT: "upstream",
    GroupBy.KEY: "key",
    GroupBy.SESSION: "session",
}
_SUMS = """
    count(*) AS requests,
    count(*) FILTER (WHERE outcome != 'success') AS failed,
    coalesce(sum(input), 0) AS input,
    coalesce(sum(cached), 0) AS cached,
    coalesce(sum(cache_write), 0) AS cache_write,
    coalesce(sum(output), 0) AS output,
    coalesce(sum(reasoning), 0) AS reasoning,
    coalesce(sum(cost_usd), 0.0) AS cost_usd,
    count(*) FILTER (WHERE outcome = 'success' AND cost_usd IS NULL) AS unpriced,
    count(*) FILTER (WHERE usage_source = 'estimated') AS estimated,
    count(*) FILTER (WHERE usage_source = 'missing') AS missing
"""


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Requests added up. `cost_usd` is what is known: `unpriced` successes have no known price and are not in it.

    `estimated` and `missing` count requests whose tokens no upstream reported.
    """

    name: str
    requests: int = 0
    failed: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    estimated: int = 0
    missing: int = 0


class LedgerReader:
    """Questions to one open ledger. Its methods raise LedgerUnreadable."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def usage(self, by: GroupBy, since_ms: int = 0) -> list[UsageSum]:
        """Usage of each group: days in their order, everything else by cost, then by tokens, the most first."""
        order = "1" if by is GroupBy.DAY else "total(cost_usd) DESC, total(input) + total(output) DESC, 1"
        sql = f"SELECT {_GROUPS[by]} AS name, {_SUMS} FROM {_since(since_ms)} GROUP BY 1 ORDER BY {order}"  # noqa: S608 - our own text
        return [UsageSum(**row) for row in self._rows(sql)]

    def total(self, since_ms: int = 0) -> UsageSum:
        """Usage of everything."""
        sql = f"SELECT 'total' AS name, {_SUMS} FROM {_since(since_ms)}"  # noqa: S608 - our own text
        return UsageSum(**self._rows(sql)[0])

    def find(self, trace_id: str, most: int = 10) -> list[dict[str, Any]]:
        """The requests whose trace id begins with `trace_id`, the newest first."""
        trace_id = trace_id.encode("utf-8", "replace").decode()
        beyond = trace_id + "\U0010ffff"
        sql = "SELECT * FROM requests WHERE trace_id >= ? AND trace_id < ? ORDER BY started_ms DESC LIMIT ?"
        return self._rows(sql, trace_id, beyond, most)

    def latest(self, most: int = 1) -> list[dict[str, Any]]:
        """The newest requests, the newest first."""
        return self._rows("SELECT * FROM requests ORDER BY started_ms DESC, rowid DESC LIMIT ?", most)

    def _rows(self, sql: str, *values: str | int) -> list[dict[str, Any]]:
        try:
            return [dict(row) for row in self._connection.execute(sql, values)]
        except sqlite3.Error as error:
            raise unreadable(self._path) from error


def _since(since_ms: int) -> str:
    """The requests since a moment. All of them are read in the order of the file, not through the index of times."""
    return f"requests WHERE started_ms >= {int(since_ms)}" if since_ms > 0 else "requests"


@contextmanager
def reading(path: Path) -> Iterator[LedgerReader | None]:
    """Open the ledger for questions; None when there is none yet. Raises LedgerUnreadable."""
    if not path.exists():
        yield None
        return
    with contextlib.closing(_open(path)) as connection:
        if not connection.execute("PRAGMA user_version").fetchone()[0]:
            yield None
            return
        yield LedgerReader(connection, path)


def unreadable(path: Path) -> LedgerUnreadable:
    """The error for a ledger that is damaged, locked or not ours to read."""
    return LedgerUnreadable(
        f"The ledger `{path}` cannot be read",
        hints=["A running gateway moves a damaged ledger aside and begins a new one; `router up` starts it"],
        unharmed="The file is as it was",
    )


def _open(path: Path) -> sqlite3.Connection:
    try:
        connection = _connect(path, "mode=ro")
    except sqlite3.Error as error:
        if not _is_still(path, error):
            raise unreadable(path) from error
        try:
            connection = _connect(path, "mode=ro&immutable=1")
        except sqlite3.Error as still:
            raise unreadable(path) from still
    return connection


def _connect(path: Path, options: str) -> sqlite3.Connection:
    """Open the file and read its version, which proves that it can be read. Raises LedgerUnreadable, sqlite3.Error."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?{options}", uri=True, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA:
            raise LedgerUnreadable(
                f"The ledger `{path}` was written by a newer llm-router", hints=["Use that version to read it"]
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _is_still(path: Path, error: sqlite3.Error) -> bool:
    """Whether the file failed only because nothing may be written beside it, and nobody writes it.

    A reader of a ledger that is being written shares memory with the writer, in a file of its own. Where that cannot be
    made, a ledger without rows outside its main file can still be read as it stands.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    wal = path.with_name(path.name + "-wal")
    is_written = wal.exists() and wal.stat().st_size > 0
    return code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} and not is_written
