"""The policy around the one loop, on a real process: failover inside a stream, sessions, billing, scopes, usage."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from support.rawhttp import Line, Message, answer, ask, begin_stream, line_to, request, scripted_upstream, stream
from support.stage import BEGUN, CLIENT_KEY, ENDED, GENERATING, PATHS, PLAIN, Stage, body_for, upstream

from llm_router.routing.plan import Billing, Policy, Strategy, Upstream, Wire
from llm_router.secrets.client_keys import Wanted

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
OK = answer(200, b'{"ok":true}')
STICKY = Policy(retries=0, affinity=True)
ERRORS = {
    Wire.CHAT: b'data: {"error":{"message":"overloaded","code":529}}\n\n',
    Wire.RESPONSES: b'data: {"type":"response.failed","response":{"error":{"code":"server_is_overloaded"}}}\n\n',
    Wire.MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n',
}
GREETINGS = {
    Wire.CHAT: b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n',
    Wire.RESPONSES: b'data: {"type":"response.created"}\n\n',
    Wire.MESSAGES: b'data: {"type":"message_start"}\n\n',
}


def two(first: str, second: str, **fields: Any) -> dict[str, Upstream]:
    """Two upstreams, `one` with more fields."""
    return {"one": replace(upstream("one", first), **fields), "two": upstream("two", second)}


def session(name: str) -> list[tuple[str, str]]:
    return [("session-id", name)]


# --- failover before the first byte of output ------------------------------------------------------------------------


@pytest.mark.parametrize("wire", GENERATING)
async def test_an_error_event_in_place_of_output_fails_over(stage: Stage, wire: Wire):
    """The client sees the backup's stream only, though the first account had answered 200 and greeted."""
    failing, good = stream(GREETINGS[wire] + ERRORS[wire]), stream(BEGUN[wire], ENDED[wire])
    async with scripted_upstream(failing) as first, scripted_upstream(good) as second:
        stage.configure(two(first.url, second.url))
        got = await stage.ask(wire, body_for(stream=True))

    assert (got.status, got.body) == (200, BEGUN[wire] + ENDED[wire])
    row = stage.row(got.header("x-request-id"))
    assert [(one["candidate"], one["outcome"]) for one in row["attempts"]] == [
        ("one/real-one", "outage"),
        ("two/real-two", "success"),
    ]
    (moved,) = stage.events(got.header("x-request-id"), "ai_provider_failover")
    assert (moved["from"], moved["to"], moved["reason"]) == ("one/real-one", "two/real-two", "primary_unavailable")


@pytest.mark.parametrize("wire", GENERATING)
async def test_nothing_is_sent_before_the_stream_has_proved_itself(stage: Stage, wire: Wire):
    """A greeting alone reaches no client; with the first output all of it does."""
    greeted, go_on = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, GREETINGS[wire])
        greeted.set()
        await go_on.wait()
        await stream_rest(line, wire)

    async with scripted_upstream(play) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            await line.write(request("POST", PATHS[wire], body_for(stream=True), [KEY]))
            await greeted.wait()
            assert stage.stats()["in_flight"] == 1  # asked after the greeting came, and answered before any head
            head = asyncio.create_task(line.head(), name="head")
            assert not (await asyncio.wait({head}, timeout=0.2))[0]
            go_on.set()
            assert (await head).status == 200
            assert (await line.chunk()).startswith(GREETINGS[wire] + BEGUN[wire])


async def stream_rest(line: Line, wire: Wire) -> None:
    for chunk in (BEGUN[wire], ENDED[wire]):
        await line.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    await line.write(b"0\r\n\r\n")


async def test_a_callers_own_fault_inside_a_stream(stage: Stage):
    """It is an error answer, not a stream, and nobody else is asked."""
    fault = stream(b'data: {"error":{"message":"too long","code":"context_length_exceeded"}}\n\n')
    async with scripted_upstream(fault) as first, scripted_upstream(OK) as second:
        stage.configure(two(first.url, second.url))
        got = await stage.ask(body=body_for(stream=True))

    assert (got.status, got.json()["error"]["code"], second.received) == (400, "context_length_exceeded", [])
    assert stage.row(got.header("x-request-id"))["outcome"] == "request"


