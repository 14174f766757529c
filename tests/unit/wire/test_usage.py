"""Usage as each provider reports it: golden shapes, whole and streamed, and streams cut anywhere."""

import itertools
import json
import sys
import timeit
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_router.wire.formats import Wire
from llm_router.wire.sse import EventStream
from llm_router.wire.usage import MISSING, Source, Usage, UsageReader, estimate_tokens, settle_body, usage_of_body

OPENAI_CHAT = {
    "prompt_tokens": 1500,
    "completion_tokens": 320,
    "total_tokens": 1820,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0, "cache_write_tokens": 128},
    "completion_tokens_details": {"reasoning_tokens": 200, "audio_tokens": 0, "rejected_prediction_tokens": 0},
}
OPENAI_RESPONSES = {
    "input_tokens": 1500,
    "input_tokens_details": {"cached_tokens": 1024},
    "output_tokens": 320,
    "output_tokens_details": {"reasoning_tokens": 200},
    "total_tokens": 1820,
}
ANTHROPIC = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 90,
    "service_tier": "standard",
}
COPILOT = {
    "completion_tokens": 12,
    "completion_tokens_details": {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    "prompt_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 16},
    "reasoning_tokens": 5,
    "total_tokens": 52,
}
DEEPSEEK = {
    "prompt_tokens": 700,
    "completion_tokens": 50,
    "total_tokens": 750,
    "prompt_cache_hit_tokens": 640,
    "prompt_cache_miss_tokens": 60,
    "completion_tokens_details": {"reasoning_tokens": 30},
}
GEMINI = {"completion_tokens": 30, "prompt_tokens": 100, "total_tokens": 430}
GROK = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 430,
    "completion_tokens_details": {"reasoning_tokens": 300},
}
OPENROUTER = {
    "prompt_tokens": 194,
    "completion_tokens": 2,
    "total_tokens": 196,
    "cost": 0.95,
    "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 100, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "cost_details": {"upstream_inference_cost": 19},
}
# Claude behind LiteLLM's chat format: input includes the cache, and Anthropic's own members stand beside.
LITELLM = {
    "prompt_tokens": 2325,
    "completion_tokens": 90,
    "total_tokens": 2415,
    "prompt_tokens_details": {"cached_tokens": 2000, "cache_creation_tokens": 300, "text_tokens": 25},
    "completion_tokens_details": {"reasoning_tokens": 0, "text_tokens": 90},
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 2000,
}
# A relay that calls Anthropic's numbers OpenAI's: the input leaves the cache out.
EXCLUSIVE = {"prompt_tokens": 25, "completion_tokens": 90, "prompt_tokens_details": {"cached_tokens": 2000}}

PRIORITY = Usage(1500, 1024, 0, 320, 200, tier="priority")

