"""The ledger's file: made private, opened, brought to the current schema, and moved aside when it is damaged."""

import contextlib
import os
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

from llm_router.home import FILE_MODE

# Appended to, never changed: a ledger in the field has run every script up to its `user_version`.
MIGRATIONS = (
    """
    CREATE TABLE requests (
        trace_id TEXT NOT NULL PRIMARY KEY,
        started_at TEXT NOT NULL, started_ms INTEGER NOT NULL,
        key TEXT NOT NULL, session TEXT NOT NULL, wire TEXT NOT NULL, model_asked TEXT NOT NULL,
        upstream TEXT NOT NULL, model_answered TEXT NOT NULL, lane TEXT NOT NULL, attempts TEXT NOT NULL,
        status INTEGER NOT NULL, outcome TEXT NOT NULL, code TEXT NOT NULL, streamed INTEGER NOT NULL,
        input INTEGER, cached INTEGER, cache_write INTEGER, output INTEGER, reasoning INTEGER, usage_source TEXT,
        cost_usd REAL, price_date TEXT, billing TEXT NOT NULL,
        queue_ms REAL NOT NULL, first_byte_ms REAL, total_ms REAL NOT NULL,
        bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, traceparent TEXT NOT NULL
    );
    CREATE INDEX requests_by_start ON requests (started_ms);
    """,
)
SCHEMA = len(MIGRATIONS)
# A row is some 400 bytes and touches three pages, each of which goes into the write-ahead log: small ones are cheaper.
PAGE_BYTES = 2048
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BESIDE = ("-wal", "-shm")


class NewerLedger(Exception):
    """The ledger was written by a newer llm-router; this one does not touch it."""


def open_for_writing(path: Path, *, busy_ms: int) -> sqlite3.Connection:
    """Open the ledger, making it if it is not there. Raises OSError, sqlite3.Error or NewerLedger.

    Nothing is fsynced per row: a commit survives the end of this process, however it ends, and is in the file's
    write-ahead log; only a power failure may take the last rows. Checkpoints are the keeper's, not the writer's.
    """
    _make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=16)
    try:
        connection.execute(f"PRAGMA busy_timeout = {busy_ms}")
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_damaged(error: Exception) -> bool:
    """Whether an error says that the file itself is not a sound database."""
    return isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGED


def move_aside(path: Path, now: datetime | None = None) -> Path:
    """Rename a damaged ledger and what lies beside it; nothing is deleted. Returns its new path. Raises OSError."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for ending in _BESIDE:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    path.rename(aside)
    return aside


def explain(error: Exception, path: Path) -> str:
    """Why the ledger cannot be written, as the end of a sentence."""
    if isinstance(error, NewerLedger):
        return str(error)
    if isinstance(error, OSError):
        return f"`{path}`: {(error.strerror or str(error)).lower()}"
    known = {
        sqlite3.SQLITE_BUSY: "is locked by another program",
        sqlite3.SQLITE_LOCKED: "is locked by another program",
        sqlite3.SQLITE_READONLY: "is read-only",
        sqlite3.SQLITE_FULL: "cannot grow, the disk is full",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened",
        sqlite3.SQLITE_IOERR: "cannot be read or written, the disk fails or is full",
        **dict.fromkeys(_DAMAGED, "is damaged"),
    }
    return f"`{path}` {known.get(getattr(error, 'sqlite_errorcode', 0) & 0xFF, str(error))}"


def _make_private(path: Path) -> None:
    """Make the file 0600 before SQLite opens it; what SQLite makes beside it takes the same mode.

    An existing file is not opened here: closing it would drop the locks that SQLite holds on it in this process.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE))
    except FileExistsError:
        held = path.lstat()
        if not stat.S_ISREG(held.st_mode):
            raise OSError(0, "is not a regular file") from None
        if stat.S_IMODE(held.st_mode) & ~FILE_MODE:
            path.chmod(FILE_MODE)


def _migrate(connection: sqlite3.Connection) -> None:
    if _version(connection) == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        held = _version(connection)
        if held > SCHEMA:
            raise NewerLedger(f"it has schema {held}, this llm-router knows {SCHEMA}")
        for script in MIGRATIONS[held:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
