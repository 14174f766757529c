"""The writer: one row a request, whatever happens to the file."""

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from support.polling import until

from llm_router.journal.ledger import Ledger, LedgerOptions
from llm_router.journal.ledger_file import MIGRATIONS, SCHEMA
from llm_router.journal.ledger_row import COLUMNS, Attempt, LedgerRow, session_mark
from llm_router.wire.usage import MISSING, Usage

QUICK = LedgerOptions(busy_ms=0, pause=0.02)
ROW = LedgerRow(
    trace_id="t0",
    started_ms=1_763_679_600_123,
    key="local",
    session="5e55",
    wire="chat",
    model_asked="router-default",
    upstream="openai",
    model_answered="gpt-5",
    lane="direct",
    attempts=(
        Attempt("a/b", "outage", "connect_refused", None, 1.26),
        Attempt("openai/gpt-5", "success", "", 200, 812),
    ),
    status=200,
    outcome="success",
    streamed=True,
    usage=Usage(1500, 1024, 128, 320, 200),
    cost_usd=0.0123,
    price_date="2026-10-21",
    queue_ms=0.5,
    first_byte_ms=120.25,
    total_ms=815.5,
    bytes_in=4000,
    bytes_out=8000,
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path):
    made = Ledger(path, QUICK)
    made.open()
    yield made
    made.close()


def row(number: int) -> LedgerRow:
    return replace(ROW, trace_id=f"t{number}")


