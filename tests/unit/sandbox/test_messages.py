"""The messages wire."""

import json

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox import messages
from llm_router.sandbox.conversation import Ask, Entry, Speaker, Tool
from llm_router.sandbox.script import answer

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"name": "weather", "input_schema": SCHEMA}, {"type": "bash_20250124", "name": "bash"}]


def usage(spent: int, made: int) -> dict:
    return {
        "input_tokens": spent,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": made,
        "service_tier": "standard",
    }


def message(content: list, stop: str | None, made: int, spent: int = 1) -> dict:
    return {
        "id": "msg_d",
        "type": "message",
        "role": "assistant",
        "model": "echo-1",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage(spent, made),
    }


def asked(text: str, **more) -> Ask:
    return messages.read({"model": "echo-1", "messages": [{"role": "user", "content": text}], **more}, "d")


def payloads(ask: Ask) -> list[dict]:
    found = []
    for frame in messages.events(ask, answer(ask)):
        event, data, *end = frame.decode().split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert (event, end) == (f"event: {found[-1]['type']}", ["", ""])
    return found


def end_of(stop: str, spent: int, made: int) -> list[dict]:
    counted = {key: value for key, value in usage(spent, made).items() if isinstance(value, int)}
    delta = {"stop_reason": stop, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": counted}, {"type": "message_stop"}]


def test_text():
    """One whole message."""
    ask = asked("hi")

    assert messages.whole(ask, answer(ask)) == message([{"type": "text", "text": "you said: hi"}], "end_turn", 3)


def test_text_streamed():
    """The full sequence with usage at both ends."""
    assert payloads(asked("hi")) == [
        {"type": "message_start", "message": message([], None, 1)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in ("you", " said:", " hi")
        ),
        {"type": "content_block_stop", "index": 0},
        *end_of("end_turn", 1, 3),
    ]


def test_calls():
    """Each call is a block with its input as an object."""
    ask = asked('call weather {"city": "A"} and call bash {"command": "ls"}', tools=TOOLS)

    made = messages.whole(ask, answer(ask))
    assert made["stop_reason"] == "tool_use"
    assert made["content"] == [
        {"type": "tool_use", "id": "toolu_d0", "name": "weather", "input": {"city": "A"}},
        {"type": "tool_use", "id": "toolu_d1", "name": "bash", "input": {"command": "ls"}},
    ]


def test_calls_streamed():
    """A block with an empty input, then the input's JSON in several pieces."""
    block = {"type": "tool_use", "id": "toolu_d0", "name": "weather", "input": {}}

    sent = payloads(asked('call weather {"city": "A"}', tools=TOOLS))
    assert sent[1] == {"type": "content_block_start", "index": 0, "content_block": block}
    assert sent[3:] == [
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in ('{"ci', 'ty":', ' "A"', "}")
        ),
        {"type": "content_block_stop", "index": 0},
        *end_of("tool_use", 44, 3),
    ]


def test_a_cut_text():
    """The token limit ends the text, and the stop reason says so."""
    ask = asked("a b c", max_tokens=3)

    assert messages.whole(ask, answer(ask))["stop_reason"] == "max_tokens"
    assert payloads(ask)[-2:] == end_of("max_tokens", 3, 3)


def test_counting_equals_usage():
    """`count_tokens` says what the usage of the answer will say."""
    ask = asked("one two", system=[{"type": "text", "text": "be kind"}], tools=TOOLS)

    assert messages.count(ask) == {"input_tokens": 44}
    assert messages.whole(ask, answer(ask))["usage"]["input_tokens"] == 44


def test_a_conversation_is_read():
    """What Claude Code sends: a system message in the middle, cache marks, results, and what nobody knows."""
    body = {
        "model": "m",
        "system": "rules",
        "thinking": {"type": "adaptive"},
        "context_management": {},
        "thread": {"type": "create"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}}]},
            {"role": "system", "content": "a note"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "two"},
                    {"type": "tool_use", "id": "t", "name": "weather", "input": {"city": "A"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "warm"}]},
                    {"type": "tool_result", "tool_use_id": "t", "content": "cold"},
                    {"type": "text", "text": "go on"},
                ],
            },
            {"role": "user", "content": []},
        ],
    }

    assert messages.read(body, "d") == Ask(
        wire=Wire.MESSAGES,
        model="m",
        digest="d",
        entries=(
            Entry(Speaker.SYSTEM, "rules"),
            Entry(Speaker.USER, "one"),
            Entry(Speaker.SYSTEM, "a note"),
            Entry(Speaker.ASSISTANT, '{"city":"A"}'),
            Entry(Speaker.ASSISTANT, "two"),
            Entry(Speaker.RESULT, "warm"),
            Entry(Speaker.RESULT, "cold"),
            Entry(Speaker.USER, "go on"),
            Entry(Speaker.USER, ""),
        ),
    )


@pytest.mark.parametrize(
    ("choice", "forced", "offered"),
    [
        ({"type": "auto"}, "", 2),
        ({"type": "none"}, "", 0),
        ({"type": "any", "disable_parallel_tool_use": True}, "*", 2),
        ({"type": "tool", "name": "bash"}, "bash", 2),
    ],
)
def test_tool_choice(choice: dict, forced: str, offered: int):
    """Every way to demand, allow or forbid a call."""
    ask = asked("hi", tools=TOOLS, tool_choice=choice)

    assert (ask.forced, ask.tools) == (forced, (Tool("weather", SCHEMA), Tool("bash"))[:offered])
    assert ask.one_call is choice.get("disable_parallel_tool_use", False)


@pytest.mark.parametrize("where", ["output_format", "output_config"])
def test_structured_output(where: str):
    """A schema is answered with an instance, by the older and by the newer name."""
    wanted = {"type": "json_schema", "schema": SCHEMA}
    body = {where: wanted if where == "output_format" else {"format": wanted}}

    assert answer(asked("hi", **body)).text == '{"city": "sandbox"}'