GOLDEN = [
    ("openai chat", Wire.CHAT, OPENAI_CHAT, Usage(1500, 1024, 128, 320, 200)),
    ("openai responses", Wire.RESPONSES, OPENAI_RESPONSES, Usage(1500, 1024, 0, 320, 200)),
    ("anthropic", Wire.MESSAGES, ANTHROPIC, Usage(2325, 2000, 300, 90, 0, cache_write_hour=200)),
    ("copilot", Wire.CHAT, COPILOT, Usage(40, 16, 0, 12, 5)),
    ("deepseek", Wire.CHAT, DEEPSEEK, Usage(700, 640, 0, 50, 30)),
    ("gemini", Wire.CHAT, GEMINI, Usage(100, 0, 0, 330, 300)),
    ("grok", Wire.CHAT, GROK, Usage(100, 0, 0, 330, 300)),
    ("openrouter", Wire.CHAT, OPENROUTER, Usage(194, 10, 100, 2, 0)),
    ("litellm", Wire.CHAT, LITELLM, Usage(2325, 2000, 300, 90, 0)),
    ("exclusive", Wire.CHAT, EXCLUSIVE, Usage(2025, 2000, 0, 90, 0)),
    ("null details", Wire.CHAT, {**GEMINI, "total_tokens": 130, "prompt_tokens_details": None}, Usage(100, 0, 0, 30)),
    ("cache outside", Wire.CHAT, {**EXCLUSIVE, "prompt_tokens": 9000, "total_tokens": 11090}, Usage(9000, 2000, 0, 90)),
    ("embeddings", Wire.EMBEDDINGS, {"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
    ("priority", Wire.RESPONSES, {**OPENAI_RESPONSES, "service_tier": "priority"}, PRIORITY),
    ("fast", Wire.MESSAGES, {"input_tokens": 5, "output_tokens": 6, "speed": "fast"}, Usage(5, output=6, tier="fast")),
]


def whole(wire: Wire, report: Any) -> bytes:
    """A whole answer with this report."""
    said = {"choices": [{"message": {"role": "assistant", "content": 'he said "usage": {} and left'}}]}
    return json.dumps({"id": "x", **said, "usage": report}).encode()


def sse(*events: dict[str, Any], end: bytes = b"\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + end for event in events)


def streamed(wire: Wire, report: dict[str, Any]) -> bytes:
    """A stream with this report where its wire puts it."""
    if wire is Wire.MESSAGES:
        start = {**report, "output_tokens": 1}
        return sse(
            {"type": "message_start", "message": {"id": "m", "usage": start}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": report["output_tokens"] // 2}},
            {"type": "message_delta", "delta": {}, "usage": {"output_tokens": report["output_tokens"]}},
            {"type": "message_stop"},
        )
    if wire is Wire.RESPONSES:
        return sse(
            {"type": "response.created", "response": {"id": "r", "usage": None}},
            {"type": "response.output_text.delta", "delta": "hi"},
            {"type": "response.completed", "response": {"id": "r", "tools": [{"usage": {"a": 1}}], "usage": report}},
        )
    return (
        sse(
            {"choices": [{"delta": {"content": "hi"}}], "usage": None},
            {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": None},
            {"choices": [], "usage": report},
        )
        + b"data: [DONE]\n\n"
    )


def read(wire: Wire, stream: bytes, cuts: list[int] | None = None) -> UsageReader:
    """Feed a stream, cut at these places, through the gateway's own event cutter."""
    events, reader = EventStream(wire), UsageReader(wire)
    places = [0, *sorted(cuts or []), len(stream)]
    for start, end in itertools.pairwise(places):
        if ready := events.feed(stream[start:end]):
            reader.feed(ready)
    if rest := events.rest():
        reader.feed(rest)
    return reader


@pytest.mark.parametrize(("wire", "report", "expected"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_golden(wire: Wire, report: dict[str, Any], expected: Usage):
    """Every provider's report means the same, whole and streamed."""
    assert expected == usage_of_body(wire, whole(wire, report))
    if wire is not Wire.EMBEDDINGS:
        assert expected == read(wire, streamed(wire, report)).usage


@settings(deadline=None)
@given(st.data(), st.sampled_from([row[:3] for row in GOLDEN if row[1] is not Wire.EMBEDDINGS]))
def test_cut_anywhere(data: st.DataObject, golden: tuple[str, Wire, dict[str, Any]]):
    """How a stream arrives makes no difference to its usage."""
    _, wire, report = golden
    stream = streamed(wire, report)
    if data.draw(st.booleans()):
        stream = stream.replace(b"\n", b"\r\n")
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))

    assert read(wire, stream).settle(7) == read(wire, stream, cuts).settle(7)
    assert read(wire, stream, cuts).usage is not None


NUMBERS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=3)
MEMBERS = st.sampled_from(
    sorted({*OPENAI_CHAT, *OPENAI_RESPONSES, *ANTHROPIC, *DEEPSEEK, *LITELLM, *COPILOT, "cached_tokens"})
)
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "cache_write_tokens", "cache_creation_tokens", "reasoning_tokens"])
    | st.sampled_from(["thinking_tokens", "ephemeral_1h_input_tokens"]),
    NUMBERS,
)


@settings(deadline=None)
@given(st.sampled_from(list(Wire)), st.dictionaries(MEMBERS, NUMBERS | DETAILS | st.lists(NUMBERS, max_size=2)))
def test_never_negative(wire: Wire, report: dict[str, Any]):
    """Whatever an upstream writes, parts are never larger than the whole and nothing is negative."""
    usage = settle_body(wire, whole(wire, report), 3)

    assert 0 <= usage.cached + usage.cache_write <= usage.input < 2**63
    assert 0 <= usage.reasoning <= usage.output < 2**63
    assert 0 <= usage.cache_write_hour <= usage.cache_write


@pytest.mark.parametrize("report", [None, {}, [], "12", 5, {"prompt_tokens": 0, "completion_tokens": 0}, {"x": 1}])
def test_no_report(report: Any):
    """A report that says nothing is none, and the estimate says that it is one."""
    body = whole(Wire.CHAT, report)

    assert usage_of_body(Wire.CHAT, body) is None
    assert settle_body(Wire.CHAT, body, 40) == Usage(40, output=8, source=Source.ESTIMATED)


@pytest.mark.parametrize("body", [b"", b"no", b"[1]", b'"usage": {', b'{"usage": {"prompt_tokens": 5}', b"\xff"])
def test_no_json(body: bytes):
    """What cannot be read reports nothing."""
    assert usage_of_body(Wire.CHAT, body) is None


def test_a_tool_that_is_called_usage():
    """Only the answer's own usage counts, not a member of that name deeper down."""
    tool = {"type": "tool_use", "name": "report", "input": {"usage": {"input_tokens": 9999, "output_tokens": 9999}}}
    body = json.dumps({"usage": {"input_tokens": 5, "output_tokens": 6}, "content": [tool]}).encode()

    assert usage_of_body(Wire.MESSAGES, body) == Usage(5, output=6)


def test_usage_in_every_chunk():
    """Some providers report at every chunk; the last report counts, and an empty one after it does not."""
    stream = sse(
        {"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 1}},
        {"choices": [{"delta": {"content": "b"}}], "usage": {"prompt_tokens": 10, "completion_tokens": 2}},
        {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
    )

    assert read(Wire.CHAT, stream).usage == Usage(10, output=2)


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": [{"delta": {}, "usage": {"prompt_tokens": 10, "completion_tokens": 2}}]},
        {"choices": [], "usage": None, "x_groq": {"usage": {"prompt_tokens": 10, "completion_tokens": 2}}},
    ],
    ids=["kimi", "groq"],
)
def test_usage_in_odd_places(chunk: dict[str, Any]):
    """Kimi once put the report into the choice, Groq into an object of its own."""
    assert read(Wire.CHAT, sse(chunk)).usage == Usage(10, output=2)


@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.failed"])
def test_responses_end(kind: str):
    """Each of the three ends carries the usage."""
    stream = sse({"type": kind, "response": {"usage": OPENAI_RESPONSES, "service_tier": "flex"}})

    assert read(Wire.RESPONSES, stream).usage == Usage(1500, 1024, 0, 320, 200, tier="flex")


def test_message_delta_repeats_the_input():
    """A later report of the input counts; a zero or null in its place erases nothing."""
    stream = sse(
        {"type": "message_start", "message": {"usage": {"input_tokens": 10, "cache_read_input_tokens": 4}}},
        {"type": "message_delta", "usage": {"output_tokens": 3, "input_tokens": 0, "cache_read_input_tokens": None}},
        {"type": "message_delta", "usage": {"output_tokens": 9, "input_tokens": 30}},
    )

    assert read(Wire.MESSAGES, stream).usage == Usage(34, 4, 0, 9)


def test_an_answer_without_output():
    """Nothing that came out is a report too."""
    stream = sse(
        {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1}}},
        {"type": "message_delta", "usage": {"output_tokens": 0}},
    )

    assert read(Wire.MESSAGES, stream).usage == Usage(10)


