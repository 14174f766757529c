"""Questions to the event log."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from llm_router.errors import UsageError
from llm_router.journal import tail

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

EventRow = dict[str, Any]


class BadAge(UsageError):
    """An age such as `10m` cannot be read."""

    code = "events.bad_age"


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted: not older than `since`, and of these names if any are given."""

    since: datetime | None = None
    names: frozenset[str] = frozenset()

    def wants(self, row: EventRow) -> bool:
        """Whether this event passes."""
        if self.names and row["event"] not in self.names:
            return False
        return self.since is None or datetime.fromisoformat(str(row["timestamp"])) >= self.since


def parse_age(text: str, now: datetime | None = None) -> datetime:
    """The moment `text` ago, e.g. `90s`, `10m`, `2h`, `1d`. Raises BadAge."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise BadAge(f"`{text}` is not an age", hints=["Write 90s, 10m, 2h or 1d"])
    return (now or datetime.now(UTC)) - timedelta(**{_UNITS[found[2]]: float(found[1])})


def read_events(path: Path, wanted: EventFilter) -> Iterator[EventRow]:
    """The events in the log and in the one rotated away before it, oldest first. Raises OSError."""
    for file in (path.with_suffix(".log.1"), path):
        if file.exists():
            with file.open(encoding="utf-8", errors="replace") as lines:
                yield from _rows(lines, wanted)


def follow_events(path: Path, wanted: EventFilter) -> Iterator[EventRow]:
    """The events that are written after this call, without end."""
    return _rows((line for _, line in tail.follow([path])), wanted)


def _rows(lines: Iterable[str], wanted: EventFilter) -> Iterator[EventRow]:
    for line in lines:
        try:
            row = json.loads(line)
            passes = isinstance(row, dict) and wanted.wants(row)
        except (ValueError, KeyError, TypeError):
            continue  # a line cut by a full disk
        if passes:
            yield row
