"""A client key's limits on a real process: what each refusal says in each wire, who waits, and who is told."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from support.rawhttp import Line, Message, answer, scripted_upstream
from support.stage import GENERATING, Stage, body_for

from llm_router.routing.plan import Wire
from llm_router.secrets.client_keys import Wanted

OK = answer(200, b'{"usage":{"prompt_tokens":60,"completion_tokens":30,"input_tokens":60,"output_tokens":30}}')
OFF = {
    "requests_per_minute": 0,
    "session_tokens": 0,
    "output_cap": 0,
    "messages": 0,
    "session_concurrency": 0,
    "session_queue": 0,
    "concurrency": 0,
}


def limited(stage: Stage, **limits: int) -> tuple[str, list[tuple[str, str]]]:
    """A key with these limits and no others: its name, and the header that shows it."""
    name, shown = stage.key(Wanted(limits={**OFF, **limits}))
    return name, [("authorization", shown)]


def error_of(wire: Wire, got: Message) -> tuple[int, str, str]:
    """Status, type and code (for Anthropic, whose errors have none, the type once more)."""
    error = got.json()["error"]
    return got.status, error["type"], error["type"] if wire is Wire.MESSAGES else error["code"]


@pytest.mark.parametrize("wire", GENERATING)
async def test_requests_per_minute(stage: Stage, wire: Wire):
    """The third of two is refused with the time until one more fits, in the wire's own headers, and reaches nobody."""
    name, key = limited(stage, requests_per_minute=2)
    async with scripted_upstream(OK) as up:
        stage.direct(up.port)
        got = [await stage.ask(wire, headers=key) for _ in range(3)]

    refused = got[2]
    assert [one.status for one in got] == [200, 200, 429]
    code = "rate_limit_error" if wire is Wire.MESSAGES else "rate_limit_exceeded"
    assert error_of(wire, refused) == (429, "rate_limit_error", code)
    assert 55 <= int(refused.header("retry-after") or 0) <= 60
    assert 55_000 <= int(refused.header("retry-after-ms") or 0) <= 60_000
    prefix, suffix = ("anthropic-ratelimit-requests-", "") if wire is Wire.MESSAGES else ("x-ratelimit-", "-requests")
    shown = [refused.header(f"{prefix}{part}{suffix}") for part in ("limit", "remaining", "reset")]
    assert shown[:2] == ["2", "0"]
    if wire is Wire.MESSAGES:
        assert 50 < (datetime.fromisoformat(str(shown[2])) - datetime.now(UTC)).total_seconds() <= 61
    else:
        assert 50 < float(str(shown[2]).removesuffix("s")) <= 60
    assert len(up.received) == 2
    row = stage.row(refused.header("x-request-id"))
    assert (row["key"], row["outcome"], row["code"], row["status"], row["attempts"]) == (
        *(name, "refused", "AI_RATE_LIMITED"),
        *(429, []),
    )


@pytest.mark.parametrize("wire", GENERATING)
async def test_session_tokens(stage: Stage, wire: Wire):
    """What the upstream reported is charged; a session that is spent is told not to try again, others go on."""
    _, key = limited(stage, session_tokens=390)
    body = body_for(messages=[{"role": "user", "content": "x"}], max_output_tokens=10, max_tokens=10)
    async with scripted_upstream(OK) as up:
        stage.direct(up.port)
        spent = [await stage.ask(wire, body, [*key, ("session-id", "s")]) for _ in range(6)]
        other = await stage.ask(wire, body, [*key, ("session-id", "t")])

    refused = spent[-1]
    assert [got.status for got in spent] == [200] * 4 + [429] * 2
    assert error_of(wire, refused) == (
        (429, "rate_limit_error", "rate_limit_error")
        if wire is Wire.MESSAGES
        else (429, "insufficient_quota", "session_token_budget_exceeded")
    )
    assert (refused.header("retry-after"), refused.header("x-should-retry"), other.status) == (None, "false", 200)
    assert "has used 360 of its 390 tokens" in refused.json()["error"]["message"]
    assert stage.row(refused.header("x-request-id"))["code"] == "AI_SESSION_TOKEN_BUDGET_EXCEEDED"
    assert len(up.received) == 5


@pytest.mark.parametrize("failing", [answer(500, b"{}"), answer(400, b"{}")])
async def test_a_failed_call_is_free(stage: Stage, failing: Any):
    """Only success is charged."""
    _, key = limited(stage, session_tokens=300)
    async with scripted_upstream(failing, failing, OK) as up:
        stage.direct(up.port)
        got = [(await stage.ask(body=body_for(max_tokens=100), headers=key)).status for _ in range(3)]

    assert got[2] == 200


