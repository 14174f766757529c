"""The direct lane: what goes in comes out, byte for byte, as it comes, and goes away with its client."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.rawhttp import (
    Line,
    Message,
    answer,
    begin_stream,
    line_to,
    request,
    scripted_upstream,
    send_chunk,
    stream,
)
from support.stage import BEGUN, CLIENT_KEY, ENDED, GENERATING, PATHS, UPSTREAM_KEY, Stage, body_for, upstream

from llm_router.routing.plan import Wire

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(st.text(max_size=6), deeper, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("wire", list(Wire))
async def test_a_plain_answer(stage: Stage, wire: Wire):
    """The request arrives with the upstream's own key and model; the answer comes back as it was."""
    reply = b'{ "id" : "x" , "unknown": [1,  2], "\\u006dodel": "real" }\n'
    sent = b'{ "messages" : [ ] ,\n "model" : "m", "unknown_field": {"model": "keep"} }'
    headers = [("content-type", "application/json"), ("anthropic-beta", "a"), ("anthropic-beta", "b"), ("x-any", "y")]
    answered = [("content-type", "application/json; charset=utf-8"), ("x-ratelimit-left", "3"), ("set-cookie", "s=1")]
    async with scripted_upstream(answer(200, reply, answered)) as up:
        stage.direct(up.port)
        got = await stage.ask(wire, sent, headers, path=f"{PATHS[wire]}?beta=true&x=%20")

    received = up.received[0]
    assert received.start == f"POST {PATHS[wire]}?beta=true&x=%20 HTTP/1.1"
    assert received.body == sent.replace(b'"m"', b'"real-up"')
    version = [("anthropic-version", "2023-06-01")] if wire is Wire.MESSAGES else []
    assert sorted(received.headers) == sorted(
        [
            ("host", f"127.0.0.1:{up.port}"),
            ("content-type", "application/json"),
            ("anthropic-beta", "a, b"),
            ("x-any", "y"),
            ("accept-encoding", "identity"),
            ("authorization", f"Bearer {UPSTREAM_KEY}"),
            ("content-length", str(len(received.body))),
            *version,
        ]
    )
    assert (got.status, got.body) == (200, reply)
    assert {name: value for name, value in got.headers if name not in {"date", "x-request-id"}} == {
        "content-type": "application/json; charset=utf-8",
        "x-ratelimit-left": "3",
        "content-length": str(len(reply)),
        "x-router-account": "up",
        "x-router-model": "real-up",
        "x-router-lane": "direct",
        "x-router-attempts": "1",
    }


@pytest.mark.parametrize("wire", GENERATING)
async def test_a_stream(stage: Stage, wire: Wire):
    """The same bytes in the same order, to the last."""
    chunks = [b": hello\n\n", b'data: {"text": "h\xc3', b'\xa9"}\r\n\r\nda', b"ta: x\n", b"\n" + ENDED[wire]]
    async with scripted_upstream(stream(*chunks)) as up:
        stage.direct(up.port)
        got = await stage.ask(wire, body_for(stream=True))

    assert (got.status, got.header("content-type"), got.body) == (200, "text/event-stream", b"".join(chunks))


@pytest.mark.parametrize("wire", GENERATING)
async def test_a_stream_is_not_buffered(stage: Stage, wire: Wire):
    """Each event reaches the client before the upstream sends the next."""
    released: asyncio.Queue[bytes] = asyncio.Queue()

    async def play(line: Line, received: Message) -> None:
        await begin_stream(line)
        while event := await released.get():
            await send_chunk(line, event)
        await line.write(b"0\r\n\r\n")

    async with scripted_upstream(play) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            await line.write(request("POST", PATHS[wire], body_for(stream=True), [KEY]))
            for number in range(5):
                event = f"data: {number}\n\n".encode() if number else BEGUN[wire]
                released.put_nowait(event)
                if number == 0:
                    assert (await line.head()).status == 200
                assert await line.chunk() == event
            released.put_nowait(ENDED[wire])
            assert await line.chunk() == ENDED[wire]
            released.put_nowait(b"")
            assert await line.chunk() == b""


