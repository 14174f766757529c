"""The chat completions wire."""

import json

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox import chat
from llm_router.sandbox.conversation import Ask, Entry, Speaker, Tool
from llm_router.sandbox.script import answer

HEAD = {
    "id": "chatcmpl-d",
    "created": 1767225600,
    "model": "echo-1",
    "service_tier": "default",
    "system_fingerprint": "fp_sandbox",
}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
    {"type": "custom", "custom": {"name": "patch"}},
]


def usage(spent: int, made: int) -> dict:
    return {
        "prompt_tokens": spent,
        "completion_tokens": made,
        "total_tokens": spent + made,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def asked(text: str, **more) -> Ask:
    return chat.read({"model": "echo-1", "messages": [{"role": "user", "content": text}], **more}, "d")


def payloads(ask: Ask) -> list:
    frames = chat.events(ask, answer(ask))
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") for frame in frames)
    texts = [frame[6:-2] for frame in frames]
    assert texts.pop() == b"[DONE]"
    return [json.loads(text) for text in texts]


def chunk(delta: dict, finish: str | None = None, **more) -> dict:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


def test_text():
    """One whole completion."""
    ask = asked("hi you")

    message = {"role": "assistant", "content": "you said: hi you", "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    assert chat.whole(ask, answer(ask)) == {
        **HEAD,
        "object": "chat.completion",
        "choices": [choice],
        "usage": usage(2, 4),
    }


def test_text_streamed():
    """The role, the words, the end."""
    assert payloads(asked('say "hi"')) == [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        *(chunk({"content": word}) for word in ("you", " said:", " say", ' "hi"')),
        chunk({}, "stop"),
    ]


def test_usage_streamed_when_asked_for():
    """A last chunk without choices has it; the others say null."""
    sent = payloads(asked("hi", stream_options={"include_usage": True}))

    assert sent[-1] == {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": usage(1, 3)}
    assert {one["usage"] is None for one in sent[:-1]} == {True}


def test_calls():
    """Function and custom tools, each in its own shape."""
    ask = asked('call weather {"city": "Köln"} and use the tool patch', tools=TOOLS)
    made = chat.whole(ask, answer(ask))

    assert made["choices"][0]["finish_reason"] == "tool_calls"
    assert made["choices"][0]["message"]["content"] is None
    assert made["choices"][0]["message"]["tool_calls"] == [
        {"id": "call_d0", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}},
        {"id": "call_d1", "type": "custom", "custom": {"name": "patch", "input": "sandbox input"}},
    ]


def test_calls_streamed():
    """The head of a call comes first, then its arguments in several pieces."""
    sent = payloads(asked('call weather {"city": "A"}', tools=TOOLS))
    head = {"index": 0, "id": "call_d0", "type": "function", "function": {"name": "weather", "arguments": ""}}

    assert sent[0] == chunk({"role": "assistant", "content": None, "refusal": None})
    assert sent[1] == chunk({"tool_calls": [head]})
    assert sent[2:-1] == [
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        for piece in ('{"ci', 'ty":', ' "A"', "}")
    ]
    assert sent[-1] == chunk({}, "tool_calls")


def test_a_cut_text():
    """The token limit ends the text, and the finish reason says so."""
    ask = asked("a b c", max_tokens=100, max_completion_tokens=3)

    assert payloads(ask)[-1] == chunk({}, "length")
    assert chat.whole(ask, answer(ask))["choices"][0]["finish_reason"] == "length"


def test_a_conversation_is_read():
    """Every role, texts in parts, calls, results, and what nobody knows."""
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "A"}'}}
    messages = [
        {"role": "developer", "content": "rules"},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image_url"}, {"text": "two"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "warm"}]},
        {"role": "unheard-of", "content": "three"},
        "no message",
    ]
    ask = chat.read({"model": "m", "messages": messages, "stream": True, "unknown": [1]}, "d")

    assert ask == Ask(
        wire=Wire.CHAT,
        model="m",
        digest="d",
        stream=True,
        entries=(
            Entry(Speaker.SYSTEM, "rules"),
            Entry(Speaker.USER, "one"),
            Entry(Speaker.USER, "two"),
            Entry(Speaker.ASSISTANT, ""),
            Entry(Speaker.ASSISTANT, '{"city": "A"}'),
            Entry(Speaker.RESULT, "warm"),
            Entry(Speaker.USER, "three"),
        ),
    )


@pytest.mark.parametrize(
    ("choice", "forced", "offered"),
    [
        (None, "", 2),
        ("auto", "", 2),
        ("none", "", 0),
        ("required", "*", 2),
        ("any", "*", 2),
        ({"type": "function", "function": {"name": "weather"}}, "weather", 2),
        ({"type": "custom", "custom": {"name": "patch"}}, "patch", 2),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}}, "*", 2),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, "", 2),
    ],
)
def test_tool_choice(choice, forced: str, offered: int):
    """Every way to demand, allow or forbid a call."""
    ask = asked("hi", tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)

    assert (ask.forced, len(ask.tools), ask.one_call) == (forced, offered, True)
    assert ask.tools == (Tool("weather", SCHEMA), Tool("patch", free_text=True))[:offered]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}, '{"city": "sandbox"}'),
        ({"type": "json_object"}, "{}"),
        ({"type": "text"}, "you said: hi"),
    ],
)
def test_structured_output(wanted: dict, text: str):
    """A schema is answered with an instance."""
    assert answer(asked("hi", response_format=wanted)).text == text


def test_half_a_character_is_answered():
    """JSON can carry half of a surrogate pair; it comes back as a question mark, not as a crash."""
    assert payloads(asked("\ud83d"))[3] == chunk({"content": " ?"})