async def test_a_lone_account_that_is_away_for_a_moment(stage: Stage):
    """A connection that breaks is tried again, with a pause; one row tells of both."""

    async def cut(line: Line, received: Message) -> None:
        line.cut()

    async with scripted_upstream(cut, OK) as up:
        stage.direct(up.port, policy=replace(PLAIN, retries=1))
        began = asyncio.get_running_loop().time()
        got = await stage.ask()
        took = asyncio.get_running_loop().time() - began

    assert (got.status, got.header("x-router-attempts"), len(up.received)) == (200, "2", 2)
    assert 0.8 <= took < 3
    outcomes = [(one["outcome"], one["reason"]) for one in stage.row(got.header("x-request-id"))["attempts"]]
    assert outcomes == [("outage", "broken"), ("success", "")]


# --- sessions --------------------------------------------------------------------------------------------------------


async def test_a_session_stays_with_its_account(stage: Stage):
    """Turns go round for new sessions, and not for one that has an account."""
    async with scripted_upstream(OK) as first, scripted_upstream(OK) as second:
        stage.configure(two(first.url, second.url), policy=replace(STICKY, strategy=Strategy.ROUND_ROBIN))
        accounts = {
            name: {(await stage.ask(headers=session(name))).header("x-router-account") for _ in range(4)}
            for name in ("s1", "s2", "s3", "s4")
        }

    assert all(len(found) == 1 for found in accounts.values())
    assert set().union(*accounts.values()) == {"one", "two"}


@pytest.mark.parametrize("wire", [Wire.RESPONSES, Wire.MESSAGES])
async def test_reasoning_stays_behind_when_a_session_moves(stage: Stage, wire: Wire):
    """The new account gets the conversation without what only the old one can read, then and ever after."""
    thought = {"type": "reasoning", "encrypted_content": "x"}
    thinking = {"type": "thinking", "thinking": "x", "signature": "y"}
    said = {"type": "message", "role": "user", "content": [{"type": "text", "text": "hello"}]}
    full, bare = (
        ({"input": [said, thought]}, {"input": [said]})
        if wire is Wire.RESPONSES
        else ({"messages": [said, {"role": "assistant", "content": [thinking, *said["content"]]}]},) * 2
    )
    if wire is Wire.MESSAGES:
        bare = {"messages": [said, {"role": "assistant", "content": said["content"]}]}
    async with scripted_upstream(OK, OK, answer(429, b"{}")) as first, scripted_upstream(OK) as second:
        stage.configure(two(first.url, second.url), policy=STICKY)
        got = [await stage.ask(wire, body_for(**full), session(f"moving-{wire}")) for _ in range(4)]

    assert [one.header("x-router-account") for one in got] == ["one", "one", "two", "two"]
    assert [json.loads(one.body) for one in first.received] == [{"model": "real-one", **full}] * 3
    assert [json.loads(one.body) for one in second.received] == [{"model": "real-two", **bare}] * 2
    dropped = [stage.events(one.header("x-request-id"), "reasoning_dropped") for one in got]
    assert [len(events) for events in dropped] == [0, 0, 1, 1]
    assert (dropped[2][0]["from"], dropped[2][0]["to"], dropped[2][0]["items"]) == ("one/real-one", "two/real-two", 1)


# --- billing and scopes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "status", "asked"), [(False, 429, 0), (True, 200, 1)])
async def test_a_plan_account_never_falls_over_to_paid_billing(stage: Stage, allowed: bool, status: int, asked: int):
    """Unless the profile says that it may."""
    used_up = answer(429, b'{"error":{"type":"usage_limit_reached","message":"used up","resets_in_seconds":50}}')
    async with scripted_upstream(used_up) as plan, scripted_upstream(OK) as paid:
        stage.configure(two(plan.url, paid.url, billing=Billing.PLAN), policy=replace(PLAIN, plan_to_paid=allowed))
        got = [await stage.ask() for _ in range(2)]

    assert [one.status for one in got] == [status] * 2
    assert (len(plan.received), len(paid.received)) == (1, 2 * asked)
    if not allowed:
        assert int(got[1].header("retry-after") or 0) in range(45, 51)


async def test_scopes_of_a_key(stage: Stage):
    """A key sees, and may ask, only what it is for; a refused request reaches nobody and has its row."""
    name, shown = stage.key(Wanted(models=("m", "x-*"), providers=("two",)))
    headers = [("authorization", shown)]
    async with scripted_upstream(OK) as first, scripted_upstream(OK) as second:
        models = {"m": ("one/a", "two/b"), "n": ("two/b",), "x-1": ("one/a",)}
        stage.configure(two(first.url, second.url), models)
        allowed = await stage.ask(headers=headers)
        model = await stage.ask(body=body_for("n"), headers=headers)
        provider = await stage.ask(body=body_for("x-1"), headers=headers)
        listed = await stage.ask(path="/v1/models", method="GET", body=b"", headers=headers)

    assert (allowed.status, allowed.header("x-router-account")) == (200, "two")
    assert [(got.status, got.json()["error"]["code"]) for got in (model, provider)] == [(403, "model_not_allowed")] * 2
    assert [row["id"] for row in listed.json()["data"]] == ["m", "x-1"]
    assert (len(first.received), len(second.received)) == (0, 1)
    assert stage.row(allowed.header("x-request-id"))["key"] == name
    assert stage.row(provider.header("x-request-id"))["status"] == 403


