"""Connections to upstreams: kept, given up, waited for, and many at once."""

import asyncio
import socket

import pytest
from support.scripted import OK, Visit, answers, answers_always, answers_and_closes, left, pass_time, scripted
from support.upstream_calls import CHUNKED, IMPATIENT, QUICK, call, failure_of, post, whole

from llm_router.gateway.upstream import Reason, UpstreamClient, UpstreamFailure
from llm_router.routing.plan import Timeouts


async def test_connection_is_used_again(client: UpstreamClient):
    """One caller after another needs one connection."""
    async with scripted(answers_always(OK)) as server:
        for _ in range(20):
            assert await call(client, post(server.url)) == (200, b"{}")

    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_connection_that_is_to_close(client: UpstreamClient, answer: bytes):
    """A connection whose server says that it will close is not used again."""
    async with scripted(answers_always(answer)) as server:
        for _ in range(2):
            assert await call(client, post(server.url)) == (200, b"{}")

    assert [seen.connection for seen in server.requests] == [0, 1]


async def test_connection_closed_while_idle(client: UpstreamClient):
    """A connection that its server has closed is not handed out, known or not."""
    async with scripted(answers_and_closes(OK)) as server:
        for _ in range(10):
            assert await call(client, post(server.url)) == (200, b"{}")

    assert list(range(10)) == [seen.connection for seen in server.requests]


async def test_stale_connection_is_retried_once(client: UpstreamClient):
    """A reused connection that breaks before any byte of the answer costs nobody anything."""

    async def hang_up_on_the_second(visit: Visit) -> None:
        await visit.request()
        await visit.say(OK)
        await visit.request()

    async with scripted(hang_up_on_the_second) as server:
        for _ in range(2):
            assert await call(client, post(server.url, b"same")) == (200, b"{}")

    assert [(seen.connection, seen.body) for seen in server.requests] == [(0, b"same"), (0, b"same"), (1, b"same")]


@pytest.mark.parametrize("begun", [b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh"])
async def test_reused_connection_that_breaks_after_a_byte(client: UpstreamClient, begun: bytes):
    """Once an answer has begun, the request is never sent again."""

    async def break_off_the_second(visit: Visit) -> None:
        await visit.request()
        await visit.say(OK)
        await visit.request()
        await visit.say(begun)

    async with scripted(break_off_the_second) as server:
        assert await call(client, post(server.url)) == (200, b"{}")
        reason, _ = await failure_of(client, post(server.url))

    assert (reason, len(server.requests)) == (Reason.BROKEN, 2)


async def test_fresh_connection_that_breaks_is_not_retried(client: UpstreamClient):
    """Only a connection that had been idle may have been stale."""
    async with scripted(answers_and_closes(b"")) as server:
        assert await failure_of(client, post(server.url)) == (Reason.BROKEN, b"")

    assert len(server.requests) == 1


async def test_unused_connection_is_given_up():
    """What nobody uses for a while is closed before its server would, and never used after that."""
    client = UpstreamClient(idle_seconds=0.2)
    async with scripted(answers_always(OK)) as server:
        await call(client, post(server.url))
        await call(client, post(server.url))
        await left(server)
        await call(client, post(server.url))
        await client.close()

    assert [seen.connection for seen in server.requests] == [0, 0, 1]


async def test_connections_are_kept_apart_by_place(client: UpstreamClient):
    """What leads to one upstream is never used for another."""
    async with scripted(answers_always(OK)) as one, scripted(answers_always(OK)) as other:
        for _ in range(3):
            await call(client, post(one.url))
            await call(client, post(other.url))

    assert (one.connections, len(one.requests), other.connections, len(other.requests)) == (1, 3, 1, 3)


async def test_answer_given_up_ends_its_connection(client: UpstreamClient):
    """Closing a reply that has not ended hangs up on its upstream at once."""
    async with scripted(answers(CHUNKED + b"5\r\nhello\r\n")) as server:
        reply = await client.send(post(server.url), QUICK)
        assert await reply.read(first=True) == b"hello"
        reply.close()
        await left(server)
        with pytest.raises(UpstreamFailure) as caught:
            await reply.read()

    assert Reason.BROKEN is caught.value.reason


async def test_reply_may_be_closed_twice(client: UpstreamClient):
    """The second close does nothing to a connection that another call uses by then."""
    async with scripted(answers_always(OK)) as server:
        first = await client.send(post(server.url), QUICK)
        first.close()
        second = await client.send(post(server.url), QUICK)
        first.close()
        assert await whole(second) == b"{}"
        second.close()

    assert server.connections == 1


async def test_unread_body_is_not_the_next_answer(client: UpstreamClient):
    """A whole answer that nobody read does not stand before the next."""
    other = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"
    async with scripted(answers(OK, other)) as server:
        reply = await client.send(post(server.url), QUICK)
        reply.close()
        assert await call(client, post(server.url)) == (200, b"other")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED, CHUNKED + b"5\r\nhello\r\n"])
async def test_cancelled_call_hangs_up(client: UpstreamClient, answer: bytes):
    """Whoever cancels a call closes its connection, whatever it was waiting for."""
    async with scripted(answers(answer)) as server:
        calling = asyncio.ensure_future(call(client, post(server.url)))
        await server.asked.wait()
        await pass_time(0.02)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await left(server)


