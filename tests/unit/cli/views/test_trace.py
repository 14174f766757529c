"""How the story of one request reads."""

from dataclasses import replace
from pathlib import Path

import pytest

from llm_router.cli.views.trace import milliseconds, trace_lines
from llm_router.control.trace_report import find_trace
from llm_router.journal.events import EventLog
from llm_router.journal.ledger import Ledger
from llm_router.journal.ledger_row import Attempt, LedgerRow
from llm_router.wire.usage import MISSING, Usage

ROW = LedgerRow(
    trace_id="t1",
    started_ms=1_763_679_600_123,
    key="local",
    session="5e55",
    wire="messages",
    model_asked="router-default\x1b[2J",
    upstream="openai",
    model_answered="gpt-5",
    lane="translated",
    attempts=(
        Attempt("a/b", "outage", "connect_refused", None, 1.2),
        Attempt("openai/gpt-5", "success", "", 200, 1240),
    ),
    status=200,
    outcome="success",
    streamed=True,
    usage=Usage(1500, 1024, 128, 320, 200),
    cost_usd=0.0123,
    price_date="2026-10-21",
    queue_ms=12.0,
    first_byte_ms=120.25,
    total_ms=1815.5,
    bytes_in=4000,
    bytes_out=8000,
    traceparent="00-aa-bb-01",
)


def shown(folder: Path, row: LedgerRow) -> list[str]:
    ledger = Ledger(folder / "ledger.sqlite")
    ledger.open()
    assert ledger.write(row)
    ledger.close()
    trace = find_trace(folder / "ledger.sqlite", folder / "events.log", "latest")
    assert trace is not None
    return list(trace_lines(trace))


def test_whole(tmp_path: Path):
    """Who asked what, both hops with reason and time, the answer, what it used and cost, and the events."""
    EventLog(tmp_path / "events.log").write("ai_provider_failover", result="failover", provider="a", traceId="t1")
    lines = shown(tmp_path, ROW)

    assert lines[:-1] == [
        "trace    t1",
        "started  2025-11-20T23:00:00.123+00:00",
        "client   key local, session 5e55",
        "asked    router-default?[2J over messages (stream, 4000 bytes)",
        "queued   12 ms",
        "attempts",
        "  1. a/b  outage  1 ms  connect_refused",
        "  2. openai/gpt-5  success 200  1.24 s",
        "answer   200 success, 8000 bytes, from openai/gpt-5 on the translated lane",
        "times    first byte 120 ms, whole 1.82 s",
        "tokens   1500 in, 1024 of them cached, 128 written to the cache; 320 out (200 reasoning) (reported)",
        "cost     $0.0123 (prices of 2026-10-21)",
        "parent   00-aa-bb-01",
        "",
        "events",
    ]
    assert "ai_provider_failover" in lines[-1]
    assert lines[-1].endswith("traceId=t1")


def test_refused(tmp_path: Path):
    """A request that never reached an upstream says so."""
    row = LedgerRow(
        trace_id="t2", started_ms=0, status=429, outcome="refused", code="rate_limit_exceeded", total_ms=0.4
    )

    assert shown(tmp_path, row)[2:] == [
        "client   key -, session -",
        "asked    - over - (plain, 0 bytes)",
        "attempts none: the request never reached an upstream",
        "answer   429 refused rate_limit_exceeded, 0 bytes",
        "times    first byte -, whole 0 ms",
        "tokens   none used",
        "cost     nothing: the request failed",
    ]


@pytest.mark.parametrize(
    ("change", "tokens", "cost"),
    [
        ({"usage": MISSING, "cost_usd": None}, "tokens   not reported", "cost     not known"),
        (
            {"billing": "plan", "usage": Usage(1)},
            "tokens   1 in; 0 out (reported)",
            "cost     covered by the account's plan",
        ),
        ({"usage": Usage(1), "price_date": None}, "tokens   1 in; 0 out (reported)", "cost     $0.0123"),
    ],
)
def test_tokens_and_cost(tmp_path: Path, change: dict[str, object], tokens: str, cost: str):
    """What is not known is not made up."""
    lines = shown(tmp_path, replace(ROW, **change))  # type: ignore[arg-type]

    assert tokens in lines
    assert cost in lines


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.4, "0 ms"), (999.4, "999 ms"), (1000, "1.00 s"), ("x", "-")]
)
def test_milliseconds(value: object, text: str):
    """Durations a person can read."""
    assert milliseconds(value) == text
