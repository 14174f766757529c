"""The scenarios of the contract, by their names, in every wire, plain and streamed.

P0-S3 a flaky network and a full minute; P5-S1 … S6 failover and recovery, budgets, all accounts down, audit, turns in
one session, long conversations.
"""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest
from support.policy import WIRES, Event, Ground, body_of, code_of, elapsed, is_whole
from support.rawhttp import Message, cut_at_once, scripted_upstream
from support.small_answers import good

from llm_router.routing.plan import Wire

QUARTER = 900.0  # seconds: the contract's cool-down

every_wire = pytest.mark.parametrize("wire", WIRES)
both_ways = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


def named(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event["event"] == name]


def audit(events: list[Event]) -> list[str]:
    """The names of the audit trail's events, in order."""
    return [event["event"] for event in events if event["event"].startswith("ai_")]


# ── P0-S3


@every_wire
async def test_p0_s3_a_network_flake_recovers(field: Ground, wire: Wire):
    """Two failed connections and a third that holds: the client sees one good answer, plain and streamed."""
    async with AsyncExitStack() as stack:
        scripts = [(cut_at_once, cut_at_once, good(wire, streamed=way)) for way in (False, True)]
        ups = [await stack.enter_async_context(scripted_upstream(*script)) for script in scripts]
        accounts = [field.account(f"{up.url}/v1") for up in ups]
        field.configure(calm := field.account(), *accounts, retries=3)
        for _ in range(20):  # traffic earns the retries: one for each five requests
            await field.ask(wire, body_of(wire, "calm", stream=False, model=calm.candidate))
        bodies = [
            body_of(wire, "a flake", stream=way, model=account.candidate)
            for account, way in zip(accounts, (False, True), strict=True)
        ]
        began = time.monotonic()
        got = await asyncio.gather(*(field.ask(wire, body) for body in bodies))
        waited = elapsed(began)
        await field.settled()

    assert [one.status for one in got] == [200, 200]
    assert [len(up.received) for up in ups] == [3, 3]
    # 1 s and 2 s, each with a fifth of jitter.
    assert 2.4 <= waited <= 10
    for one, account in zip(got, accounts, strict=True):
        assert [each["outcome"] for each in field.row(one)["attempts"]] == ["outage", "outage", "success"]
        assert field.state(account) == ("healthy", 0)


@every_wire
@both_ways
async def test_p0_s3_call_61_is_refused_at_once(field: Ground, wire: Wire, streamed: bool):
    """Sixty calls of the minute pass; the next is refused at once, without an upstream; a minute later it passes."""
    account = field.account()
    key = field.key()
    field.configure(account)
    body = body_of(wire, "sixty", stream=streamed)
    passed = [is_whole(wire, await field.ask(wire, body, key=key), stream=streamed) for _ in range(60)]
    began = time.monotonic()
    refused = await field.ask(wire, body, key=key)
    waited = elapsed(began)

    assert passed == [True] * 60
    assert (refused.status, code_of(wire, refused)) == (429, limit_code(wire, "rate_limit_exceeded"))
    assert waited < 1.0
    assert 1 <= int(refused.header("retry-after") or 0) <= 60
    prefix, suffix = ("anthropic-ratelimit-requests-", "") if wire is Wire.MESSAGES else ("x-ratelimit-", "-requests")
    assert [refused.header(f"{prefix}{name}{suffix}") for name in ("limit", "remaining")] == ["60", "0"]
    assert len(account.calls()) == 60
    row = field.row(refused)
    assert (row["status"], row["outcome"], row["code"], row["attempts"]) == (429, "refused", "AI_RATE_LIMITED", [])
    field.clock.pass_time(61)
    assert is_whole(wire, await field.ask(wire, body, key=key), stream=streamed)


def limit_code(wire: Wire, code: str) -> str:
    return "rate_limit_error" if wire is Wire.MESSAGES else code


# ── P5-S1


async def ask_new(field: Ground, wire: Wire, text: str, *, streamed: bool) -> Message:
    """One call of a session of its own, which must get a whole answer."""
    got = await field.ask(wire, body_of(wire, text, stream=streamed), session=text)
    assert is_whole(wire, got, stream=streamed), got
    await field.settled()
    return got


