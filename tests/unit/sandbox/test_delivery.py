"""What a fault does to an answer, and how an answer is sent."""

import asyncio

import pytest

from llm_router.sandbox.delivery import BROKEN_LINE, EVENTS, JSON, Delivery, Outcome, plain, send_out, stream, struck
from llm_router.sandbox.faults import Fault, parse

STREAM = stream([b"a", b"b", b"c"])
PLAIN = plain(200, b"abcdef")


@pytest.mark.parametrize(
    ("answer", "spec", "chunks", "length", "finished"),
    [
        (STREAM, "", (b"a", b"b", b"c"), None, True),
        (STREAM, "cut_after=2", (b"a", b"b"), None, False),
        (STREAM, "cut_after=9", (b"a", b"b", b"c"), None, False),
        (STREAM, "malformed", (b"a", BROKEN_LINE, b"b", b"c"), None, True),
        (STREAM, "malformed,cut_after=2", (b"a", BROKEN_LINE), None, False),
        (STREAM, "empty", (), 0, True),
        (PLAIN, "cut_after=1", (b"abc",), 6, False),
        (PLAIN, "cut_after=0", (), 6, False),
        (PLAIN, "malformed", (b"abc",), 3, True),
        (PLAIN, "empty", (), 0, True),
    ],
)
def test_a_struck_answer(answer: Delivery, spec: str, chunks, length, finished):
    """Each fault changes the chunks, the announced length or the end."""
    changed = struck(answer, parse(spec))

    assert (changed.chunks, changed.length, changed.finished) == (chunks, length, finished)
    assert changed.content_type == answer.content_type


def test_delays_and_retry_after():
    """Delays are carried along; `Retry-After` is a header."""
    changed = struck(PLAIN, Fault(retry_after="7", headers_delay=1.0, first_byte_delay=2.0, token_delay=3.0))

    assert (changed.headers_delay, changed.first_byte_delay, changed.token_delay) == (1.0, 2.0, 3.0)
    assert changed.headers == ((b"retry-after", b"7"),)
    assert (changed.is_slow, PLAIN.is_slow) == (True, False)


async def sent(answer: Delivery, gone: asyncio.Event):
    messages = []

    async def send(message):
        messages.append(message)

    return await send_out(answer, send, gone), messages


async def test_chunks_stay_chunks():
    """Every chunk is a message of its own, the end another."""
    result, messages = await sent(STREAM, asyncio.Event())

    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", EVENTS), (b"cache-control", b"no-cache")],
    }
    chunks = [{"type": "http.response.body", "body": body, "more_body": True} for body in (b"a", b"b", b"c")]
    assert result == (Outcome.COMPLETED, 3)
    assert messages == [start, *chunks, {"type": "http.response.body", "body": b"", "more_body": False}]


async def test_a_cut_answer_has_no_end():
    """The announced length stays, the rest never comes."""
    result, messages = await sent(struck(PLAIN, Fault(cut_after=1)), asyncio.Event())

    assert result == (Outcome.CUT, 1)
    assert messages[0]["headers"] == [(b"content-type", JSON), (b"content-length", b"6")]
    assert messages[1:] == [{"type": "http.response.body", "body": b"abc", "more_body": True}]


@pytest.mark.parametrize(
    ("spec", "count"), [("headers_delay=60", 0), ("first_byte_delay=60", 1), ("token_delay=60", 2)]
)
async def test_a_client_that_goes_away_ends_a_wait(spec: str, count: int):
    """No delay is waited out for nobody."""
    gone = asyncio.Event()
    messages = []

    async def send(message):
        messages.append(message)
        if len(messages) == count:
            gone.set()

    if not count:
        gone.set()
    outcome, chunks = await send_out(struck(STREAM, parse(spec)), send, gone)

    assert (outcome, chunks, len(messages)) == (Outcome.CANCELLED, max(0, count - 1), count)


async def test_delays_are_waited_for():
    """A short delay passes, and the answer is whole."""
    result, _ = await sent(struck(STREAM, parse("headers_delay=0.001,token_delay=0.001")), asyncio.Event())

    assert result == (Outcome.COMPLETED, 3)
