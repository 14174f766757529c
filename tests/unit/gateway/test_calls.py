"""The start of an answer: held until it proves itself, within bounds."""

import asyncio

import pytest
from support.answers import EVENTS, JSON, RememberingClient, WrittenClient, WrittenReply, run_of, snapshot
from support.stage import BEGUN, ENDED

from llm_router.gateway import calls
from llm_router.gateway.calls import LARGEST_HOLD, Opened, open_direct
from llm_router.gateway.upstream import Reason, UpstreamFailure
from llm_router.providers.endpoints import Operation
from llm_router.routing.plan import Upstream, Wire

GENERATING = (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)
UPSTREAM = Upstream("up", "openai", "http://127.0.0.1:9/v1", tuple(Wire))
START = b'data: {"type":"message_start"}\n\n'
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error"}}\n\n'


async def opened(reply: WrittenReply, wire: Wire = Wire.MESSAGES, operation: Operation = Operation.GENERATE) -> Opened:
    call = run_of(RememberingClient(), wire, operation).call
    return await open_direct(WrittenClient([reply]), snapshot(), UPSTREAM, call)  # type: ignore[arg-type]


async def never() -> bytes:
    return await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("wire", GENERATING)
async def test_the_start_is_held_until_output(wire: Wire):
    """Greetings alone are not passed on; with the first output all of it is."""
    reply = WrittenReply([b": ping\n\n", BEGUN[wire][:10], BEGUN[wire][10:], ENDED[wire]])
    held = await opened(reply, wire)

    assert (held.head, held.error, held.whole) == (b": ping\n\n" + BEGUN[wire], False, False)
    assert await held.read() == ENDED[wire]


async def test_an_error_in_place_of_output():
    """It is known before anything is passed on."""
    held = await opened(WrittenReply([START, ERROR]))

    assert (held.status, held.error, held.head) == (200, True, START + ERROR)


async def test_an_error_after_output_is_no_error_of_the_start():
    """Then it is too late."""
    held = await opened(WrittenReply([BEGUN[Wire.MESSAGES] + ERROR]))

    assert held.error is False


async def test_a_silent_stream_is_passed_on_in_the_end(monkeypatch: pytest.MonkeyPatch):
    """The hold is bounded in time, and the read that was under way is not lost."""
    monkeypatch.setattr(calls, "LONGEST_HOLD", 0.05)
    go_on = asyncio.Event()

    async def later() -> bytes:
        await go_on.wait()
        return BEGUN[Wire.MESSAGES]

    async with asyncio.timeout(5):
        held = await opened(WrittenReply([START, later, ENDED[Wire.MESSAGES]]))
        go_on.set()
        rest = [await held.read(), await held.read(), await held.read()]

    assert (held.head, rest) == (START, [BEGUN[Wire.MESSAGES], ENDED[Wire.MESSAGES], b""])


async def test_a_stream_that_greets_for_ever_is_passed_on():
    """The hold is bounded in bytes."""
    ping = b": " + b"x" * 1000 + b"\n\n"
    held = await opened(WrittenReply([ping] * 200))

    assert LARGEST_HOLD <= len(held.head) < LARGEST_HOLD + len(ping)


@pytest.mark.parametrize("chunks", [[START], [b": ping\n\n"], [START, b'data: {"half']])
async def test_a_stream_that_ends_before_output(chunks: list[bytes]):
    """It never was an answer, so somebody else may be asked."""
    reply = WrittenReply(list(chunks))
    with pytest.raises(UpstreamFailure) as caught:
        await opened(reply)

    assert (caught.value.reason, reply.closed) == (Reason.BROKEN, 1)


async def test_a_last_event_without_its_blank_line():
    """Output or error, it is read when the stream ends."""
    done = await opened(WrittenReply([b"data: [DONE]"]), Wire.CHAT)
    failed = await opened(WrittenReply([ERROR.rstrip()]))

    assert (done.error, failed.error) == (False, True)


async def test_a_stream_that_breaks_while_it_is_held():
    """As if it had never begun."""
    reply = WrittenReply([START, UpstreamFailure(Reason.IDLE_TIMEOUT, "slow")])
    with pytest.raises(UpstreamFailure):
        await opened(reply)

    assert reply.closed == 1


async def test_a_client_that_leaves_while_a_stream_is_held():
    """The upstream's connection is given up, and nothing goes on."""
    waiting = asyncio.Event()

    async def waits() -> bytes:
        waiting.set()
        return await never()

    reply = WrittenReply([START, waits])
    task = asyncio.create_task(opened(reply), name="open")
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert reply.closed == 1
    assert [held.get_name() for held in asyncio.all_tasks() if held is not asyncio.current_task()] == []


async def test_a_hold_that_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """The pending read ends with the answer, whether it had failed or not; closing twice is closing once."""
    monkeypatch.setattr(calls, "LONGEST_HOLD", 0.01)
    released = []
    held = (await opened(WrittenReply([START, never]))).holding(lambda: released.append(1))
    held.close()
    held.close()

    assert released == [1]


@pytest.mark.parametrize(
    "reply",
    [
        WrittenReply([START], headers=[*EVENTS, ("content-encoding", "gzip")]),
        WrittenReply([b"data: 1\n\n"]),
    ],
)
async def test_what_cannot_be_looked_into_is_not_held(reply: WrittenReply):
    """Compressed streams, and those of formats that have none."""
    wire = Wire.MESSAGES if reply.header("content-encoding") else Wire.EMBEDDINGS
    head = reply.chunks[0]

    assert (await opened(reply, wire)).head == head


@pytest.mark.parametrize("status", [301, 308, 600, 999])
async def test_statuses_that_are_no_answer(status: int):
    """Redirects and what HTTP does not have."""
    with pytest.raises(UpstreamFailure) as caught:
        await opened(WrittenReply([b"{}"], status, list(JSON)))

    assert caught.value.reason is Reason.PROTOCOL
