"""What is written down: one row for each request, whoever concludes it first."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.answers import UP, Books, snapshot

from llm_router.gateway.story import Story
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Billing, Candidate, Lane, Wire
from llm_router.wire.usage import Source, Usage


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    held = Books(tmp_path)
    yield held
    held.ledger.close()


def story(**fields: object) -> Story:
    held = Story("trace-1", 1.0, 1_700_000_000.0, Wire.CHAT, "m", key="k", session="s", **fields)  # type: ignore[arg-type]
    held.candidate, held.lane, held.kind = UP, Lane.DIRECT, "openai"
    return held


async def test_who_concludes_first_decides(books: Books):
    """A request that is concluded twice has one row, and is counted once."""
    held = story()
    books.recorder.conclude(held, 200, Outcome.SUCCESS)
    books.recorder.conclude(held, 499, None, "CANCELED")

    (row,) = books.settled()
    assert (row["status"], row["outcome"], row["code"]) == (200, "success", "")
    assert sum(books.recorder.metrics.requests.values()) == 1


async def test_a_whole_row(books: Books):
    """Everything a story holds stands in its row; the account that answered, and every attempt."""
    held = story(streamed=True, bytes_in=10, prompt_tokens=4, traceparent="00-x")
    held.tried(Candidate("other", "m"), Outcome.THROTTLE, "slow_down", 429, 0.25)
    held.tried(UP, Outcome.SUCCESS, "", 200, 0.5)
    held.queued, held.first_byte, held.bytes_out = 0.125, 1.5, 99
    held.usage = Usage(input=5, cached=1, cache_write=2, output=7, reasoning=3)
    books.recorder.conclude(held, 200, Outcome.SUCCESS)

    (row,) = books.settled()
    assert json.loads(str(row.pop("attempts"))) == [
        {"candidate": "other/m", "outcome": "throttle", "reason": "slow_down", "status": 429, "ms": 250.0},
        {"candidate": "up/real", "outcome": "success", "reason": "", "status": 200, "ms": 500.0},
    ]
    expected = {
        "trace_id": "trace-1",
        "key": "k",
        "session": "s",
        "wire": "chat",
        "model_asked": "m",
        "upstream": "up",
        "model_answered": "real",
        "lane": "direct",
        "streamed": 1,
        "queue_ms": 125.0,
        "first_byte_ms": 500.0,
        "input": 5,
        "cached": 1,
        "cache_write": 2,
        "output": 7,
        "reasoning": 3,
        "usage_source": "reported",
        "bytes_in": 10,
        "bytes_out": 99,
        "traceparent": "00-x",
        "cost_usd": None,
        "billing": "metered",
    }
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("status", "outcome", "code", "shown"),
    [(499, None, "CANCELED", "refused"), (503, Outcome.OUTAGE, "AI_PROVIDER_UNAVAILABLE", "outage")],
)
async def test_what_was_not_answered_has_no_account(
    books: Books, status: int, outcome: Outcome | None, code: str, shown: str
):
    """Who failed stands among the attempts; the account that answered is nobody."""
    books.recorder.conclude(story(), status, outcome, code)

    (row,) = books.settled()
    assert (row["upstream"], row["model_answered"], row["status"], row["outcome"], row["code"]) == (
        *("", "", status),
        *(shown, code),
    )


@pytest.mark.parametrize(
    ("kind", "billing", "model", "usage", "cost"),
    [
        ("openai", Billing.PLAN, "unknown", Usage(input=1, output=1), 0.0),
        ("sandbox", Billing.METERED, "unknown", Usage(input=1, output=1), 0.0),
        ("openai", Billing.METERED, "unknown", Usage(input=1, output=1), None),
        ("openai", Billing.METERED, "own", Usage(input=1_000_000, output=1_000_000), 5.0),
        ("openai", Billing.METERED, "own", Usage(source=Source.MISSING), None),
        ("openai", Billing.METERED, "own", None, None),
    ],
)
async def test_cost(books: Books, kind: str, billing: Billing, model: str, usage: Usage | None, cost: float | None):
    """By the price that is known, nothing for a plan, and never a guess."""
    plan = replace(snapshot().plan, prices={"own": {"input": 2.0, "output": 3.0}})
    books.recorder.configured(replace(snapshot(), plan=plan))
    held = story()
    held.candidate, held.kind, held.billing, held.usage = Candidate("up", model), kind, billing, usage
    books.recorder.conclude(held, 200, Outcome.SUCCESS)

    assert books.settled()[0]["cost_usd"] == cost


async def test_a_run_starts_once(books: Books):
    """Whatever it tries, and every event carries its trace."""
    held = story(streamed=True)
    for provider in ("a", "b"):
        books.recorder.begin(held, provider)

    (event,) = books.events()
    assert (event["event"], event["provider"], event["traceId"], event["runId"], event["stream"]) == (
        *("ai_run_started", "a"),
        *("trace-1", "trace-1", True),
    )


async def test_a_ledger_that_cannot_be_written(tmp_path: Path):
    """Requests are concluded all the same, and it is said."""
    (tmp_path / "ledger.sqlite").mkdir()
    books = Books(tmp_path)
    books.recorder.conclude(story(), 200, Outcome.SUCCESS)

    books.recorder.write_now()
    (problem,) = books.recorder.problems()
    assert problem.code == "ledger.trouble"
    assert "1 rows wait in memory" in problem.message
    books.ledger.close()