def test_a_stream_that_breaks_off():
    """The input is as reported, the output is counted from the words that came."""
    stream = sse(
        {"type": "message_start", "message": {"usage": {**ANTHROPIC, "output_tokens": 1}}},
        {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "a" * 10}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '{"a": "中文"}'}},
    )
    reader = read(Wire.MESSAGES, stream)

    assert reader.usage is None
    assert reader.settle(1) == Usage(2325, 2000, 300, 9, 0, Source.ESTIMATED, cache_write_hour=200)


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        (Wire.CHAT, [{"choices": [{"delta": {"content": "x" * 10, "reasoning_content": "y" * 9}}]}]),
        (Wire.CHAT, [{"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "x" * 19}}]}}]}]),
        (Wire.RESPONSES, [{"delta": "x" * 19}, {"type": "response.output_text.done", "text": "x" * 19}]),
        (Wire.MESSAGES, [{"delta": {"text": "x" * 19}}, {"type": "content_block_stop", "index": 0}]),
    ],
)
def test_estimated_output(wire: Wire, events: list[dict[str, Any]]):
    """Words are counted once, whatever they are for."""
    assert read(wire, sse(*events)).settle(100) == Usage(100, output=5, source=Source.ESTIMATED)


def test_an_event_too_large_to_hold():
    """An event over 8 MiB comes in pieces; the report in one of them is found all the same."""
    picture = {"type": "image_generation_call", "result": "A" * 9_000_000}
    stream = sse({"type": "response.completed", "response": {"output": [picture], "usage": OPENAI_RESPONSES}})

    assert read(Wire.RESPONSES, stream, list(range(0, len(stream), 65536))).usage == Usage(1500, 1024, 0, 320, 200)


def test_memory_does_not_grow():
    """A million events leave the reader as it was."""
    reader = UsageReader(Wire.CHAT)
    events = sse(*[{"choices": [{"delta": {"content": "hello"}}], "usage": GEMINI}] * 10)
    reader.feed(events)
    before = sum(sys.getsizeof(getattr(reader, name)) for name in UsageReader.__slots__)
    for _ in range(1000):
        reader.feed(events)

    assert sum(sys.getsizeof(getattr(reader, name)) for name in UsageReader.__slots__) - before <= 64


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abcd", 1),
        ("abcde", 2),
        ("中", 2),
        ("中文", 3),
        ("中文字符", 6),
        ("ひらがな", 6),
        ("한국어", 5),
        ("，。", 3),
        ("é", 1),
        ("😀", 1),
    ],
)
def test_estimate(text: str, tokens: int):
    """A quarter of a token for each byte, one and a half for each CJK character, rounded up."""
    assert estimate_tokens(text.encode()) == tokens


