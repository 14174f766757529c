"""Clients that mean harm: heads without end, bodies that stop, hosts in disguise, and many connections at once."""

import asyncio
import json
from pathlib import Path

import pytest
from support.rawhttp import Line, answer, line_to, request, scripted_upstream
from support.stage import CLIENT_KEY, PATHS, Stage, body_for, upstream

from llm_router.gateway.http_door import MOST_HEAD_BYTES
from llm_router.routing.plan import Timeouts, Wire

KEY = ("authorization", f"Bearer {CLIENT_KEY}")
MANY = 500


def resident(stage: Stage) -> int:
    """KiB of memory that the gateway holds."""
    status = Path(f"/proc/{stage.gateway.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


async def pour(line: Line, piece: bytes, times: int) -> bytes:
    """Write until the other side has enough; what it said."""
    try:
        for _ in range(times):
            await line.write(piece)
        return await line.end()
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "begin",
    [b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "],
    ids=["lines", "one line"],
)
async def test_a_head_without_end(stage: Stage, begin: bytes):
    """Header lines, or one of them, that never end are cut off with a 431 before they fill the memory."""
    before = resident(stage)
    piece = b"x-a: " + b"b" * 1000 + b"\r\n" if begin.endswith(b"\n") else b"b" * 1000
    async with line_to(stage.port) as line:
        await line.write(begin)
        said = await pour(line, piece, 40_000)

    assert said == b"" or said.startswith(b"HTTP/1.1 431 ")
    assert resident(stage) - before < 16 * 1024


async def test_a_trailer_without_end(stage: Stage):
    """What follows a chunked body is bounded too."""
    head = [KEY, ("transfer-encoding", "chunked")]
    before = resident(stage)
    async with line_to(stage.port) as line:
        await line.write(request("POST", PATHS[Wire.CHAT], b"", head) + b"1\r\n{\r\n0\r\n")
        await pour(line, b"x-a: " + b"b" * 1000 + b"\r\n", 40_000)
    assert resident(stage) - before < 16 * 1024


async def test_a_large_head_is_served(stage: Stage):
    """The bound is far above what clients send."""
    async with line_to(stage.port) as line:
        got = await line.ask("GET", "/v1/models", headers=[KEY, ("x-large", "a" * (MOST_HEAD_BYTES // 2))])
    assert got.status == 200


async def test_a_body_that_stops(stage: Stage):
    """A client that announces a body and falls silent is told 408 in its own format, and cut off."""
    stage.configure({}, timeouts=Timeouts(connect=2, first_byte=5, idle=0.3, translator=5))
    async with line_to(stage.port) as line:
        head = [KEY, ("anthropic-version", "2023-06-01"), ("content-length", "1000")]
        await line.write(request("POST", PATHS[Wire.MESSAGES], b"", head) + b'{"model"')
        got = await line.message()
        await line.gone()

    assert (got.status, got.json()["error"]["type"]) == (408, "api_error")


async def test_a_body_that_drips(stage: Stage):
    """A byte now and then does not hold a place for ever: each buys a thousandth of a second."""
    stage.configure({}, timeouts=Timeouts(connect=2, first_byte=5, idle=0.3, translator=5))
    drops = 0
    async with line_to(stage.port) as line:
        await line.write(request("POST", PATHS[Wire.CHAT], b"", [KEY, ("content-length", "1000000")]))
        answered = asyncio.ensure_future(line.head())
        while not answered.done():
            await line.write(b" ")
            drops += 1
            await asyncio.wait({answered}, timeout=0.05)
        assert answered.result().status == 408
    assert drops < 60


@pytest.mark.parametrize("host", ["[localhost]evil.example", "[::1]evil.example", "[::1]:evil", "[localhost]", "[::1"])
async def test_a_host_in_brackets_that_is_not_ours(stage: Stage, host: str):
    """Brackets hold an address and nothing but a port follows them."""
    async with line_to(stage.port) as line:
        got = await line.ask("GET", "/v1/models", headers=[KEY, ("host", host)])
    assert (got.status, got.json()["error"]["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../healthz",
        "/healthz/../v1/models",
        "//v1/models",
        "/%76%31/models",
        "/v1/models%00",
        "/v1/models/",
        "/%75pstream/up.chat/v1/chat/completions",
        "http://evil.example/v1/models",
        "/upstream/../v1/models",
        "/upstream/",
    ],
)
async def test_no_path_leads_past_the_key(stage: Stage, path: str):
    """However a path is written, nothing behind it answers without a key."""
    async with line_to(stage.port) as line:
        assert (await line.ask("GET", path)).status == 401


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"POST /v1/models HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer\r\n client-key-1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization : Bearer client-key-1\r\n\r\n",
        b"GET /v1/\x00models HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ],
    ids=["two lengths", "lengths that differ", "odd coding", "folded", "space before colon", "zero"],
)
async def test_requests_that_two_servers_would_read_differently(stage: Stage, raw: bytes):
    """None is guessed at."""
    async with line_to(stage.port) as line:
        await line.write(raw)
        assert (await line.head()).status == 400


@pytest.mark.parametrize("twice", ["host", "authorization"])
async def test_a_header_sent_twice_is_not_the_first_of_them(stage: Stage, twice: str):
    """Neither a second Host nor a second key opens the door."""
    right = {"host": "localhost", "authorization": f"Bearer {CLIENT_KEY}"}
    wrong = {"host": "evil.example", "authorization": "Bearer wrong"}
    for first, second in ((right, wrong), (wrong, right)):
        async with line_to(stage.port) as line:
            rest = [pair for pair in right.items() if pair[0] != twice]
            got = await line.ask("GET", "/v1/models", headers=[*rest, (twice, first[twice]), (twice, second[twice])])
        assert got.status in {401, 403}


async def test_many_idle_connections_starve_nobody(stage: Stage):
    """Connections that say nothing cost little, and a request between them is answered."""
    before = resident(stage)
    lines = await asyncio.gather(*(Line.to(stage.port) for _ in range(MANY)))
    try:
        async with scripted_upstream(answer(200, b'{"choices":[]}')) as up:
            stage.configure({"up": upstream("up", up.url)})
            assert (await stage.ask()).status == 200
        assert resident(stage) - before < MANY * 64
    finally:
        for line in lines:
            line.cut()


async def test_a_name_with_a_terminal_s_commands_in_it(stage: Stage):
    """What a client calls a model reaches neither a header line of its own nor a terminal as it is."""
    name = "m\x1b]0;gone\x07\r\nx-evil: 1"
    got = await stage.ask(body=json.dumps({"model": name}).encode())

    assert got.status == 404
    assert got.header("x-evil") is None
    assert b"\x1b" not in got.body
    assert (await stage.ask(body=body_for())).status == 404
