"""What goes wrong upstream, and what the client is told."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.rawhttp import (
    Line,
    Message,
    answer,
    begin_stream,
    cut_at_once,
    line_to,
    request,
    scripted_upstream,
    send_chunk,
    stream,
)
from support.stage import BEGUN, CLIENT_KEY, GENERATING, PATHS, UPSTREAM_KEY, Stage, body_for, upstream

from llm_router.routing.plan import Policy, Timeouts, Wire

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
OK = answer(200, b'{"ok":true}')
JSON = ("content-type", "application/json")


def error_of(got: Message) -> tuple[int, str, str]:
    """Status, code (or Anthropic's type) and message of an error answer."""
    error = got.json()["error"]
    return got.status, error.get("code") or error["type"], error["message"]


def last_event(body: bytes) -> tuple[str, dict[str, object]]:
    """Name and data of the last event of a stream, which must end cleanly."""
    assert body.endswith(b"\n\n")
    *_, last = body.decode().removesuffix("\n\n").split("\n\n")
    lines = dict(line.split(": ", 1) for line in last.split("\n"))
    return lines.get("event", ""), json.loads(lines["data"])


def is_error_event(wire: Wire, body: bytes) -> bool:
    name, data = last_event(body)
    match wire:
        case Wire.CHAT:
            return name == "" and set(data) == {"error"}
        case Wire.RESPONSES:
            return name == data["type"] == "response.failed"
    return name == data["type"] == "error"


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port that lets nobody connect and refuses nobody: its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def never(line: Line, received: Message) -> None:
    await line.gone()


async def only_a_head(line: Line, received: Message) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n")
    await line.gone()


async def half_a_body(line: Line, received: Message) -> None:
    await line.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    line.cut()


async def no_http(line: Line, received: Message) -> None:
    await line.write(b"SSH-2.0-x\r\n\r\n")
    line.cut()


# --- time-outs ------------------------------------------------------------------------------------------------------


async def test_connect_time_out(stage: Stage):
    """An upstream that cannot be connected to is given up on after `connect` seconds."""
    with deaf_port() as port:
        stage.direct(port, timeouts=Timeouts(connect=0.2, first_byte=60, idle=60))
        async with asyncio.timeout(5):
            got = await stage.ask()

    assert error_of(got) == (504, "timeout", "`up` did not answer: no connection within 0.2 s")


@pytest.mark.parametrize("script", [never, only_a_head])
async def test_first_byte_time_out(stage: Stage, script):
    """An upstream that says nothing is given up on after `first_byte` seconds, its head alone being nothing."""
    async with scripted_upstream(script) as up, asyncio.timeout(5):
        stage.direct(up.port, timeouts=Timeouts(connect=0.1, first_byte=0.2, idle=60))
        got = await stage.ask()

    assert error_of(got) == (504, "timeout", "`up` did not answer: no answer within 0.2 s")


@pytest.mark.parametrize("wire", GENERATING)
async def test_idle_time_out(stage: Stage, wire: Wire):
    """A stream that stops is ended by its own format's error after `idle` seconds."""

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line, BEGUN[wire])
        await line.gone()

    async with scripted_upstream(play) as up, asyncio.timeout(5):
        stage.direct(up.port, timeouts=Timeouts(connect=5, first_byte=60, idle=0.2))
        got = await stage.ask(wire, body_for(stream=True))

    assert got.body.startswith(BEGUN[wire])
    assert is_error_event(wire, got.body)


# --- streams that end badly ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", GENERATING)
@pytest.mark.parametrize(
    ("more", "whole"),
    [(b"", False), (b"data: {ha", False), (b"", True), (b"data: {ha", True), (b": x\r\n\r\ndata: {ha\r\n", False)],
    ids=["cut", "cut-in-event", "no-terminal", "no-terminal-in-event", "crlf"],
)
async def test_a_stream_without_its_end(stage: Stage, wire: Wire, more: bytes, whole: bool):
    """After whole events, and nothing else, comes the format's own error event, and the answer ends in order."""
    async with scripted_upstream(stream(BEGUN[wire] + more, whole=whole)) as up:
        stage.direct(up.port)
        got = await stage.ask(wire, body_for(stream=True))

    assert got.status == 200
    whole_events = BEGUN[wire] + more.partition(b"data: {ha")[0]
    assert got.body.startswith(whole_events)
    assert is_error_event(wire, b"\n\n" + got.body.removeprefix(whole_events))
    assert b"{ha" not in got.body


async def test_a_stream_that_ended_before_it_was_cut(stage: Stage):
    """What was complete stays complete."""
    events = b'data: {"choices":[{"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    async with scripted_upstream(stream(events, whole=False)) as up:
        stage.direct(up.port)
        got = await stage.ask(body=body_for(stream=True))

    assert got.body == events


async def test_an_embedding_that_streams(stage: Stage):
    """A format without streams has no end to watch for: its bytes pass."""
    async with scripted_upstream(stream(b"data: 1\n\n")) as up:
        stage.direct(up.port)
        got = await stage.ask(Wire.EMBEDDINGS)

    assert (got.status, got.body) == (200, b"data: 1\n\n")