def test_estimate_of_escaped_characters():
    """A CJK character counts the same when JSON escapes it."""
    assert estimate_tokens(rb"\u4e2d\u6587") == estimate_tokens("中文".encode())


def test_speed():
    """An event without a report costs less than 20 microseconds, 70 kB of prompt less than a millisecond."""
    event = sse({"choices": [{"delta": {"content": " word"}, "finish_reason": None}], "usage": None})
    reader, prompt = UsageReader(Wire.CHAT), ("中文 and words " * 4000).encode()[:70_000]

    assert min(timeit.repeat(lambda: reader.feed(event), number=1000, repeat=5)) / 1000 < 20e-6
    assert min(timeit.repeat(lambda: estimate_tokens(prompt), number=10, repeat=5)) / 10 < 1e-3


def test_missing():
    """Missing usage has no tokens and says so."""
    assert Usage(source=Source.MISSING) == MISSING


def test_a_hostile_event_is_quick():
    """Eight megabytes made of nothing but beginnings of reports, or of quotes, cost no more than other bytes."""
    for filling in (b'"usage":{', b'"content":"', b'"content":"\\', b'{"usage":{"a":[', b'"text":"\\"'):
        reader = UsageReader(Wire.CHAT)
        event = b"data: " + filling * (8_000_000 // len(filling))
        assert timeit.timeit(lambda: reader.feed(event), number=1) < 5  # noqa: B023 - called at once
        assert reader.usage is None
