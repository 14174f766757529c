"""Streams in whole events, whatever the network made of them."""

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.wire.formats import Wire
from llm_router.wire.sse import LARGEST_EVENT, EventStream, has_terminal

ENDS = {
    Wire.CHAT: [
        b"data: [DONE]",
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}',
        b'data: {"error": {"message": "no"}}',
    ],
    Wire.RESPONSES: [
        b'event: response.completed\ndata: {"type":"response.completed"}',
        b'data: {"type": "response.failed"}',
        b'data: {"type":"response.incomplete"}',
        b'event: error\ndata: {"type":"error"}',
    ],
    Wire.MESSAGES: [
        b'event: message_stop\ndata: {"type":"message_stop"}',
        b'event: error\ndata: {"type":"error","error":{}}',
    ],
}
EVENTS = st.sampled_from(
    [
        b'data: {"choices":[{"delta":{"content":"h\\n\\n"},"finish_reason":null}]}',
        b": ping",
        "data: é日本".encode(),
        b"event: x\ndata: 1\ndata: 2",
        b'data: {"text":"[DONE] \\"type\\":\\"message_stop\\" \\"finish_reason\\":\\"stop\\""}',
    ]
)
BREAKS = st.sampled_from([b"\n", b"\r\n"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Events with their blank lines, and the same bytes cut anywhere."""
    line_end = draw(BREAKS)
    events = [event.replace(b"\n", line_end) + 2 * line_end for event in draw(st.lists(EVENTS, min_size=1, max_size=6))]
    whole = b"".join(events)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    edges = [0, *cuts, len(whole)]
    return events, [whole[start:end] for start, end in itertools.pairwise(edges)]


@given(streams())
def test_any_split_comes_out_in_whole_events(given_stream: tuple[list[bytes], list[bytes]]):
    """The same bytes in the same order, and at no time half an event."""
    events, chunks = given_stream
    edges = {sum(len(event) for event in events[:count]) for count in range(len(events) + 1)}
    stream, sent, arrived = EventStream(Wire.CHAT), b"", 0
    for chunk in chunks:
        arrived += len(chunk)
        sent += stream.feed(chunk)
        assert len(sent) == max(edge for edge in edges if edge <= arrived)

    assert b"".join(events) == sent + stream.rest()
    assert not stream.finished


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("wire", "end"), [(wire, end) for wire, ends in ENDS.items() for end in ends])
def test_the_end_is_seen_at_any_split(wire: Wire, end: bytes, line_end: bytes):
    """The terminal event is recognised wherever the network cut it."""
    whole = b"data: {}" + 2 * line_end + end.replace(b"\n", line_end) + 2 * line_end
    for cut in range(len(whole)):
        stream = EventStream(wire)
        assert whole == stream.feed(whole[:cut]) + stream.feed(whole[cut:])
        assert stream.finished


def test_the_end_without_its_blank_line():
    """A last word that lacks its blank line still ends the stream in good order."""
    stream = EventStream(Wire.CHAT)

    assert stream.feed(b"data: [DONE]") == b""
    assert (stream.rest(), stream.finished) == (b"data: [DONE]", True)


def test_half_an_event_at_the_end_is_dropped():
    """What no client could read does not stand in the way of the error event that follows."""
    stream = EventStream(Wire.MESSAGES)

    assert stream.feed(b'data: 1\n\ndata: {"type":"content_bl') == b"data: 1\n\n"
    assert (stream.rest(), stream.finished) == (b"", False)


def test_words_of_an_answer_do_not_end_it():
    """An answer that talks about terminal events is not one."""
    words = 'data: [DONE]\n\nevent: message_stop "type":"error" "finish_reason": "stop"'
    quoted = f"data: {json.dumps({'text': words})}\n\n".encode()
    for wire in ENDS:
        stream = EventStream(wire)
        stream.feed(quoted)
        assert not stream.finished


def test_an_event_of_8_mib_in_small_pieces_is_quick():
    """A large event is held whole, at a cost that does not grow with the square of its size."""
    event = b"data: " + b"x" * (LARGEST_EVENT - 100) + b"\n\n"
    stream, sent, before = EventStream(Wire.CHAT), b"", time.process_time()
    for start in range(0, len(event), 16 * 1024):
        sent += stream.feed(event[start : start + 16 * 1024])

    assert event == sent
    assert time.process_time() - before < 0.5


def test_a_larger_event_passes_in_pieces():
    """Memory is bounded: an event that does not end is passed on."""
    stream = EventStream(Wire.CHAT)
    piece = b"x" * (LARGEST_EVENT // 2)

    assert [b"", b"", 3 * piece] == [stream.feed(piece) for _ in range(3)]
    assert piece + b"\n\n" == stream.feed(piece + b"\n\n")


def test_wires_with_a_promised_end():
    """Embeddings have no stream format."""
    assert [wire for wire in Wire if has_terminal(wire)] == [Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES]