@every_wire
@both_ways
async def test_p5_s1_degraded_at_the_third_failure_and_recovered_by_a_probe(field: Ground, wire: Wire, streamed: bool):
    """Three failures in a row degrade the primary, each call is saved by the backup, a probe after 15 min recovers."""
    first, second = field.account(), field.account()
    field.configure(first, second, cooldown=QUARTER, cooldown_cap=QUARTER)
    first.fails("status=503", 3)

    states, calls = [], []
    for number in (1, 2, 3):
        calls.append(await ask_new(field, wire, f"{first.name} call {number}", streamed=streamed))
        states.append(field.state(first))
    assert [got.header("x-router-account") for got in calls] == [second.name] * 3
    assert states == [("healthy", 1), ("healthy", 2), ("degraded", 3)]
    assert [audit(field.events(got)) for got in calls] == [
        ["ai_run_started", "ai_provider_failover"],
        ["ai_run_started", "ai_provider_failover"],
        ["ai_run_started", "ai_provider_degraded", "ai_provider_failover"],
    ]
    (degraded,) = named(field.events(calls[2]), "ai_provider_degraded")
    assert {name: degraded[name] for name in ("provider", "baseUrl", "failures", "reason")} == {
        "provider": first.name,
        "baseUrl": first.base_url,
        "failures": 3,
        "reason": "LLM_API_ERROR",
    }

    # A second short of the cool-down the primary is left alone.
    field.clock.pass_time(QUARTER - 5)
    skipped = await ask_new(field, wire, f"{first.name} skipped", streamed=streamed)
    assert skipped.header("x-router-account") == second.name
    (failover,) = named(field.events(skipped), "ai_provider_failover")
    assert (failover["from"], failover["to"], failover["reason"]) == (
        first.candidate,
        second.candidate,
        "primary_degraded",
    )
    assert len(first.calls()) == 3

    field.clock.pass_time(5.001)
    probe = await ask_new(field, wire, f"{first.name} call 4", streamed=streamed)
    assert probe.header("x-router-account") == first.name
    assert audit(field.events(probe)) == ["ai_run_started", "ai_provider_half_open_probe", "ai_provider_recovered"]
    (recovered,) = named(field.events(probe), "ai_provider_recovered")
    assert (recovered["provider"], recovered["baseUrl"], recovered["fromHalfOpen"]) == (
        first.name,
        first.base_url,
        True,
    )
    assert field.state(first) == ("healthy", 0)


@every_wire
@both_ways
async def test_p5_s1_a_failed_probe_is_saved_too(field: Ground, wire: Wire, streamed: bool):
    """The probe that fails degrades anew, and its client is answered by the backup."""
    first, second = field.account(), field.account()
    field.configure(first, second, cooldown=QUARTER, cooldown_cap=QUARTER)
    first.fails("status=503")
    for number in (1, 2, 3):
        await ask_new(field, wire, f"{first.name} call {number}", streamed=streamed)
    field.clock.pass_time(QUARTER + 0.001)
    probe = await ask_new(field, wire, f"{first.name} probe", streamed=streamed)
    first.recovers()

    assert probe.header("x-router-account") == second.name
    events = field.events(probe)
    assert audit(events) == [
        "ai_run_started",
        "ai_provider_half_open_probe",
        "ai_provider_degraded",
        "ai_provider_failover",
    ]
    assert named(events, "ai_provider_failover")[0]["reason"] == "half_open_probe_failed"
    assert field.state(first) == ("degraded", 4)


@every_wire
@both_ways
async def test_p5_s1_one_probe_and_no_more(field: Ground, wire: Wire, streamed: bool):
    """Of many calls after the cool-down exactly one is the probe, while it runs the others go to the backup."""
    first, second = field.account(), field.account()
    field.configure(first, second, cooldown=QUARTER, cooldown_cap=QUARTER)
    first.fails("status=503", 3)
    for number in (1, 2, 3):
        await ask_new(field, wire, f"{first.name} call {number}", streamed=streamed)
    field.clock.pass_time(QUARTER + 0.001)
    first.fails("headers_delay=0.5")
    bodies = [(f"{first.name} at once {number}", body_of(wire, "now", stream=streamed)) for number in range(8)]
    got = await asyncio.gather(*(field.ask(wire, body, session=session) for session, body in bodies))
    await field.settled()
    first.recovers()

    answered = sorted(str(one.header("x-router-account")) for one in got)
    assert answered == sorted([first.name] + [second.name] * 7)
    assert len(first.calls()) == 4
    mine = {one.header("x-request-id") for one in got}
    probes = named(field.events(), "ai_provider_half_open_probe")
    assert len([event for event in probes if event["traceId"] in mine]) == 1
    assert field.state(first) == ("healthy", 0)


# ── P5-S2