# --- the ledger ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
async def test_usage_is_the_upstreams_own_behind_litellm(stage: Stage, streamed: bool):
    """LiteLLM's numbers are a translation; the row has what the upstream told at the door, cut wherever it was."""
    report = (
        b'{"choices":[],"usage":{"prompt_tokens":30,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":9}}}'
    )
    events = BEGUN[Wire.CHAT] + b"data: " + report + b"\n\n" + ENDED[Wire.CHAT]
    up_says = stream(events[:90], events[90:130], events[130:]) if streamed else answer(200, report)
    own = b'"usage":{"input_tokens":999,"output_tokens":999}}'

    async def litellm(line: Line, received: Message) -> None:
        headers = [
            ("authorization", "Bearer door-1"),
            ("x-llm-router-trace", received.header("x-llm-router-trace") or ""),
        ]
        await ask(stage.port, "POST", "/upstream/up.chat/v1/chat/completions", b"{}", headers)
        if streamed:
            start = b'data: {"type":"message_start","message":{' + own + b"}\n\n"
            await stream(start + BEGUN[Wire.MESSAGES], ENDED[Wire.MESSAGES])(line, received)
        else:
            await answer(200, b'{"type":"message",' + own)(line, received)

    async with scripted_upstream(up_says) as up, scripted_upstream(litellm) as between:
        held = {"generation": 1, "base_url": between.url, "api_key": "master-1", "door_key": "door-1"}
        stage.configure({"up": upstream("up", up.url, Wire.CHAT)}, translator=held)
        got = await stage.ask(Wire.MESSAGES, body_for(stream=streamed))

    row = stage.row(got.header("x-request-id"))
    assert (got.status, row["lane"], row["usage_source"]) == (200, "translated", "reported")
    assert (row["input"], row["cached"], row["output"]) == (30, 9, 4)


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"path": "/v1/chat/completions", "body": b"not json"}, 400, "invalid_request_error"),
        ({"body": body_for("unknown")}, 404, "model_not_found"),
    ],
)
async def test_what_is_refused_before_anybody_is_asked(stage: Stage, asked: dict[str, Any], status: int, code: str):
    """It says so, names the request, and asks nobody."""
    async with scripted_upstream(OK) as up:
        stage.direct(up.port)
        got = await stage.ask(**asked)

    assert (got.status, got.json()["error"]["code"], up.received) == (status, code, [])
    assert len(got.header("x-request-id") or "") == 32


async def test_every_request_has_one_row(stage: Stage):
    """Answered, failed, broken off, left by its client: each has its row when its client has its last byte."""

    async def waits(line: Line, received: Message) -> None:
        await line.gone()

    scripts = (OK, answer(400, b"{}"), stream(BEGUN[Wire.CHAT], whole=False), answer(500, b"{}"), waits)
    async with scripted_upstream(*scripts) as up:
        stage.direct(up.port)
        expected = ["success", "request", "outage", "outage"]
        for outcome in expected:
            got = await stage.ask(body=body_for(stream=True))
            assert stage.row(got.header("x-request-id"))["outcome"] == outcome
        before = len(stage.rows())
        line = await Line.to(stage.port)
        await line.write(request("POST", PATHS[Wire.CHAT], body_for(), [KEY]))
        await stage.becomes_busy()
        line.cut()
        await stage.becomes_idle()

    (last,) = stage.rows()[before:]
    assert (last["status"], last["code"], last["upstream"]) == (499, "CANCELED", "")
    assert len({row["trace_id"] for row in stage.rows()}) == before + 1


async def test_a_clients_trace_is_honoured(stage: Stage):
    """A W3C trace context stands in the row and goes on to the upstream; what is none is left out of the row."""
    good = f"00-{'a' * 32}-{'b' * 16}-01"
    async with scripted_upstream(OK) as up:
        stage.direct(up.port)
        got = [await stage.ask(headers=[("traceparent", value)]) for value in (good, "nonsense")]

    assert [stage.row(one.header("x-request-id"))["traceparent"] for one in got] == [good, ""]
    assert up.received[0].header("traceparent") == good