async def test_a_large_plain_answer_that_breaks_off(stage: Stage):
    """Once output has begun, only a connection that closes tells the client."""

    async def play(line: Line, received: Message) -> None:
        await line.write(b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n" + b"x" * (9 * 1024 * 1024))
        line.cut()

    async with scripted_upstream(play) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            await line.write(request("POST", PATHS[Wire.CHAT], body_for(), [KEY]))
            assert (await line.head()).status == 200
            assert not (await line.end()).endswith(b"\r\n0\r\n\r\n")


# --- rotation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        answer(500, b"{}"),
        answer(503, b"<html>"),
        answer(529, b"{}"),
        answer(429, b"{}"),
        answer(408, b"{}"),
        answer(402, b"{}"),
        answer(401, b"{}"),
        answer(403, b"{}"),
        answer(302, b"", [("location", "/")]),
        answer(200, b""),
        answer(999, b"{}"),
        stream(),
        stream(whole=False),
        cut_at_once,
        half_a_body,
        no_http,
    ],
    ids=[
        *("500", "503", "529", "429", "408", "402", "401", "403", "redirect", "empty", "999"),
        *("empty-stream", "cut-stream", "reset", "half", "no-http"),
    ],
)
async def test_the_next_candidate_answers(stage: Stage, script):
    """Whatever fails before output has begun, the next account is asked, with its own model name."""
    async with scripted_upstream(script) as first, scripted_upstream(OK) as second:
        stage.configure({"one": upstream("one", first.url), "two": upstream("two", second.url)})
        got = await stage.ask()

    assert (got.status, got.json()) == (200, {"ok": True})
    assert (got.header("x-router-account"), got.header("x-router-attempts")) == ("two", "2")
    assert [len(first.received), json.loads(second.received[0].body)] == [1, {"model": "real-two"}]


async def test_refused_connections_and_absent_units(stage: Stage):
    """An upstream that is not there is no more than a step to the next."""
    with closed_port() as port:
        async with scripted_upstream(OK) as up:
            gone = upstream("gone", f"http://127.0.0.1:{port}")
            unit = upstream("unit", "unit://local", kind="sandbox")
            keyless = upstream("keyless", up.url, key="env:NOT_SET")
            reply = stage.configure({"gone": gone, "unit": unit, "keyless": keyless, "up": upstream("up", up.url)})
            got = await stage.ask()

    assert [problem["code"] for problem in reply["problems"]] == ["secret.unavailable"]
    assert (got.status, got.header("x-router-account"), got.header("x-router-attempts")) == (200, "up", "4")


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_the_callers_own_fault_does_not_rotate(stage: Stage, status: int):
    """It is returned as the upstream gave it."""
    text = b'{ "error": {"message":"wrong", "extra": 1} }'
    async with scripted_upstream(answer(status, text)) as first, scripted_upstream(OK) as second:
        stage.configure({"one": upstream("one", first.url), "two": upstream("two", second.url)})
        got = await stage.ask()

    assert (got.status, got.body, second.received) == (status, text, [])


async def test_a_lone_upstreams_error_is_returned_as_it_was(stage: Stage):
    """Status, body and Retry-After are its own."""
    text = b'{ "error": {"message":"slow down", "extra": 1} }'
    async with scripted_upstream(answer(429, text, [JSON, ("retry-after", "7"), ("x-ratelimit-left", "0")])) as up:
        stage.direct(up.port)
        got = await stage.ask()

    assert (got.status, got.body, got.header("retry-after"), got.header("x-ratelimit-left")) == (429, text, "7", "0")


@pytest.mark.parametrize(("wire", "status"), [(Wire.CHAT, 503), (Wire.RESPONSES, 503), (Wire.MESSAGES, 529)])
async def test_every_account_fails(stage: Stage, wire: Wire, status: int):
    """With several accounts the router speaks for them, and says why each could not answer."""
    slow = answer(429, b'{"error":{"message":"slow down"}}', [JSON, ("retry-after", "700")])
    broken = answer(500, b'{"error":{"message":"broken"}}')
    async with scripted_upstream(broken) as first, scripted_upstream(slow) as second:
        stage.configure({"one": upstream("one", first.url), "two": upstream("two", second.url)})
        failed = [await stage.ask(wire) for _ in range(4)]

    code = "overloaded_error" if wire is Wire.MESSAGES else "provider_unavailable"
    assert [got.status for got in failed] == [status] * 4
    assert error_of(failed[0])[1:] == (code, "broken; slow down")
    assert "`two/real-two` is cooling (throttle) for another" in error_of(failed[1])[2]
    assert "`one/real-one` is degraded (outage) for another" in error_of(failed[3])[2]
    assert [len(first.received), len(second.received)] == [3, 1]
    assert failed[0].header("retry-after") == "1"  # the first may be asked again at once
    assert int(failed[3].header("retry-after") or 0) in range(25, 31)