@given(
    members=st.dictionaries(
        st.text(max_size=8).filter(lambda name: name not in {"model", "stream"}), VALUES, max_size=4
    ),
    reply=st.binary(min_size=1, max_size=200),
    ascii_only=st.booleans(),
    wire=st.sampled_from(list(Wire)),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_pass_unchanged(stage: Stage, members: dict[str, object], reply: bytes, ascii_only: bool, wire: Wire):
    """Any body arrives as it was but for the model; any answer comes back as it was."""
    before = json.dumps(members, ensure_ascii=ascii_only, indent=1)[:-1].rstrip()
    comma = "," if members else ""
    head, tail = f'{before}{comma}\n "model" :\t', ' , "n" : 1.50 }'
    sent, expected = (f"{head}{json.dumps(name)}{tail}".encode() for name in ("m", "real-up"))

    async def once() -> tuple[Message, Message]:
        async with scripted_upstream(answer(200, reply)) as up:
            stage.direct(up.port)
            got = await stage.ask(wire, sent)
            return up.received[0], got

    received, got = asyncio.run(once())
    assert received.body == expected
    assert got.body == reply


@pytest.mark.parametrize("streams", [False, True])
async def test_a_client_that_goes_away_cancels_its_upstream(stage: Stage, streams: bool):
    """The upstream's connection ends when the client's does, before and during an answer."""
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def play(line: Line, received: Message) -> None:
        if streams:
            await begin_stream(line, BEGUN[Wire.CHAT])
        asked.set()
        await line.gone()
        cancelled.set()

    async with scripted_upstream(play) as up, asyncio.timeout(10):
        stage.direct(up.port)
        line = await Line.to(stage.port)
        await line.write(request("POST", PATHS[Wire.CHAT], body_for(stream=streams), [KEY]))
        await asked.wait()
        if streams:
            await line.head()
            assert await line.chunk() == BEGUN[Wire.CHAT]
        line.cut()
        await cancelled.wait()
        await stage.becomes_idle()


async def test_connections_to_an_upstream_are_used_again(stage: Stage):
    """Plain answers, streams and errors read whole all leave a connection that serves the next request."""
    error = answer(400, b'{"error":{"message":"no"}}')
    async with scripted_upstream(answer(200, b"{}"), stream(ENDED[Wire.CHAT]), error, answer(200, b"{}")) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            statuses = [
                (await line.ask("POST", PATHS[Wire.CHAT], body_for(), [KEY])).status,
                (await line.ask("POST", PATHS[Wire.CHAT], body_for(stream=True), [KEY])).status,
                (await line.ask("POST", PATHS[Wire.CHAT], body_for(), [KEY])).status,
                (await line.ask("POST", PATHS[Wire.CHAT], body_for(), [KEY])).status,
            ]

    assert statuses == [200, 200, 400, 200]
    assert up.connections == 1


async def test_pipelined_requests(stage: Stage):
    """Requests sent without waiting are answered in order."""
    answers = [answer(200, json.dumps({"n": number}).encode()) for number in range(3)]
    async with scripted_upstream(*answers) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            one = request("POST", PATHS[Wire.CHAT], body_for(), [KEY])
            await line.write(one * 3)
            got = [(await line.message()).json() for _ in range(3)]

    assert got == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_expect_continue(stage: Stage):
    """A client that asks first is told to go on, and its question is not passed on."""
    async with scripted_upstream(answer(200, b"{}")) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            body = body_for()
            head = request("POST", PATHS[Wire.CHAT], body, [KEY, ("expect", "100-continue")])[: -len(body)]
            await line.write(head)
            assert (await line.head()).status == 100
            await line.write(body)
            assert (await line.message()).status == 200

    assert up.received[0].header("expect") is None


async def test_a_chunked_body(stage: Stage):
    """A body of unknown length arrives whole."""
    body = body_for(messages=["x" * 1000])
    async with scripted_upstream(answer(200, b"{}")) as up:
        stage.direct(up.port)
        async with line_to(stage.port) as line:
            await line.write(request("POST", PATHS[Wire.CHAT], b"", [KEY, ("transfer-encoding", "chunked")]))
            for start in range(0, len(body), 100):
                await send_chunk(line, body[start : start + 100])
            await line.write(b"0\r\n\r\n")
            assert (await line.message()).status == 200

    assert up.received[0].body == body.replace(b'"m"', b'"real-up"')


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("x-日本", "x-%E6%97%A5%E6%9C%AC"),
        ("x-a\r\nset-cookie: evil=1", "x-a%0D%0Aset-cookie: evil=1"),
        ("x-\ud800", "x-?"),
        ("x-" + "y" * 100_000, "x-" + "y" * 198),
    ],
    ids=["unicode", "line-break", "surrogate", "long"],
)
async def test_odd_model_names(stage: Stage, asked: str, shown: str):
    """A name that a glob takes in goes to the upstream as it is, and never breaks the answer's head."""
    async with scripted_upstream(answer(200, b"{}")) as up:
        stage.direct(up.port, models={"x-*": ("up/*",)})
        got = await stage.ask(body=json.dumps({"model": asked}).encode())

    assert (got.status, got.header("x-router-model"), got.header("set-cookie")) == (200, shown, None)
    assert json.loads(up.received[0].body) == {"model": asked}


