"""The whole story of one request: its row in the ledger and the events that bear its trace id."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_router.errors import RouterError, UsageError
from llm_router.journal.ledger_queries import LedgerReader, reading
from llm_router.journal.queries import EventFilter, EventRow, read_events

LATEST = "latest"
_TOKENS = ("input", "cached", "cache_write", "output", "reasoning")
_TIMES = ("queue_ms", "first_byte_ms", "total_ms")


class TraceUnknown(RouterError):
    """No request has this trace id."""

    code = "trace.unknown"


class TraceAmbiguous(UsageError):
    """Several requests have trace ids that begin so."""

    code = "trace.ambiguous"


@dataclass(frozen=True, slots=True)
class Trace:
    """One request. `request` has the shape of `router trace --json`; `events` are those with its trace id, in order."""

    request: dict[str, Any]
    events: tuple[EventRow, ...]

    def as_json(self) -> dict[str, object]:
        """The body of `router trace --json`."""
        return {"trace": self.request, "events": list(self.events)}


def find_trace(ledger: Path, events: Path, wanted: str) -> Trace | None:
    """The request `wanted`: a trace id, the beginning of one, or `latest`. None while the ledger is empty.

    Raises TraceUnknown, TraceAmbiguous and LedgerUnreadable.
    """
    with reading(ledger) as reader:
        row = _find(reader, wanted.strip()) if reader and reader.latest() else None
    if row is None:
        return None
    return Trace(_request(row), _events_of(events, str(row["trace_id"])))


def _find(reader: LedgerReader, wanted: str) -> dict[str, Any]:
    found = reader.latest() if wanted in {LATEST, ""} else reader.find(wanted, most=5)
    exact = [row for row in found if row["trace_id"] == wanted]
    if not found:
        raise TraceUnknown(
            f"No request has the trace id `{wanted}`", hints=["`router trace latest` shows the newest request"]
        )
    if len(found) > 1 and not exact:
        listed = ", ".join(f"{row['trace_id']} ({row['started_at']})" for row in found)
        raise TraceAmbiguous(f"Several requests begin with `{wanted}`", hints=[f"Choose one of these: {listed}"])
    return (exact or found)[0]


def _request(row: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in row.items() if name not in {*_TOKENS, *_TIMES}}
    return {
        **rest,
        "attempts": _attempts(row["attempts"]),
        "streamed": bool(row["streamed"]),
        "tokens": {name: row[name] for name in _TOKENS},
        "times": {name: row[name] for name in _TIMES},
    }


def _attempts(text: str) -> list[dict[str, Any]]:
    try:
        held = json.loads(text)
    except ValueError:
        return []
    return [attempt for attempt in held if isinstance(attempt, dict)] if isinstance(held, list) else []


def _events_of(path: Path, trace_id: str) -> tuple[EventRow, ...]:
    try:
        return tuple(row for row in read_events(path, EventFilter()) if trace_id in _ids(row))
    except OSError:
        return ()


def _ids(row: EventRow) -> set[object]:
    return {row.get("trace_id"), row.get("traceId"), row.get("request_id")}
