"""What the ledger says: sums, traces, and a file in every state."""

import sqlite3
import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_queries import GroupBy, LedgerUnreadable, UsageSum, reading
from llm_router.journal.ledger_row import LedgerRow
from llm_router.wire.usage import MISSING, Source, Usage


def at(text: str) -> int:
    """A moment in this machine's time zone, in milliseconds."""
    return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)


BASE = LedgerRow(
    trace_id="a1",
    started_ms=at("2026-11-01T12:00"),
    key="local",
    session="s1",
    model_asked="router-default",
    upstream="openai",
    model_answered="gpt-5",
    status=200,
    outcome="success",
    usage=Usage(100, 40, 10, 20, 5),
    cost_usd=0.5,
    price_date="2026-10-21",
)
FAILED = replace(BASE, upstream="", model_answered="", status=503, outcome="outage", usage=None, cost_usd=None)
ROWS = [
    BASE,
    replace(BASE, trace_id="a2", started_ms=at("2026-11-02T23:59"), session="s2", cost_usd=None),
    replace(BASE, trace_id="b1", started_ms=at("2026-11-02T00:00"), key="ci", upstream="anthropic", model_answered="c"),
    replace(FAILED, trace_id="b2", started_ms=at("2026-11-03T08:00")),
    replace(BASE, trace_id="b3", started_ms=at("2026-11-03T09:00"), usage=Usage(1, output=2, source=Source.ESTIMATED)),
    replace(BASE, trace_id="b4", started_ms=at("2026-11-03T10:00"), usage=MISSING, cost_usd=None),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a #?%ü folder" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path):
    path.parent.mkdir()
    made = Ledger(path)
    made.open()
    for row in ROWS:
        assert made.write(row)
    yield made
    made.close()


def one(name: str, **values: float) -> UsageSum:
    """A sum of one request like BASE."""
    held = {"requests": 1, "input": 100, "cached": 40, "cache_write": 10, "output": 20, "reasoning": 5, "cost_usd": 0.5}
    return UsageSum(name, **{**held, **values})  # type: ignore[arg-type]


EXPECTED = {
    GroupBy.DAY: [
        one("2026-11-01"),
        UsageSum("2026-11-02", 2, 0, 200, 80, 20, 40, 10, 0.5, unpriced=1),
        UsageSum("2026-11-03", 3, 1, 1, 0, 0, 2, 0, 0.5, unpriced=1, estimated=1, missing=1),
    ],
    GroupBy.MODEL: [
        UsageSum("gpt-5", 4, 0, 201, 80, 20, 42, 10, 1.0, unpriced=2, estimated=1, missing=1),
        one("c"),
        UsageSum("router-default", 1, 1),
    ],
    GroupBy.ACCOUNT: [
        UsageSum("openai", 4, 0, 201, 80, 20, 42, 10, 1.0, unpriced=2, estimated=1, missing=1),
        one("anthropic"),
        UsageSum("", 1, 1),
    ],
    GroupBy.KEY: [
        UsageSum("local", 5, 1, 201, 80, 20, 42, 10, 1.0, unpriced=2, estimated=1, missing=1),
        one("ci"),
    ],
    GroupBy.SESSION: [
        UsageSum("s1", 5, 1, 201, 80, 20, 42, 10, 1.5, unpriced=1, estimated=1, missing=1),
        one("s2", cost_usd=0.0, unpriced=1),
    ],
}


@pytest.mark.parametrize("by", list(GroupBy))
def test_usage(ledger: Ledger, path: Path, by: GroupBy):
    """Sums of every sort, while the gateway writes."""
    with reading(path) as reader:
        assert EXPECTED[by] == reader.usage(by)


def test_since(ledger: Ledger, path: Path):
    """Only what began at or after the moment counts."""
    with reading(path) as reader:
        assert EXPECTED[GroupBy.DAY][1:] == reader.usage(GroupBy.DAY, at("2026-11-02T00:00"))
        assert reader.total(at("2026-11-03T00:00")) == replace(EXPECTED[GroupBy.DAY][2], name="total")
        assert reader.total(at("2027-01-01T00:00")) == UsageSum("total")


def test_find(ledger: Ledger, path: Path):
    """A request is found by its id or by how it begins; the newest comes first."""
    with reading(path) as reader:
        assert [row["trace_id"] for row in reader.find("a1")] == ["a1"]
        assert [row["trace_id"] for row in reader.find("b")] == ["b4", "b3", "b2", "b1"]
        assert [row["trace_id"] for row in reader.find("b", most=1)] == ["b4"]
        assert reader.find("%") == reader.find("zz") == []
        assert [row["trace_id"] for row in reader.latest(2)] == ["b4", "b3"]


def test_after_the_gateway_ended(ledger: Ledger, path: Path):
    """Nothing needs to run for the ledger to be read, and what a reader leaves is empty and private."""
    ledger.close()
    with reading(path) as reader:
        assert reader.total().requests == 6
    assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.iterdir()} == {0o600}
    with reading(path) as reader:
        assert reader.total().requests == 6


def test_where_nothing_may_be_written(ledger: Ledger, path: Path):
    """A ledger in a folder that cannot be written to is read all the same."""
    ledger.close()
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with reading(path) as reader:
            assert reader.total().requests == 6
    finally:
        path.parent.chmod(0o700)


def test_none_yet(tmp_path: Path):
    """A ledger that is not there, and one that nobody has begun, say nothing; neither is made by asking."""
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    for path in (tmp_path / "none.sqlite", empty):
        with reading(path) as reader:
            assert reader is None
    assert [empty] == list(tmp_path.iterdir())
    assert empty.stat().st_size == 0


@pytest.mark.parametrize("content", [b"no database at all " * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_damaged(tmp_path: Path, content: bytes):
    """A damaged ledger is an error that says so, and the file is left alone."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerUnreadable) as caught, reading(path):
        pass

    assert caught.value.message == f"The ledger `{path}` cannot be read"
    assert content == path.read_bytes()


def test_damaged_inside(ledger: Ledger, path: Path):
    """Damage that only a question meets is the same error."""
    ledger.close()
    with path.open("r+b") as file:
        file.seek(2048)
        file.write(b"\xff" * (path.stat().st_size - 2048))

    with reading(path) as reader, pytest.raises(LedgerUnreadable):
        reader.usage(GroupBy.DAY)


def test_of_a_newer_router(tmp_path: Path):
    """A ledger that this version cannot know is not guessed at."""
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerUnreadable, match="newer llm-router"), reading(path):
        pass
