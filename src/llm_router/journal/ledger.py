"""The ledger: one row for each client request, committed before the request is answered, and never in its way.

Rows are committed on the caller's thread, those that come together in one transaction. That takes some 20 microseconds
and does not wait for the disk.
What may wait (checkpoints, retention, a file that is locked, full, damaged or gone) is the keeper's, a thread of the
ledger's own. While the file cannot be written rows wait in memory; when too many do, rows are lost, and counted.
"""

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from llm_router.journal.ledger_file import (
    PAGE_BYTES,
    NewerLedger,
    explain,
    is_damaged,
    move_aside,
    open_for_writing,
)
from llm_router.journal.ledger_row import COLUMNS, LedgerRow, Value

_INSERT = f"INSERT INTO requests ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own names
_PRUNE = "DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE started_ms < ? LIMIT 200)"
# A row that SQLite cannot take whatever the state of the file.
_IMPOSSIBLE = (
    ValueError,
    OverflowError,
    OSError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
_BATCH = 500
_PATIENCE_MS = 1000  # how long the keeper, unlike the writer, waits for a lock
_CLOCK_SLACK = 3600.0
_DAY_MS = 86_400_000


def _steady() -> float:
    """A clock that nobody sets and that runs on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """The numbers of a ledger, and its clocks (seconds)."""

    busy_ms: int = 50  # how long a request waits for another writer before its row waits in memory
    most_waiting: int = 10_000  # rows
    pause: float = 1.0  # seconds between the keeper's rounds
    # A checkpoint syncs the disk, and a row that is written meanwhile may wait for it: so many rows, or seconds, apart.
    checkpoint_rows: int = 5000
    checkpoint_every: float = 30.0
    largest_wal: int = 64 * 1024 * 1024
    retention_days: int = 0  # 0 keeps everything
    prune_every: float = 3600.0
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = _steady


class Ledger:
    """The writer. Open it once for each process, write from one thread, close it at the end. Nothing here raises."""

    def __init__(self, path: Path, options: LedgerOptions | None = None) -> None:
        self._path = path
        self._options = options or LedgerOptions()
        self.lost = 0
        self.duplicates = 0
        self._waiting: deque[tuple[Value, ...]] = deque()
        self._lock = threading.Lock()  # held for one insert or one change of state
        self._writer: sqlite3.Connection | None = None  # None while the file cannot be written
        self._broken: sqlite3.Connection | None = None  # a former writer, to be closed
        self._inode = 0  # of the file that is open, or was
        self._damaged = False
        self._trouble = "it was not opened"
        self._aside: Path | None = None
        self._unchecked = 0  # rows since the last checkpoint
        self._checkpoint_at = 0.0
        self._wake = threading.Event()
        self._ending = False
        self._closed = False
        self._keeper = threading.Thread(target=self._keep, name="ledger-keeper", daemon=True)
        self._set_at = (self._options.wall(), self._options.steady())
        self._prune_at = self._set_at[1]

    def open(self) -> None:
        """Open the file, and start the keeper. A file that cannot be opened is tried again until it can."""
        self._recover()
        self._keeper.start()

    def write(self, row: LedgerRow) -> bool:
        """Commit a row. False when it waits in memory, is lost, or was written before; each of these is counted."""
        try:
            values = row.values()
        except _IMPOSSIBLE:
            self.lost += 1
            return False
        with self._lock:
            if self._writer is None:
                self._hold(values)
                return False
            try:
                self._writer.execute(_INSERT, values)
            except _IMPOSSIBLE as error:
                self._refused(error)
            except sqlite3.Error as error:
                self._stop_writing(error)
                self._hold(values)
                self._wake.set()
            else:
                self._unchecked += 1
                return True
            return False

    def write_all(self, rows: Sequence[LedgerRow]) -> None:
        """Commit rows together; what becomes of each that cannot be is as with `write`."""
        if len(rows) < 2:
            for row in rows:
                self.write(row)
            return
        batch: list[tuple[Value, ...]] = []
        for row in rows:
            try:
                batch.append(row.values())
            except _IMPOSSIBLE:
                self.lost += 1
        with self._lock:
            if self._writer is not None:
                try:
                    self._write_batch(self._writer, batch)
                except sqlite3.Error as error:
                    self._stop_writing(error)
                    self._wake.set()
                else:
                    return
            for values in batch:
                self._hold(values)

    @property
    def waiting(self) -> int:
        """Rows that wait in memory for the file."""
        return len(self._waiting)

    def problem(self) -> str | None:
        """What is wrong with the ledger, in one sentence for people; None when every row was written."""
        said = []
        if self._writer is None:
            said.append(f"The ledger cannot be written: {self._trouble}; {self.waiting} rows wait in memory")
        if self._aside is not None:
            said.append(f"The ledger was damaged and is now `{self._aside}`; a new one was begun")
        if self.lost:
            said.append(f"{self.lost} rows could not be written and are lost")
        return "; ".join(said) or None

    def close(self) -> None:
        """Write what waits, if that is possible now, and close the file."""
        self._ending = True
        self._wake.set()
        if self._keeper.is_alive():
            self._keeper.join()
        if self._writer is None and self._waiting:
            self._recover()
        with self._lock:
            self.lost += len(self._waiting)
            self._waiting.clear()
            self._closed = True
            writer, self._writer = self._writer, None
            self._trouble = "it was closed"
        if writer is not None:
            writer.close()

    def _hold(self, values: tuple[Value, ...]) -> None:
        """Keep a row in memory. Called with the lock held."""
        if len(self._waiting) < self._options.most_waiting and not self._closed:
            self._waiting.append(values)
        else:
            self.lost += 1

    def _refused(self, error: Exception) -> None:
        """Count a row that the file will never take."""
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
            self.duplicates += 1
        else:
            self.lost += 1

    def _stop_writing(self, error: Exception) -> None:
        """The file cannot be written; the keeper opens it anew. Called with the lock held."""
        self._trouble = explain(error, self._path)
        self._damaged = is_damaged(error)
        # The keeper closes it: the last one to close checkpoints, which takes time.
        self._broken, self._writer = self._writer, None

    def _keep(self) -> None:
        while not self._ending:
            self._wake.wait(self._options.pause)
            self._wake.clear()
            if self._writer is not None and self._is_gone():
                with self._lock:
                    self._stop_writing(OSError(0, "was removed"))
            if self._writer is None:
                self._recover()
            else:
                self._tend()

    def _is_gone(self) -> bool:
        """Whether another file, or none, has taken the ledger's place: what is written to the old one nobody reads."""
        try:
            return self._path.stat().st_ino != self._inode
        except OSError:
            return True

    def _recover(self) -> None:
        """Open the file, moving a damaged one aside, and write what waits."""
        if self._broken is not None:
            self._broken.close()
            self._broken = None
        if self._damaged:
            self._damaged = False
            self._move_aside()
        for _ in range(2):
            connection: sqlite3.Connection | None = None
            try:
                self._inode = self._path.stat().st_ino if self._path.exists() else 0
                connection = open_for_writing(self._path, busy_ms=_PATIENCE_MS)
                self._drain(connection)
            except (OSError, sqlite3.Error, NewerLedger) as error:
                self._trouble = explain(error, self._path)
                if connection is not None:
                    connection.close()
                if not is_damaged(error):
                    return
                self._move_aside()
            else:
                return

    def _move_aside(self) -> None:
        """Move the file that was found damaged, unless another process has done so and begun a new one."""
        if self._is_gone():
            return
        try:
            self._aside = move_aside(self._path, datetime.fromtimestamp(self._options.wall(), UTC))
        except OSError as error:
            self._trouble = f"it is damaged and cannot be moved aside: {explain(error, self._path)}"

    def _drain(self, connection: sqlite3.Connection) -> None:
        """Write every row that waits, then let requests write again. Raises sqlite3.Error and OSError."""
        while True:
            batch = list(islice(self._waiting, _BATCH))
            if batch:
                self._write_batch(connection, batch)
                for _ in batch:
                    self._waiting.popleft()
                continue
            inode = self._path.stat().st_ino
            with self._lock:
                if self._waiting:
                    continue
                connection.execute(f"PRAGMA busy_timeout = {self._options.busy_ms}")
                self._inode, self._writer = inode, connection
                return

    def _write_batch(self, connection: sqlite3.Connection, batch: list[tuple[Value, ...]]) -> None:
        refused: list[Exception] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for values in batch:
                try:
                    connection.execute(_INSERT, values)
                except _IMPOSSIBLE as error:
                    refused.append(error)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._unchecked += len(batch)
        for reason in refused:
            self._refused(reason)

    def _tend(self) -> None:
        """Checkpoint and prune, on a connection of the keeper's own. A failure here waits for the next round."""
        options, now = self._options, self._options.steady()
        prune = options.retention_days > 0 and now >= self._prune_at
        late = self._unchecked > 0 and now >= self._checkpoint_at
        if not (prune or late or self._unchecked >= options.checkpoint_rows):
            return
        try:
            with contextlib.closing(open_for_writing(self._path, busy_ms=_PATIENCE_MS)) as connection:
                if prune:
                    self._prune(connection)
                self._checkpoint_at = now + options.checkpoint_every
                self._unchecked = 0
                _move_rows(connection, self._options.largest_wal)
        except (OSError, sqlite3.Error, NewerLedger) as error:
            if is_damaged(error):
                with self._lock:
                    self._stop_writing(error)

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Delete rows that are older than retention asks, in short transactions; not by a clock that has jumped."""
        wall, steady = self._options.wall(), self._options.steady()
        self._prune_at = steady + self._options.prune_every
        if abs((wall - self._set_at[0]) - (steady - self._set_at[1])) > _CLOCK_SLACK:
            return
        oldest = int(wall * 1000) - self._options.retention_days * _DAY_MS
        while not self._ending and connection.execute(_PRUNE, (oldest,)).rowcount > 0:
            pass


def _move_rows(connection: sqlite3.Connection, largest: int) -> None:
    """Move rows from the write-ahead log into the file; writers go on meanwhile, unless the log is over `largest`."""
    if _checkpoint(connection, "PASSIVE") * PAGE_BYTES <= largest:
        return
    # Writers wait for a RESTART, so it is left as little to do as possible.
    _checkpoint(connection, "PASSIVE")
    _checkpoint(connection, "RESTART")


def _checkpoint(connection: sqlite3.Connection, mode: str) -> int:
    """Run one checkpoint; returns how many pages the write-ahead log holds, done or not."""
    _, pages, _ = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return int(pages)
