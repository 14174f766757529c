"""One request as the ledger keeps it: who, what, through whom, how it ended, what it cost. Never what was said."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from llm_router.wire.usage import Source, Usage

COLUMNS = (
    "trace_id",
    "started_at",
    "started_ms",
    "key",
    "session",
    "wire",
    "model_asked",
    "upstream",
    "model_answered",
    "lane",
    "attempts",
    "status",
    "outcome",
    "code",
    "streamed",
    "input",
    "cached",
    "cache_write",
    "output",
    "reasoning",
    "usage_source",
    "cost_usd",
    "price_date",
    "billing",
    "queue_ms",
    "first_byte_ms",
    "total_ms",
    "bytes_in",
    "bytes_out",
    "traceparent",
)
_encode = json.JSONEncoder(separators=(",", ":")).encode
_NO_TOKENS = (None, None, None, None, None, None)
Value = str | int | float | None


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class Attempt:
    """One candidate that was asked. `reason` is a short code, such as `first_byte_timeout`, not an upstream's text."""

    candidate: str  # provider/model
    outcome: str  # as routing.outcome names it
    reason: str = ""
    status: int | None = None  # None when there was no answer
    ms: float = 0.0


@dataclass(slots=True, kw_only=True)  # not frozen, as above
class LedgerRow:
    """One client request. Times are milliseconds; `started_ms` counts from 1970 in UTC."""

    trace_id: str
    started_ms: int
    key: str = ""  # the client key's name
    session: str = ""  # from `session_mark`
    wire: str = ""
    model_asked: str = ""
    upstream: str = ""  # the account that answered; empty when none did
    model_answered: str = ""
    lane: str = ""
    attempts: tuple[Attempt, ...] = ()
    status: int = 0  # as the client saw it; 499 when it had left
    outcome: str = ""  # success, or the class of the failure
    code: str = ""  # the error code of a failure
    streamed: bool = False
    usage: Usage | None = None  # None when nothing was used
    cost_usd: float | None = None  # None when the price is not known
    price_date: str | None = None
    billing: str = "metered"  # metered | plan
    queue_ms: float = 0.0
    first_byte_ms: float | None = None
    total_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    traceparent: str = ""

    def values(self) -> tuple[Value, ...]:
        """The row's columns, in the order of COLUMNS. Raises ValueError or OverflowError on an impossible time."""
        return (
            self.trace_id,
            _iso(self.started_ms),
            self.started_ms,
            self.key,
            self.session,
            self.wire,
            self.model_asked,
            self.upstream,
            self.model_answered,
            self.lane,
            _attempts(self.attempts),
            self.status,
            self.outcome,
            self.code,
            int(self.streamed),
            *(_NO_TOKENS if self.usage is None else _tokens(self.usage)),
            self.cost_usd,
            self.price_date,
            self.billing,
            self.queue_ms,
            self.first_byte_ms,
            self.total_ms,
            self.bytes_in,
            self.bytes_out,
            self.traceparent,
        )


def session_mark(key: str, session: str) -> str:
    """What the ledger keeps of a session id: a hash that tells sessions apart, and apart for each client key."""
    return hashlib.sha256(f"{key}\0{session}".encode("utf-8", "replace")).hexdigest()[:16]


def _iso(moment: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC. Raises ValueError, OverflowError or OSError."""
    seconds, thousandths = divmod(moment, 1000)
    return f"{_iso_second(seconds)}.{thousandths:03d}+00:00"


@lru_cache(maxsize=16)
def _iso_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:19]


def _tokens(usage: Usage) -> tuple[Value, ...]:
    if usage.source is Source.MISSING:
        return (None, None, None, None, None, "missing")
    source = "reported" if usage.source is Source.REPORTED else "estimated"
    return (usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning, source)


def _attempts(attempts: tuple[Attempt, ...]) -> str:
    return f"[{','.join(map(_attempt, attempts))}]"


def _attempt(attempt: Attempt) -> str:
    status = "null" if attempt.status is None else int(attempt.status)
    ms = round(attempt.ms, 1)
    return f'{_named(attempt.candidate, attempt.outcome, attempt.reason)},"status":{status},"ms":{ms}}}'


@lru_cache(maxsize=1024)
def _named(candidate: str, outcome: str, reason: str) -> str:
    """The members of an attempt that are often the same, as the beginning of a JSON object."""
    return _encode({"candidate": candidate, "outcome": outcome, "reason": reason})[:-1]
