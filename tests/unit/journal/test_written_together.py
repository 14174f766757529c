"""Rows that are committed together, and events that are appended together."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from llm_router.journal.events import EventLog, members_text
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_row import LedgerRow


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT trace_id FROM requests ORDER BY trace_id")]


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_rows_together(tmp_path: Path):
    """All of them are there when the call returns; one that is there already is counted, and spoils no other."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.open()
    ledger.write_all([LedgerRow(trace_id="a", started_ms=1)])
    ledger.write_all([LedgerRow(trace_id=name, started_ms=1) for name in "bacd"])
    assert names(tmp_path / "ledger.sqlite") == ["a", "b", "c", "d"]
    assert (ledger.duplicates, ledger.lost, ledger.waiting) == (1, 0, 0)

    ledger.write_all([LedgerRow(trace_id="e", started_ms=10**18), LedgerRow(trace_id="f", started_ms=1)])
    assert names(tmp_path / "ledger.sqlite") == ["a", "b", "c", "d", "f"]
    assert ledger.lost == 1
    ledger.close()


def test_rows_wait_together(tmp_path: Path):
    """Rows of a ledger that is not open wait in memory, in their order."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.write_all([LedgerRow(trace_id=name, started_ms=1) for name in "ab"])
    assert ledger.waiting == 2
    ledger.open()
    ledger.close()
    assert names(tmp_path / "ledger.sqlite") == ["a", "b"]


def test_events_together(tmp_path: Path):
    """What is collected is appended by the next flush, or before the next event."""
    log = EventLog(tmp_path / "events.log", kept_open=True)
    log.collect(members_text({"event": "first", "detail": "ü"}))
    assert not log.path.exists()
    log.collect(members_text({"event": "second"}))
    log.flush()
    assert events(log.path) == ["first", "second"]

    log.collect(members_text({"event": "third"}))
    log.write("fourth", result="success")
    assert events(log.path) == ["first", "second", "third", "fourth"]
    log.close()


def test_a_file_that_was_put_aside(tmp_path: Path):
    """A log that is kept open follows its path when another process has moved the file away."""
    log = EventLog(tmp_path / "events.log", kept_open=True)
    log.write("first", result="success")
    log.path.rename(tmp_path / "events.log.1")
    log.write("second", result="success")
    assert events(log.path) == ["second"]
    log.close()
