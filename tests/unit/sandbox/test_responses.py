"""The responses wire."""

import json

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox import responses
from llm_router.sandbox.conversation import Ask, Entry, Speaker, Tool
from llm_router.sandbox.script import answer

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "name": "weather", "parameters": SCHEMA},
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn", "parameters": {}}]},
    {"type": "web_search"},
]
TEXT_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    *["response.output_text.delta"] * 3,
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]


def asked(said, **more) -> Ask:
    return responses.read({"model": "echo-1", "input": said, **more}, "d")


def payloads(ask: Ask) -> list[dict]:
    found = []
    for frame in responses.events(ask, answer(ask)):
        event, data, *end = frame.decode().split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert (event, end) == (f"event: {found[-1]['type']}", ["", ""])
    assert [one["sequence_number"] for one in found] == list(range(len(found)))
    return found


def test_text():
    """One whole response with a message in it."""
    ask = asked("hi")
    made = responses.whole(ask, answer(ask))

    assert (made["id"], made["object"], made["status"], made["model"]) == ("resp_d", "response", "completed", "echo-1")
    part = {"type": "output_text", "text": "you said: hi", "annotations": [], "logprobs": []}
    message = {"id": "msg_d", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    assert made["output"] == [message]
    assert made["usage"] == {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 4,
    }


def test_text_streamed():
    """The full sequence, the words in the deltas, and the whole response at the end."""
    ask = asked("hi")
    sent = payloads(ask)

    assert [one["type"] for one in sent] == TEXT_EVENTS
    place = {"item_id": "msg_d", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "you said: hi", "annotations": [], "logprobs": []}
    item = {"id": "msg_d", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    assert sent[0]["response"]["status"] == sent[1]["response"]["status"] == "in_progress"
    assert (sent[0]["response"]["output"], sent[0]["response"]["usage"]) == ([], None)
    bodies = [{key: value for key, value in one.items() if key not in {"type", "sequence_number"}} for one in sent]
    assert bodies[2:] == [
        {"output_index": 0, "item": {**item, "status": "in_progress", "content": []}},
        {**place, "part": {**part, "text": ""}},
        *({**place, "delta": word, "logprobs": []} for word in ("you", " said:", " hi")),
        {**place, "text": "you said: hi", "logprobs": []},
        {**place, "part": part},
        {"output_index": 0, "item": item},
        {"response": responses.whole(ask, answer(ask))},
    ]


def test_calls():
    """Functions, functions in a namespace and custom tools are items of their own."""
    text = 'call weather {"city": "A"} then call spawn {} then use the tool patch'
    ask = asked(text, tools=TOOLS)

    assert responses.whole(ask, answer(ask))["output"] == [
        {
            "id": "fc_d0",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_d0",
            "name": "weather",
            "arguments": '{"city": "A"}',
        },
        {
            "id": "fc_d1",
            "type": "function_call",
            "status": "completed",
            "call_id": "call_d1",
            "name": "spawn",
            "namespace": "agents",
            "arguments": "{}",
        },
        {
            "id": "ctc_d2",
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": "call_d2",
            "name": "patch",
            "input": "sandbox input",
        },
    ]


@pytest.mark.parametrize(
    ("text", "kind", "field", "value"),
    [
        ('call weather {"city": "A"}', "function_call_arguments", "arguments", '{"city": "A"}'),
        ("use the tool patch", "custom_tool_call_input", "input", "sandbox input"),
    ],
)
def test_calls_streamed(text: str, kind: str, field: str, value: str):
    """An empty item, its arguments in several pieces, and the item as it is done."""
    sent = payloads(asked(text, tools=TOOLS))

    deltas = [one["delta"] for one in sent if one["type"] == f"response.{kind}.delta"]
    assert ("".join(deltas), len(deltas)) == (value, 4)
    added, done, item, end = sent[2], sent[-3], sent[-2], sent[-1]
    assert (added["item"]["status"], added["item"][field]) == ("in_progress", "")
    assert (done["type"], done[field], done["item_id"]) == (f"response.{kind}.done", value, added["item"]["id"])
    assert item["item"] == {**added["item"], "status": "completed", field: value} == end["response"]["output"][0]
    assert end["type"] == "response.completed"


def test_a_cut_text():
    """The token limit makes the response incomplete, and says why."""
    ask = asked("a b c", max_output_tokens=3)
    made = responses.whole(ask, answer(ask))

    assert (made["status"], made["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert made["output"][0]["status"] == "incomplete"
    assert payloads(ask)[-1]["type"] == "response.incomplete"


def test_a_conversation_is_read():
    """Items of every kind, and what nobody knows."""
    items = [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
        {"role": "user", "content": "one"},
        {"type": "reasoning", "encrypted_content": "x", "summary": []},
        {"type": "function_call", "name": "weather", "arguments": "{}", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "warm"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "done"}]},
    ]
    ask = responses.read({"model": "m", "instructions": "be kind", "input": items, "store": False}, "d")

    assert ask == Ask(
        wire=Wire.RESPONSES,
        model="m",
        digest="d",
        entries=(
            Entry(Speaker.SYSTEM, "be kind"),
            Entry(Speaker.SYSTEM, "rules"),
            Entry(Speaker.USER, "one"),
            Entry(Speaker.ASSISTANT, ""),
            Entry(Speaker.ASSISTANT, "{}"),
            Entry(Speaker.RESULT, "warm"),
            Entry(Speaker.RESULT, "done"),
        ),
    )


@pytest.mark.parametrize(
    ("choice", "forced", "offered"),
    [
        ("auto", "", 3),
        ("none", "", 0),
        ("required", "*", 3),
        ({"type": "function", "name": "weather"}, "weather", 3),
        ({"type": "custom", "name": "patch"}, "patch", 3),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, "*", 3),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, "", 3),
    ],
)
def test_tool_choice(choice, forced: str, offered: int):
    """Every way to demand, allow or forbid a call; tools that the provider runs itself are not called."""
    ask = asked("hi", tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)

    tools = (Tool("weather", SCHEMA), Tool("patch", free_text=True), Tool("spawn", namespace="agents"))
    assert (ask.forced, ask.tools, ask.one_call) == (forced, tools[:offered], True)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"type": "json_schema", "name": "x", "schema": SCHEMA}, '{"city": "sandbox"}'),
        ({"type": "json_object"}, "{}"),
        ({"type": "text"}, "you said: hi"),
    ],
)
def test_structured_output(wanted: dict, text: str):
    """A schema is answered with an instance."""
    assert answer(asked("hi", text={"format": wanted})).text == text
