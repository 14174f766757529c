"""Questions to the event log."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from llm_router.journal.events import EventLog
from llm_router.journal.queries import BadAge, EventFilter, follow_events, parse_age, read_events

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def write(path: Path, *events: tuple[str, int]) -> None:
    """Events of these names, so many minutes before noon."""
    for name, minutes in events:
        EventLog(path, clock=lambda minutes=minutes: NOON - timedelta(minutes=minutes)).write(name, result="success")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 d ", 172800)])
def test_ages(text: str, seconds: int) -> None:
    """Seconds, minutes, hours, days."""
    assert parse_age(text, NOON) == NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10w", "-1m", "1m2s"])
def test_bad_ages(text: str) -> None:
    """Anything else is refused with examples."""
    with pytest.raises(BadAge) as refused:
        parse_age(text)
    assert refused.value.hints == ("Write 90s, 10m, 2h or 1d",)


def test_read_over_the_rotated_log(tmp_path: Path) -> None:
    """Oldest first, by name and age; a line that was cut is passed over."""
    path = tmp_path / "events.log"
    write(path, ("a", 30), ("b", 20))
    path.rename(tmp_path / "events.log.1")
    write(path, ("a", 10))
    with path.open("a") as file:
        file.write('{"event": "a", "times\n[]\n"x"\n')
    write(path, ("b", 5))
    names = [row["event"] for row in read_events(path, EventFilter())]
    assert names == ["a", "b", "a", "b"]
    recent = list(read_events(path, EventFilter(NOON - timedelta(minutes=20), frozenset({"b"}))))
    assert [row["timestamp"] for row in recent] == ["2026-01-02T11:40:00.000+00:00", "2026-01-02T11:55:00.000+00:00"]
    assert list(read_events(tmp_path / "none.log", EventFilter())) == []


def test_follow(tmp_path: Path) -> None:
    """Only what is wanted, as it comes."""
    path = tmp_path / "events.log"
    rows = follow_events(path, EventFilter(names=frozenset({"b"})))
    write(path, ("a", 1), ("b", 1))
    assert [row["event"] for row in islice(rows, 1)] == ["b"]