@every_wire
@both_ways
async def test_p5_s2_a_spent_budget_has_its_own_code(field: Ground, wire: Wire, streamed: bool):
    """450 000 characters twice in one session: the second is refused by the budget, and reaches no upstream."""
    account = field.account()
    key = field.key()
    field.configure(account)
    body = body_of(wire, "word " * 90_000, stream=streamed)
    first = await field.ask(wire, body, key=key, session="long")
    await field.settled()
    refused = await field.ask(wire, body, key=key, session="long")
    elsewhere = await field.ask(wire, body, key=key, session="another")

    assert is_whole(wire, first, stream=streamed)
    assert (refused.status, code_of(wire, refused)) == (429, limit_code(wire, "session_token_budget_exceeded"))
    assert (refused.header("retry-after"), refused.header("x-should-retry")) == (None, "false")
    assert field.row(refused)["code"] == "AI_SESSION_TOKEN_BUDGET_EXCEEDED"
    assert is_whole(wire, elsewhere, stream=streamed)
    assert len(account.calls()) == 2


@every_wire
@both_ways
async def test_p5_s2_a_full_limiter_has_its_own_code(field: Ground, wire: Wire, streamed: bool):
    """One a minute, twice: the second is refused by the limiter; where the budget is spent too, that answers."""
    account = field.account()
    key, poor = field.key(requests_per_minute=1), field.key(requests_per_minute=1, session_tokens=200, output_cap=60)
    field.configure(account)
    small, large = (body_of(wire, "word " * count, stream=streamed) for count in (1, 60))
    first, second = [await field.ask(wire, small, key=key) for _ in range(2)]
    await field.ask(wire, small, key=poor, session="s")
    both = await field.ask(wire, large + b" " * 800, key=poor, session="s")

    assert is_whole(wire, first, stream=streamed)
    assert (second.status, field.row(second)["code"]) == (429, "AI_RATE_LIMITED")
    assert (both.status, field.row(both)["code"]) == (429, "AI_SESSION_TOKEN_BUDGET_EXCEEDED")
    assert len(account.calls()) == 2


# ── P5-S3


@every_wire
@both_ways
async def test_p5_s3_all_accounts_down_is_said_on_the_first_call(field: Ground, wire: Wire, streamed: bool):
    """Primary and backup answer 503: AI_PROVIDER_UNAVAILABLE at once, with when to try again; and then it works."""
    first, second = field.account(), field.account()
    field.configure(first, second)
    first.fails("status=503", also=(second,))
    got = await field.ask(wire, body_of(wire, "down", stream=streamed))
    await field.settled()
    first.recovers()

    expected = (529, "overloaded_error") if wire is Wire.MESSAGES else (503, "provider_unavailable")
    assert (got.status, code_of(wire, got)) == expected
    assert 1 <= int(got.header("retry-after") or 0) <= 60
    row = field.row(got)
    assert (row["code"], row["outcome"]) == ("AI_PROVIDER_UNAVAILABLE", "outage")
    assert [one["candidate"] for one in row["attempts"]] == [first.candidate, second.candidate]
    again = await ask_new(field, wire, f"{first.name} again", streamed=streamed)
    assert again.header("x-router-account") == first.name


@every_wire
@both_ways
async def test_p5_s3_a_degraded_account_without_a_backup_fails_at_once(field: Ground, wire: Wire, streamed: bool):
    """While it cools down nobody is asked; Retry-After names the nearest probe, and never more than a minute."""
    account = field.account()
    field.configure(account, cooldown=QUARTER, cooldown_cap=QUARTER)
    account.fails("status=503", 3)
    body = body_of(wire, "alone", stream=streamed)
    for _ in range(3):
        await field.ask(wire, body)
    await field.settled()
    far = await field.ask(wire, body)
    field.clock.pass_time(QUARTER - 20)
    near = await field.ask(wire, body)

    assert [far.status, near.status] == [529 if wire is Wire.MESSAGES else 503] * 2
    assert far.header("retry-after") == "60"
    assert 10 <= int(near.header("retry-after") or 0) <= 20
    assert [field.row(got)["attempts"] for got in (far, near)] == [[], []]
    assert len(account.calls()) == 3


# ── P5-S4