async def test_headers_of_one_hop_and_credentials_stay(stage: Stage):
    """Neither the client's key nor what it says of its own connection reaches an upstream, nor the other way."""
    theirs = [
        ("content-type", "application/json"),
        ("connection", "keep-alive, x-their-hop"),
        ("x-their-hop", "1"),
        ("x-kept", "1"),
    ]
    ours = [
        ("x-api-key", CLIENT_KEY),
        ("cookie", "c=1"),
        ("connection", "x-our-hop"),
        ("x-our-hop", "1"),
        ("te", "gzip"),
    ]
    async with scripted_upstream(answer(200, b"{}", theirs)) as up:
        stage.direct(up.port)
        got = await stage.ask(headers=ours)

    assert CLIENT_KEY not in str(up.received[0].headers)
    assert {"cookie", "connection", "x-our-hop", "te", "x-api-key"}.isdisjoint(dict(up.received[0].headers))
    assert (got.header("x-their-hop"), got.header("x-kept")) == (None, "1")


async def test_an_anthropic_upstream(stage: Stage):
    """Its key travels in its own header, and the client's version is kept."""
    async with scripted_upstream(answer(200, b"{}")) as up:
        stage.configure({"up": upstream("up", up.url, Wire.MESSAGES, kind="anthropic")})
        await stage.ask(Wire.MESSAGES, headers=[("anthropic-version", "2024-01-01")])
        await stage.ask(Wire.MESSAGES, path="/v1/messages/count_tokens")

    first, second = up.received
    assert (first.header("x-api-key"), first.header("authorization")) == (UPSTREAM_KEY, None)
    assert (first.header("anthropic-version"), second.header("anthropic-version")) == ("2024-01-01", "2023-06-01")
    assert second.target == "/v1/messages/count_tokens"


async def test_a_large_plain_answer(stage: Stage):
    """An answer too large to be held is passed on as it comes."""
    reply = json.dumps({"x": "y" * (9 * 1024 * 1024)}).encode()
    async with scripted_upstream(answer(200, reply)) as up:
        stage.direct(up.port)
        got = await stage.ask()

    assert got.body == reply


async def test_compressed_answers_pass(stage: Stage):
    """An upstream that compresses unasked is not unpacked."""
    headers = [("content-type", "text/event-stream"), ("content-encoding", "gzip")]
    async with scripted_upstream(answer(200, b"\x1f\x8b not really", headers)) as up:
        stage.direct(up.port)
        got = await stage.ask()

    assert (got.header("content-encoding"), got.body) == ("gzip", b"\x1f\x8b not really")