async def test_close_ends_everything():
    """A closed client holds no connection, idle or in use."""
    client = UpstreamClient()
    async with scripted(answers(OK, CHUNKED)) as server:
        await call(client, post(server.url))
        reply = await client.send(post(server.url), QUICK)
        await client.close()
        with pytest.raises(UpstreamFailure):
            await reply.read()
        reply.close()
        await left(server)


async def test_silent_upstream(client: UpstreamClient):
    """No answer in time."""
    async with scripted(answers(b"")) as server:
        assert await failure_of(client, post(server.url), IMPATIENT) == (Reason.FIRST_BYTE_TIMEOUT, b"")
        await left(server)


async def test_head_without_a_body_in_time(client: UpstreamClient):
    """The first byte of the body has the time of a first byte."""
    async with scripted(answers(CHUNKED)) as server:
        reply = await client.send(post(server.url), Timeouts(first_byte=0.2, idle=60))
        with pytest.raises(UpstreamFailure) as caught:
            await reply.read(first=True)
        reply.close()
        await left(server)

    assert Reason.FIRST_BYTE_TIMEOUT is caught.value.reason


async def test_stream_that_stalls(client: UpstreamClient):
    """Nothing for too long in the middle of an answer."""
    async with scripted(answers(CHUNKED + b"5\r\nhello\r\n")) as server:
        assert await failure_of(client, post(server.url), IMPATIENT) == (Reason.IDLE_TIMEOUT, b"hello")
        await left(server)


async def test_slow_drip_is_no_stall(client: UpstreamClient):
    """Time is counted from byte to byte: an answer may take longer than any one of them."""

    async def drip(visit: Visit) -> None:
        await visit.request()
        await visit.say(CHUNKED)
        for _ in range(8):
            await pass_time(0.05)
            await visit.say(b"1\r\nx\r\n")
        await visit.say(b"0\r\n\r\n")
        await visit.gone()

    async with scripted(drip) as server:
        assert await call(client, post(server.url), Timeouts(first_byte=0.2, idle=0.2)) == (200, b"x" * 8)


async def test_shorter_time_after_a_longer_one(client: UpstreamClient):
    """A connection that has waited for an hour's deadline heeds the next, shorter one."""
    async with scripted(answers(OK, b"")) as server:
        await call(client, post(server.url), Timeouts(first_byte=3600, idle=3600))
        assert await failure_of(client, post(server.url), IMPATIENT) == (Reason.FIRST_BYTE_TIMEOUT, b"")

    assert server.connections == 1


async def test_slow_reader_is_no_stall(client: UpstreamClient):
    """The time that a client of ours takes is not the upstream's."""
    async with scripted(answers(CHUNKED + b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")) as server:
        reply = await client.send(post(server.url), IMPATIENT)
        await pass_time(0.5)
        assert await whole(reply) == b"helloworld"
        reply.close()


async def test_no_connection_in_time(client: UpstreamClient):
    """A server that does not accept."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        try:
            for waiting in held:
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            sent = post(f"http://127.0.0.1:{port}/")
            assert await failure_of(client, sent, IMPATIENT) == (Reason.CONNECT_TIMEOUT, b"")
        finally:
            for waiting in held:
                waiting.close()


async def test_refused(client: UpstreamClient):
    """Nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        sent = post(f"http://127.0.0.1:{held.getsockname()[1]}/")
        with pytest.raises(UpstreamFailure) as caught:
            await client.send(sent, QUICK)

    assert Reason.CONNECT is caught.value.reason
    assert "refused" in caught.value.detail


async def test_unknown_name(client: UpstreamClient):
    """A name that stands for nothing."""
    assert await failure_of(client, post("http://nothing-here.invalid/"), Timeouts(connect=20)) == (Reason.DNS, b"")


async def test_hundreds_in_parallel(client: UpstreamClient):
    """Each caller gets the answer to its own question."""

    async def echo(visit: Visit) -> None:
        while True:
            seen = await visit.request()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(seen.body)}\r\n\r\n".encode()
            await visit.say(head)
            await pass_time(0)
            await visit.say(seen.body)

    async with scripted(echo) as server:
        for _ in range(2):
            bodies = [f"question {number}".encode() * (number % 50 + 1) for number in range(400)]
            got = await asyncio.gather(*(call(client, post(server.url, body), Timeouts()) for body in bodies))
            assert [(200, body) for body in bodies] == got

    assert server.connections <= 400


async def test_slow_reader_keeps_memory_flat(client: UpstreamClient):
    """An upstream is held back while its answer is not read; nothing is lost."""
    size = 24 * 2**20
    sent = 0

    async def pour(visit: Visit) -> None:
        nonlocal sent
        await visit.request()
        visit.writer.transport.set_write_buffer_limits(high=65536)
        await visit.say(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        while sent < size:
            await visit.say(b"x" * 65536)
            sent += 65536
        await visit.request()
        await visit.say(OK)

    async with scripted(pour) as server:
        reply = await client.send(post(server.url), QUICK)
        before = -1
        while sent != before:
            before = sent
            await pass_time(0.1)
        first = await reply.read(first=True)
        # The kernel's own buffers take some megabytes; what we hold is bounded.
        assert (before < size, len(first) <= 512 * 1024) == (True, True)
        total = len(first)
        while part := await reply.read():
            assert len(part) <= 512 * 1024
            total += len(part)
        reply.close()
        assert size == total
        assert await call(client, post(server.url)) == (200, b"{}")

    assert server.connections == 1
