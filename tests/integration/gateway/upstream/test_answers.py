"""Answers as the seam to upstreams reads them, whatever a server plays."""

import asyncio

import pytest
from support.scripted import OK, Visit, answers, answers_and_closes, left, pass_time, scripted
from support.upstream_calls import CHUNKED, QUICK, call, failure_of, post

from llm_router.gateway.upstream import Reason, UpstreamClient


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
        (CHUNKED + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 200, b"hello world"),
        (CHUNKED + b"5;ext=1\r\nhello\r\n0\r\nX-Trailer: 1\r\nX-Other: 2\r\n\r\n", 200, b"hello"),
        (CHUNKED + b"0000A\r\n0123456789\r\n0\r\n\r\n", 200, b"0123456789"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
        (b"HTTP/1.1 307 Moved\r\nLocation: /b\r\nContent-Length: 1\r\n\r\nx", 307, b"x"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhi", 200, b"hi"),
        (b"HTTP/1.1 529 \r\nContent-Length: 2\r\n\r\nno", 529, b"no"),
    ],
)
async def test_framing(client: UpstreamClient, answer: bytes, status: int, body: bytes):
    """Every way to say where an answer ends is understood, wherever its bytes are cut."""
    async with scripted(answers_and_closes(answer)) as server:
        assert (status, body) == await call(client, post(server.url))


async def test_chunk_boundaries_at_every_byte(client: UpstreamClient):
    """An answer that arrives byte by byte is the same answer, head and body."""
    answer = CHUNKED + b"5\r\nhello\r\n1\r\n \r\n5;a=b\r\nworld\r\n0\r\nT: 1\r\n\r\n"

    async def drip(visit: Visit) -> None:
        for _ in range(3):
            await visit.request()
            for byte in answer:
                await visit.say(bytes([byte]))
                await pass_time(0)
        await visit.gone()

    async with scripted(drip) as server:
        for _ in range(3):
            assert await call(client, post(server.url)) == (200, b"hello world")

    assert server.connections == 1


async def test_split_in_two_at_every_byte(client: UpstreamClient):
    """Wherever an answer is cut in two, it is the same answer."""
    answer = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    cuts = iter(range(1, len(answer)))

    async def cut_in_two(visit: Visit) -> None:
        while True:
            await visit.request()
            cut = next(cuts)
            await visit.say(answer[:cut])
            await pass_time(0.001)
            await visit.say(answer[cut:])

    async with scripted(cut_in_two) as server:
        for _ in range(1, len(answer)):
            assert await call(client, post(server.url)) == (200, b"abc")


async def test_headers_of_an_answer(client: UpstreamClient):
    """Names come in small letters, values as they were, repeats and order kept."""
    answer = (
        b"HTTP/1.1 200 OK\r\nX-B: One\r\nSet-Cookie: a\r\nset-cookie: b\r\nX-L: caf\xe9\r\nContent-Length: 0\r\n\r\n"
    )
    async with scripted(answers(answer)) as server:
        reply = await client.send(post(server.url), QUICK)
        reply.close()

    expected = [("x-b", "One"), ("set-cookie", "a"), ("set-cookie", "b"), ("x-l", "caf\xe9"), ("content-length", "0")]
    assert expected == reply.headers
    assert (
        reply.header("x-b"), reply.header("set-cookie"), reply.header("x-none"), reply.is_stream,
    ) == ("One", "a", "", False)  # fmt: skip


async def test_compressed_bodies_pass_as_they_are(client: UpstreamClient):
    """The gateway does not unpack what it passes on."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with scripted(answers(answer)) as server:
        assert await call(client, post(server.url)) == (200, b"\x1f\x8b\x08\x00")


async def test_no_cookies_are_kept(client: UpstreamClient):
    """What one answer sets, the next request does not carry."""
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with scripted(answers(answer, answer)) as server:
        for _ in range(2):
            await call(client, post(server.url))

    assert not [line for seen in server.requests for line in seen.lines if line.lower().startswith("cookie")]


async def test_head_has_no_body(client: UpstreamClient):
    """The length that a HEAD's answer tells is not waited for, and the connection goes on."""
    announced = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    async with scripted(answers(announced, OK)) as server:
        assert await call(client, post(server.url, b"", method="HEAD")) == (200, b"")
        assert await call(client, post(server.url)) == (200, b"{}")

    assert [seen.connection for seen in server.requests] == [0, 0]