async def test_too_many_messages(stage: Stage):
    """As many as the limit pass; one more is told to begin anew."""
    _, key = limited(stage, messages=2)
    async with scripted_upstream(OK) as up:
        stage.direct(up.port)
        got = [await stage.ask(body=body_for(messages=[{}] * number), headers=key) for number in (2, 3)]

    assert [one.status for one in got] == [200, 409]
    assert got[1].json()["error"]["code"] == "conversation_too_long"
    assert stage.row(got[1].header("x-request-id"))["code"] == "CONFLICT"


@pytest.mark.parametrize(
    ("wire", "members", "sent", "clamped"),
    [
        (Wire.CHAT, {"max_tokens": 9000}, {"max_tokens": 100}, "max_tokens=9000->100"),
        (Wire.CHAT, {"max_completion_tokens": 50}, {"max_completion_tokens": 50}, None),
        (Wire.RESPONSES, {"max_output_tokens": 101}, {"max_output_tokens": 100}, "max_output_tokens=101->100"),
        (Wire.MESSAGES, {"max_tokens": 100}, {"max_tokens": 100}, None),
        (Wire.MESSAGES, {"max_tokens": 10**9}, {"max_tokens": 100}, "max_tokens=1000000000->100"),
    ],
)
async def test_the_output_cap(
    stage: Stage, wire: Wire, members: dict[str, int], sent: dict[str, int], clamped: str | None
):
    """What is above it is lowered, and the answer says so."""
    _, key = limited(stage, output_cap=100)
    async with scripted_upstream(OK) as up:
        stage.direct(up.port)
        got = await stage.ask(wire, body_for(**members), key)

    assert json.loads(up.received[0].body) == {"model": "real-up", **sent}
    assert (got.status, got.header("x-router-clamped")) == (200, clamped)


async def test_a_session_waits_for_itself(stage: Stage):
    """One at a time, in order; the line has its bound; both moments are told, each with its place."""
    _, key = limited(stage, session_concurrency=1, session_queue=2)
    running, most, go_on = 0, 0, asyncio.Event()
    first_came, both_came = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        first_came.set()
        if running == 2:
            both_came.set()
        await go_on.wait()
        await OK(line, received)
        running -= 1

    async with scripted_upstream(play) as up, asyncio.timeout(20):
        stage.direct(up.port)
        headers = [*key, ("session-id", "line")]
        first = asyncio.create_task(stage.ask(headers=headers), name="first")
        await first_came.wait()
        waiting = []
        for number in (2, 3):
            waiting.append(asyncio.create_task(stage.ask(headers=headers), name=f"waiting-{number}"))
            await asyncio.to_thread(stage.waits_for, number)
        overflow = await stage.ask(headers=headers)
        other = asyncio.create_task(stage.ask(headers=[*key, ("session-id", "another")]), name="other")
        await both_came.wait()
        go_on.set()
        got = [await first, *(await asyncio.gather(*waiting)), await other]

    assert [one.status for one in got] == [200] * 4
    assert error_of(Wire.CHAT, overflow) == (429, "rate_limit_error", "queue_full")
    assert overflow.header("retry-after") == "5"
    assert most == 2  # one of each session
    told = [stage.events(one.header("x-request-id"), *QUEUE) for one in got]
    assert [[event["event"] for event in events] for events in told] == [[], list(QUEUE), list(QUEUE), []]
    assert [events[0]["queuePosition"] for events in told[1:3]] == [1, 2]
    assert [events[1]["queueRemaining"] for events in told[1:3]] == [1, 0]
    rows = [stage.row(one.header("x-request-id")) for one in got]
    assert [row["queue_ms"] > 0 for row in rows] == [False, True, True, False]
    assert stage.row(overflow.header("x-request-id"))["code"] == "SKILL_QUEUE_OVERFLOW"


QUEUE = ("ai_session_queue_enqueued", "ai_session_queue_dequeued")


async def test_who_leaves_the_line_leaves_it_whole(stage: Stage):
    """A client that goes away while it waits holds no place, and the next one runs."""
    _, key = limited(stage, concurrency=1)
    go_on, came = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        came.set()
        await go_on.wait()
        await OK(line, received)

    async with scripted_upstream(play) as up, asyncio.timeout(20):
        stage.direct(up.port)
        first = asyncio.create_task(stage.ask(headers=key), name="first")
        await came.wait()
        leaving = asyncio.create_task(stage.ask(headers=key), name="leaving")
        await asyncio.to_thread(stage.waits_for, 2)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await asyncio.to_thread(stage.waits_for, 1)
        go_on.set()
        assert [(await first).status, (await stage.ask(headers=key)).status] == [200, 200]

    assert (stage.rows()[-3]["code"], len(up.received)) == ("CANCELED", 2)