@every_wire
@both_ways
async def test_p5_s4_every_audit_event_belongs_to_a_run(field: Ground, wire: Wire, streamed: bool):
    """Degraded and recovered: failover, probe and recovery are there; each trace id is a started run's and a row's."""
    first, second = field.account(), field.account()
    field.configure(first, second, cooldown=QUARTER, cooldown_cap=QUARTER)
    first.fails("status=503", 3)
    calls = [await ask_new(field, wire, f"{first.name} {number}", streamed=streamed) for number in range(4)]
    field.clock.pass_time(QUARTER + 1)
    calls.append(await ask_new(field, wire, f"{first.name} last", streamed=streamed))
    mine = {str(got.header("x-request-id")) for got in calls}

    events = [event for event in field.events() if event.get("traceId") in mine]
    assert {"ai_provider_failover", "ai_provider_half_open_probe", "ai_provider_recovered"} <= set(audit(events))
    started = {event["traceId"] for event in named(events, "ai_run_started")}
    assert started == mine
    assert {row["trace_id"] for row in field.rows()} >= mine


def test_p5_s4_no_event_of_any_scenario_is_without_its_row(field: Ground):
    """Every trace id that any event of this process names is a row of the ledger; every audit event has its fields."""
    known = {row["trace_id"] for row in field.rows()}
    events = field.events()
    assert {event["traceId"] for event in events if "traceId" in event} <= known
    assert [
        event for event in events if event["event"].startswith("ai_") and not FIELDS[event["event"]] <= set(event)
    ] == []


FIELDS = {
    "ai_run_started": {"runId", "executionId", "traceId", "provider", "stream"},
    "ai_provider_degraded": {"traceId", "provider", "baseUrl", "failures", "reason"},
    "ai_provider_failover": {"traceId", "from", "to", "reason"},
    "ai_provider_half_open_probe": {"traceId", "provider"},
    "ai_provider_recovered": {"traceId", "provider", "baseUrl", "fromHalfOpen"},
    "ai_session_queue_enqueued": {"sessionKey", "traceId", "queuePosition"},
    "ai_session_queue_dequeued": {"sessionKey", "traceId", "queueRemaining"},
}


# ── P5-S5


@every_wire
@both_ways
async def test_p5_s5_calls_of_one_session_take_turns(field: Ground, wire: Wire, streamed: bool):
    """Three at once in one session: never two at the upstream, all succeed, and the queue can be seen."""
    account = field.account()
    key = field.key()
    field.configure(account)
    account.fails("headers_delay=0.2")
    body = body_of(wire, "turns", stream=streamed)
    got = await asyncio.gather(*(field.ask(wire, body, key=key, session="one") for _ in range(3)))
    await field.settled()
    account.recovers()

    assert [is_whole(wire, one, stream=streamed) for one in got] == [True] * 3
    began = [call["at"] for call in account.calls()]
    assert len(began) == 3
    assert min(after - before for before, after in pairwise(began)) >= 0.2
    mine = {str(one.header("x-request-id")) for one in got}
    events = [event for event in field.events() if event.get("traceId") in mine]
    enqueued, dequeued = named(events, "ai_session_queue_enqueued"), named(events, "ai_session_queue_dequeued")
    assert [event["queuePosition"] for event in enqueued] == [1, 2]
    assert [event["queueRemaining"] for event in dequeued] == [1, 0]
    assert [event["traceId"] for event in enqueued] == [event["traceId"] for event in dequeued]
    assert {event["sessionKey"] for event in (*enqueued, *dequeued)} == {field.row(got[0])["session"]}


# ── P5-S6


@every_wire
@both_ways
async def test_p5_s6_message_2001_is_refused(field: Ground, wire: Wire, streamed: bool):
    """2000 messages pass, all of them and in order; one more is refused with the hint to archive."""
    account = field.account()
    key = field.key()
    field.configure(account)
    texts = [f"m{number}" for number in range(2001)]
    passed = await field.ask(wire, conversation(wire, texts[:2000], streamed=streamed), key=key)
    refused = await field.ask(wire, conversation(wire, texts, streamed=streamed), key=key)

    assert is_whole(wire, passed, stream=streamed)
    (call,) = account.calls()
    held = account.received(call["number"])
    assert [turn["content"] for turn in held["input" if wire is Wire.RESPONSES else "messages"]] == texts[:2000]
    code = "invalid_request_error" if wire is Wire.MESSAGES else "conversation_too_long"
    assert (refused.status, code_of(wire, refused)) == (409, code)
    assert "archive it and begin a new one" in refused.json()["error"]["message"]
    assert refused.header("x-should-retry") == "false"
    assert field.row(refused)["code"] == "CONFLICT"


def conversation(wire: Wire, texts: list[str], *, streamed: bool) -> bytes:
    """A conversation of these texts, said in turn."""
    turns = [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]
    member = "input" if wire is Wire.RESPONSES else "messages"
    return json.dumps({**json.loads(body_of(wire, "", stream=streamed)), member: turns}).encode()