async def test_every_account_is_throttled(stage: Stage):
    """That is a 429 with the time of the first to open."""
    upstreams = [answer(429, b"{}", [JSON, ("retry-after", seconds)]) for seconds in ("50", "20")]
    async with scripted_upstream(upstreams[0]) as first, scripted_upstream(upstreams[1]) as second:
        stage.configure({"one": upstream("one", first.url), "two": upstream("two", second.url)})
        got = await stage.ask()

    assert (got.status, got.json()["error"]["type"]) == (429, "rate_limit_error")
    assert int(got.header("retry-after") or 0) in range(18, 21)


@pytest.mark.parametrize(("wire", "status"), [(Wire.CHAT, 503), (Wire.RESPONSES, 503), (Wire.MESSAGES, 529)])
async def test_nobody_can_be_reached(stage: Stage, wire: Wire, status: int):
    """It is said in the client's format, with when to try again."""
    with closed_port() as port:
        stage.direct(port)
        got = await stage.ask(wire)

    code = "overloaded_error" if wire is Wire.MESSAGES else "provider_unavailable"
    assert error_of(got)[:2] == (status, code)
    assert "`up` cannot be reached: connect" in error_of(got)[2]
    assert got.header("retry-after") == "1"


async def test_fallbacks(stage: Stage):
    """When all candidates of an alias failed, those of its fallback are asked, and a ring of fallbacks ends."""
    async with scripted_upstream(answer(500, b"{}")) as first, scripted_upstream(answer(500, b"{}"), OK) as second:
        ups = {"one": upstream("one", first.url), "two": upstream("two", second.url)}
        models = {"m": ("one/a",), "n": ("one/a", "two/b")}
        policy = Policy(retries=0, affinity=False, fallbacks={"m": "n", "n": "m"})
        stage.configure(ups, models, policy=policy)
        failed, answered = await stage.ask(), await stage.ask()

    assert (failed.status, answered.status) == (503, 200)
    assert [json.loads(received.body)["model"] for received in first.received] == ["a", "a"]
    assert [json.loads(received.body)["model"] for received in second.received] == ["b", "b"]


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("wire", GENERATING)
async def test_a_refused_upstream_key(stage: Stage, wire: Wire, status: int):
    """It is the router's trouble, not the client's sign-in: 502, and the key is in no text."""
    text = json.dumps({"error": {"message": f"Incorrect key: {UPSTREAM_KEY}"}}).encode()
    async with scripted_upstream(answer(status, text, [JSON, ("x-key", UPSTREAM_KEY)])) as up:
        stage.direct(up.port)
        got = await stage.ask(wire)

    code = "api_error" if wire is Wire.MESSAGES else "upstream_auth_failed"
    assert error_of(got) == (502, code, f"`up` refused the router's key with {status}: Incorrect key: ***")
    assert got.header("x-should-retry") == "false"
    assert UPSTREAM_KEY not in str(got)


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_an_error_that_echoes_the_key(stage: Stage, status: int):
    """It is masked in body and headers, and nothing else is changed."""
    text = json.dumps({"error": {"message": f"bad {UPSTREAM_KEY} key"}, "key": UPSTREAM_KEY}).encode()
    async with scripted_upstream(answer(status, text, [JSON, ("x-key", f"Bearer {UPSTREAM_KEY}")])) as up:
        stage.direct(up.port)
        got = await stage.ask()

    assert (got.status, got.body) == (status, text.replace(UPSTREAM_KEY.encode(), b"***"))
    assert got.header("x-key") == "Bearer ***"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(stage: Stage, status: int):
    """The credential goes to the host that it belongs to, and to no other."""
    async with scripted_upstream(OK) as elsewhere:
        redirect = answer(status, b"", [("location", f"{elsewhere.url}/v1/chat/completions")])
        async with scripted_upstream(redirect) as up:
            stage.direct(up.port)
            got = await stage.ask()

    assert error_of(got)[:2] == (503, "provider_unavailable")
    assert "redirect" in error_of(got)[2]
    assert elsewhere.received == []


async def test_an_answer_before_the_body_was_read(stage: Stage):
    """An upstream that refuses before it has read the body is heard."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer)
        head = await line.head()
        await answer(413, b'{"error":{"message":"large"}}')(line, head)
        await line.reader.readexactly(int(head.header("content-length") or 0) // 2)
        line.cut()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        stage.direct(server.sockets[0].getsockname()[1])
        got = await stage.ask(body=body_for(x="y" * 8_000_000))

    assert (got.status, got.body) == (413, b'{"error":{"message":"large"}}')


async def test_a_stream_whose_client_reads_slowly(stage: Stage):
    """A slow client slows its upstream down: the gateway does not hold the whole answer."""
    sent = 0
    stopped = asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        nonlocal sent
        await begin_stream(line)
        event = b"data: " + b"x" * 65536 + b"\n\n"
        try:
            while sent < 200 * 1024 * 1024:
                async with asyncio.timeout(0.5):
                    await send_chunk(line, event)
                sent += len(event)
        except TimeoutError:
            stopped.set()
            line.cut()

    async with scripted_upstream(play) as up, asyncio.timeout(20):
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            line.writer.transport.pause_reading()
            await line.write(request("POST", PATHS[Wire.CHAT], body_for(stream=True), [KEY]))
            await stopped.wait()
            line.cut()

    assert sent < 64 * 1024 * 1024