def rows(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT * FROM requests ORDER BY rowid").fetchall()
    connection.close()
    return found


def ids(path: Path) -> list[object]:
    return [found[0] for found in rows(path)]


def test_the_whole_row(ledger: Ledger, path: Path):
    """Every column, as written; readable by others before the ledger is closed."""
    assert ledger.write(ROW)

    expected = (
        *("t0", "2025-11-20T23:00:00.123+00:00", 1_763_679_600_123, "local", "5e55", "chat", "router-default"),
        *("openai", "gpt-5", "direct"),
        '[{"candidate":"a/b","outcome":"outage","reason":"connect_refused","status":null,"ms":1.3},'
        '{"candidate":"openai/gpt-5","outcome":"success","reason":"","status":200,"ms":812}]',
        *(200, "success", "", 1, 1500, 1024, 128, 320, 200, "reported", 0.0123, "2026-10-21", "metered"),
        *(0.5, 120.25, 815.5, 4000, 8000, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    )
    assert [expected] == rows(path)
    assert len(COLUMNS) == len(expected)
    assert (ledger.problem(), ledger.lost, ledger.waiting, ledger.duplicates) == (None, 0, 0, 0)


def test_no_usage_and_missing_usage(ledger: Ledger, path: Path):
    """A request that used nothing and one whose usage nobody knows are told apart, and neither has a number."""
    ledger.write(replace(ROW, trace_id="a", usage=None))
    ledger.write(replace(ROW, trace_id="b", usage=MISSING))

    first = COLUMNS.index("input")
    assert [(None,) * 6, (*(None,) * 5, "missing")] == [found[first : first + 6] for found in rows(path)]


def test_a_second_row_for_one_request(ledger: Ledger, path: Path):
    """A request is written once; another row for it is counted, and the first stays."""
    assert ledger.write(ROW)
    assert not ledger.write(replace(ROW, status=500))

    assert [found[COLUMNS.index("status")] for found in rows(path)] == [200]
    assert (ledger.duplicates, ledger.lost, ledger.problem()) == (1, 0, None)


@pytest.mark.parametrize(
    "change",
    [{"bytes_in": 2**70}, {"key": "\ud800"}, {"started_ms": 10**30}, {"started_ms": -(10**18)}, {"key": object()}],
    ids=["integer", "surrogate", "time", "time before", "type"],
)
def test_a_row_that_no_file_can_take(ledger: Ledger, path: Path, change: dict[str, object]):
    """What SQLite cannot hold is lost and counted, and the next row is written."""
    assert not ledger.write(replace(ROW, **change))
    assert ledger.write(row(1))

    assert ids(path) == ["t1"]
    assert (ledger.lost, ledger.problem()) == (1, "1 rows could not be written and are lost")


def test_private_from_the_first_byte(ledger: Ledger, path: Path):
    """The file and what SQLite keeps beside it are 0600, whatever the umask is."""
    ledger.write(ROW)

    modes = {found.name: oct(stat.S_IMODE(found.stat().st_mode)) for found in path.parent.iterdir()}
    assert dict.fromkeys(["ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"], "0o600") == modes


def test_an_open_file_is_closed(path: Path):
    """A ledger that others could read is made private."""
    path.touch(mode=0o644)
    path.chmod(0o644)
    ledger = Ledger(path, QUICK)
    ledger.open()
    ledger.close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_followed(path: Path, tmp_path: Path):
    """A link in the ledger's place is not written through."""
    other = tmp_path / "other"
    other.touch()
    path.symlink_to(other)
    ledger = Ledger(path, QUICK)
    ledger.open()

    assert not ledger.write(ROW)
    expected = f"The ledger cannot be written: `{path}`: is not a regular file; 1 rows wait in memory"
    assert expected == ledger.problem()
    ledger.close()
    assert other.stat().st_size == 0
    assert ledger.lost == 1


def test_opened_again(path: Path):
    """Rows of an earlier life stay; a request of an earlier life is not written twice."""
    for wanted in ([row(1), row(2)], [row(2), row(3)]):
        ledger = Ledger(path, QUICK)
        ledger.open()
        for each in wanted:
            ledger.write(each)
        ledger.close()

    assert ids(path) == ["t1", "t2", "t3"]
    assert ledger.duplicates == 1


def test_locked(ledger: Ledger, path: Path):
    """While another program holds the file rows wait in memory, and are written when it lets go."""
    ledger.write(row(1))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    assert [ledger.write(row(2)), ledger.write(row(3))] == [False, False]
    expected = f"The ledger cannot be written: `{path}` is locked by another program; 2 rows wait in memory"
    assert expected == ledger.problem()
    holder.execute("ROLLBACK")
    holder.close()
    until(lambda: ledger.problem() is None, within=10)

    assert ledger.write(row(4))
    assert ids(path) == ["t1", "t2", "t3", "t4"]
    assert (ledger.lost, ledger.waiting) == (0, 0)


def test_too_many_wait(path: Path):
    """Memory is bounded: rows beyond it are lost, and the count says so."""
    path.mkdir()
    ledger = Ledger(path, replace(QUICK, most_waiting=2))
    ledger.open()
    for number in range(5):
        ledger.write(row(number))

    assert (ledger.waiting, ledger.lost) == (2, 3)
    expected = f"The ledger cannot be written: `{path}`: is not a regular file; 2 rows wait in memory; "
    assert expected + "3 rows could not be written and are lost" == ledger.problem()
    path.rmdir()
    until(lambda: ledger.problem() == "3 rows could not be written and are lost", within=10)
    ledger.close()
    assert ids(path) == ["t0", "t1"]


def test_waiting_rows_are_written_at_the_end(path: Path):
    """A ledger that is closed writes what waits, if it can by then."""
    path.mkdir()
    ledger = Ledger(path, replace(QUICK, pause=600.0))
    ledger.open()
    ledger.write(ROW)
    path.rmdir()
    ledger.close()

    assert ids(path) == ["t0"]
    assert ledger.lost == 0


def test_a_row_after_the_end(ledger: Ledger):
    """A closed ledger counts what it is still given."""
    ledger.close()

    assert not ledger.write(ROW)
    assert ledger.lost == 1


@pytest.mark.parametrize("content", [b"no database at all " * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_damaged_before_it_is_opened(path: Path, content: bytes):
    """A damaged file is kept under another name, never deleted, and a new ledger is begun."""
    path.write_bytes(content)
    ledger = Ledger(path, QUICK)
    ledger.open()

    assert ledger.write(ROW)
    (aside,) = [found for found in path.parent.iterdir() if ".damaged-" in found.name]
    assert f"The ledger was damaged and is now `{aside}`; a new one was begun" == ledger.problem()
    ledger.close()
    assert content == aside.read_bytes()
    assert ids(path) == ["t0"]


def test_damaged_while_it_is_written(ledger: Ledger, path: Path):
    """Damage that shows while rows are written loses none of the rows that come after it."""
    for number in range(200):
        ledger.write(row(number))
    other = sqlite3.connect(path, isolation_level=None)
    # Until then a copy of every page stands in the log; the keeper may be at it just now.
    until(lambda: other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0), within=10)
    with path.open("r+b") as file:
        file.seek(2048)
        file.write(b"\xff" * (path.stat().st_size - 2048))
    # Another's write makes the ledger read its pages anew.
    other.execute(f"PRAGMA user_version = {SCHEMA}")
    other.close()
    for number in range(200, 400):
        ledger.write(row(number))
    until(lambda: str(ledger.problem()).startswith("The ledger was damaged and is now"), within=10)

    assert ledger.write(row(400))
    assert ids(path)[-1] == "t400"
    assert ledger.lost == 0


def test_damaged_while_nobody_writes(path: Path):
    """Damage that the keeper meets is dealt with before the next row comes."""
    options = replace(QUICK, checkpoint_every=0.0, retention_days=30, prune_every=0.0)
    options = replace(options, wall=lambda: ROW.started_ms / 1000, steady=lambda: 5.0)
    ledger = Ledger(path, options)
    ledger.open()
    for number in range(50):
        ledger.write(row(number))
    other = sqlite3.connect(path, isolation_level=None)
    until(lambda: other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0), within=10)
    other.close()
    with path.open("r+b") as file:
        file.seek(2048)
        file.write(b"\xff" * (path.stat().st_size - 2048))
    until(lambda: str(ledger.problem()).startswith("The ledger was damaged and is now"), within=10)

    assert ledger.write(row(99))
    assert ids(path) == ["t99"]
    ledger.close()


def test_removed_while_it_is_open(ledger: Ledger, path: Path):
    """A ledger that was deleted is begun anew, instead of being written where nobody reads."""
    ledger.write(row(1))
    for found in list(path.parent.iterdir()):
        found.unlink()
    until(path.exists, within=10)
    until(lambda: ledger.problem() is None, within=10)

    assert ledger.write(row(2))
    assert ids(path) == ["t2"]


def test_a_newer_ledger(path: Path):
    """A ledger of a newer llm-router is left as it is."""
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    ledger = Ledger(path, QUICK)
    ledger.open()
    ledger.write(ROW)
    expected = f"it has schema {SCHEMA + 1}, this llm-router knows {SCHEMA}; 1 rows wait in memory"
    assert f"The ledger cannot be written: {expected}" == ledger.problem()
    ledger.close()

    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.close()
    assert tables == (0,)


def test_migrations_only_grow(ledger: Ledger, path: Path):
    """Each script leads one version further, and the last one to the columns that rows have."""
    with sqlite3.connect(path) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()
        names = tuple(found[1] for found in connection.execute("PRAGMA table_info(requests)"))
    connection.close()

    assert ((len(MIGRATIONS),), COLUMNS) == (version, names)


def test_retention(path: Path):
    """Rows older than retention asks are deleted, the others stay."""
    day = 86_400_000
    now = ROW.started_ms
    options = replace(QUICK, retention_days=30, prune_every=0.0, wall=lambda: now / 1000, steady=lambda: 5.0)
    ledger = Ledger(path, options)
    ledger.open()
    for number in range(450):
        ledger.write(replace(row(number), started_ms=now - 31 * day))
    ledger.write(replace(row(1000), started_ms=now - 29 * day))
    until(lambda: len(ids(path)) == 1, within=10)
    ledger.close()

    assert ids(path) == ["t1000"]


def test_retention_and_a_clock_that_jumps(path: Path):
    """A clock that someone sets ten years ahead deletes nothing."""
    clock = {"wall": ROW.started_ms / 1000, "rounds": 0.0}

    def steady() -> float:
        clock["rounds"] += 1
        return clock["rounds"] / 1000

    options = replace(QUICK, retention_days=30, prune_every=0.0, wall=lambda: clock["wall"], steady=steady)
    ledger = Ledger(path, options)
    ledger.open()
    ledger.write(ROW)
    clock["wall"] += 10 * 365 * 86400
    reached = clock["rounds"] + 10
    until(lambda: clock["rounds"] > reached, within=10)
    ledger.close()

    assert ids(path) == ["t0"]


def test_the_log_is_kept_small(path: Path):
    """The keeper moves rows into the file, so the write-ahead log does not grow with the ledger."""
    ledger = Ledger(path, replace(QUICK, busy_ms=5000, largest_wal=100_000, checkpoint_rows=200, checkpoint_every=0.0))
    ledger.open()
    wal = path.with_name(path.name + "-wal")
    written = 0
    for number in range(3000):
        written += ledger.write(row(number))
    until(lambda: ledger._unchecked == 0, within=10)
    ledger.write(row(3000))
    size = wal.stat().st_size
    ledger.close()

    assert written == 3000
    assert size < 30_000_000
    assert path.stat().st_size > 500_000
    assert not wal.exists()


def test_two_writers(path: Path):
    """Two processes' worth of writers share one file without losing a row."""
    one, two = Ledger(path, replace(QUICK, busy_ms=5000)), Ledger(path, replace(QUICK, busy_ms=5000))
    one.open()
    two.open()
    for number in range(300):
        (one if number % 2 else two).write(row(number))
    problems = [each.problem() for each in (one, two)]
    one.close()
    two.close()

    assert {f"t{number}" for number in range(300)} == set(ids(path))
    assert problems == [None, None]


def test_session_mark():
    """Sessions are told apart, by key too, and cannot be read back."""
    marks = {session_mark("a", "s"), session_mark("b", "s"), session_mark("a", "t"), session_mark("a", "\ud800")}

    assert len(marks) == 4
    assert all(len(mark) == 16 for mark in marks)
    assert session_mark("a", "s") == session_mark("a", "s")
