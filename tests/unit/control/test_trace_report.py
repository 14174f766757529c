"""The whole story of one request."""

from pathlib import Path

import pytest

from llm_router.control.trace_report import TraceAmbiguous, TraceUnknown, find_trace
from llm_router.journal.events import EventLog
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_row import Attempt, LedgerRow
from llm_router.wire.usage import Usage


@pytest.fixture
def home(tmp_path: Path) -> tuple[Path, Path]:
    """A ledger of three requests, and an event log with two events of one of them."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.open()
    attempts = (Attempt("a/b", "outage", "connect_refused", None, 2), Attempt("openai/gpt-5", "success", "", 200, 800))
    for number, name in enumerate(("ab1", "ab2", "ab22")):
        row = LedgerRow(trace_id=name, started_ms=1000 * number, attempts=attempts, usage=Usage(5, output=6))
        assert ledger.write(row)
    ledger.close()
    events = EventLog(tmp_path / "events.log")
    events.write("ai_provider_degraded", result="degraded", provider="a", traceId="ab1")
    events.write("ai_provider_failover", result="failover", provider="a", trace_id="ab1")
    events.write("unit_ready", result="success", service="ab1")
    return tmp_path / "ledger.sqlite", tmp_path / "events.log"


def test_whole(home: tuple[Path, Path]):
    """The row, its attempts in order, and the events that bear its id."""
    found = find_trace(*home, "ab1")

    assert found is not None
    assert [event["event"] for event in found.events] == ["ai_provider_degraded", "ai_provider_failover"]
    assert found.as_json()["trace"] == {
        "trace_id": "ab1",
        "started_at": "1970-01-01T00:00:00.000+00:00",
        "started_ms": 0,
        **dict.fromkeys(["key", "session", "wire", "model_asked", "upstream", "model_answered", "lane"], ""),
        "attempts": [
            {"candidate": "a/b", "outcome": "outage", "reason": "connect_refused", "status": None, "ms": 2},
            {"candidate": "openai/gpt-5", "outcome": "success", "reason": "", "status": 200, "ms": 800},
        ],
        "status": 0,
        "outcome": "",
        "code": "",
        "streamed": False,
        "usage_source": "reported",
        "cost_usd": None,
        "price_date": None,
        "billing": "metered",
        "bytes_in": 0,
        "bytes_out": 0,
        "traceparent": "",
        "tokens": {"input": 5, "cached": 0, "cache_write": 0, "output": 6, "reasoning": 0},
        "times": {"queue_ms": 0.0, "first_byte_ms": None, "total_ms": 0.0},
    }


@pytest.mark.parametrize(
    ("wanted", "found"), [("latest", "ab22"), ("", "ab22"), ("ab2", "ab2"), ("ab22", "ab22"), (" ab1 ", "ab1")]
)
def test_which(home: tuple[Path, Path], wanted: str, found: str):
    """The newest, a whole id even where another begins with it, or a beginning."""
    trace = find_trace(*home, wanted)

    assert trace is not None
    assert trace.request["trace_id"] == found


def test_ambiguous(home: tuple[Path, Path]):
    """Of several the reader chooses."""
    with pytest.raises(TraceAmbiguous) as caught:
        find_trace(*home, "ab")

    assert caught.value.message == "Several requests begin with `ab`"
    assert caught.value.hints[0].startswith("Choose one of these: ab22 (1970-01-01T00:00:02.000+00:00), ab2 (")


def test_unknown(home: tuple[Path, Path]):
    """An id that nobody has is an answer: no."""
    with pytest.raises(TraceUnknown) as caught:
        find_trace(*home, "zz")

    assert caught.value.message == "No request has the trace id `zz`"
    assert caught.value.exit_code == 1


def test_nothing_yet(tmp_path: Path):
    """A ledger that is missing or empty has no trace, whatever is asked."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.open()
    ledger.close()
    for name in ("none", "ledger.sqlite"):
        assert find_trace(tmp_path / name, tmp_path / "events.log", "zz") is None


def test_without_events(home: tuple[Path, Path]):
    """An event log that is not there takes nothing from the rest."""
    ledger, events = home
    events.unlink()

    trace = find_trace(ledger, events, "latest")

    assert trace is not None
    assert trace.events == ()