async def test_stream_arrives_as_it_comes(client: UpstreamClient):
    """Each part can be read before the next has been sent."""
    go_on = asyncio.Event()

    async def stream(visit: Visit) -> None:
        await visit.request()
        await visit.say(CHUNKED + b"3\r\none\r\n")
        for part in (b"two", b"six"):
            await go_on.wait()
            go_on.clear()
            await visit.say(b"3\r\n" + part + b"\r\n")
        await visit.say(b"0\r\n\r\n")
        await visit.gone()

    async with scripted(stream) as server:
        reply = await client.send(post(server.url), QUICK)
        assert reply.is_stream
        assert await reply.read(first=True) == b"one"
        go_on.set()
        assert await reply.read() == b"two"
        go_on.set()
        assert await reply.read() == b"six"
        assert [await reply.read(), await reply.read()] == [b"", b""]
        reply.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 70_000,
        b"HTTP/1.1 200 " + b"O" * 70_000,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" * 1000,
        b"HTTP/1.1 103 Hints\r\nx: y\r\n\r\n" * 5000,
    ],
)
async def test_answer_that_is_not_http(client: UpstreamClient, answer: bytes):
    """Bytes that are no answer, or one beyond all bounds, fail the call and end the connection."""
    async with scripted(answers(answer)) as server:
        assert await failure_of(client, post(server.url)) == (Reason.PROTOCOL, b"")
        await left(server)


@pytest.mark.parametrize(
    ("rest", "got"),
    [
        (b"zz\r\nhello\r\n", b""),
        (b"5\r\nhello\r\n-1\r\n", b"hello"),
        (b"5\r\nhello\r\nfffffffffffffffff\r\n", b"hello"),
        (b"5\r\nhelloXX\r\n", b"hello"),
        (b"5;" + b"x" * 200_000, b""),
        (b"5\r\nhello\r\n0\r\n" + b"T: " + b"x" * 200_000, b"hello"),
    ],
)
async def test_broken_chunks(client: UpstreamClient, rest: bytes, got: bytes):
    """A body whose chunks cannot be is cut off where the fault stands."""
    async with scripted(answers(CHUNKED + rest)) as server:
        assert (Reason.PROTOCOL, got) == await failure_of(client, post(server.url))
        await left(server)


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nContent-", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", b"hello"),
        (CHUNKED + b"5\r\nhello\r\n", b"hello"),
        (CHUNKED + b"9\r\nhello", b"hello"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b""),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
async def test_answer_that_breaks_off(client: UpstreamClient, answer: bytes, got: bytes, reset: bool):
    """An upstream that hangs up too soon, in order or not, is never taken for one that has finished."""
    read = asyncio.Event()

    async def break_off(visit: Visit) -> None:
        await visit.request()
        await visit.say(answer)
        if reset:
            await read.wait()
            visit.cut()

    async with scripted(break_off) as server:
        calling = asyncio.ensure_future(failure_of(client, post(server.url)))
        await server.asked.wait()
        await pass_time(0.02)
        read.set()
        assert (Reason.BROKEN, got) == await calling

    assert server.connections == 1


async def test_half_closed_upstream(client: UpstreamClient):
    """An upstream that only ends its own side has ended its answer; its connection is not used again."""

    async def half_close(visit: Visit) -> None:
        await visit.request()
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\nhello")
        visit.writer.write_eof()
        await visit.gone()

    async with scripted(half_close) as server:
        for _ in range(2):
            assert await call(client, post(server.url)) == (200, b"hello")

    assert server.connections == 2


@pytest.mark.parametrize("extra", [b"x", OK, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"])
async def test_bytes_behind_an_answer(client: UpstreamClient, extra: bytes):
    """More than was announced is never read as the answer to the next request."""
    async with scripted(answers(OK + extra)) as server:
        for _ in range(3):
            assert await call(client, post(server.url)) == (200, b"{}")

    assert [seen.connection for seen in server.requests] == [0, 1, 2]


async def test_bytes_on_an_idle_connection(client: UpstreamClient):
    """An answer that comes before its question closes the connection."""
    go_on = asyncio.Event()

    async def speak_up(visit: Visit) -> None:
        await visit.request()
        await visit.say(OK)
        if visit.number == 0:
            await go_on.wait()
            await visit.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        await visit.gone()

    async with scripted(speak_up) as server:
        assert await call(client, post(server.url)) == (200, b"{}")
        go_on.set()
        await left(server)
        assert await call(client, post(server.url)) == (200, b"{}")
