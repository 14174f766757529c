"""Reasoning that another account could not read is left out, and nothing else."""

import json

import pytest

from llm_router.wire.formats import Wire
from llm_router.wire.reasoning import drop_reasoning

SAID = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "reasoning"}]}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
TEXT, TOOL = {"type": "text", "text": "hm"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}
THINKING = [{"type": "thinking", "thinking": "…", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]


def test_responses():
    """Reasoning items go; what was said, and what the client wants of reasoning, stays."""
    held = {"model": "m", "reasoning": {"effort": "high"}, "input": [SAID, THOUGHT, SAID, THOUGHT]}
    body, dropped = drop_reasoning(json.dumps(held).encode(), Wire.RESPONSES)

    assert (json.loads(body), dropped) == ({**held, "input": [SAID, SAID]}, 2)


def test_messages():
    """Thinking blocks go, and a message that was nothing else; tools stay."""
    held = {
        "messages": [
            {"role": "user", "content": "thinking"},
            {"role": "assistant", "content": [*THINKING, TEXT, TOOL]},
            {"role": "assistant", "content": THINKING},
            {"role": "user", "content": []},
        ]
    }
    body, dropped = drop_reasoning(json.dumps(held).encode(), Wire.MESSAGES)

    assert dropped == 4
    assert json.loads(body)["messages"] == [
        {"role": "user", "content": "thinking"},
        {"role": "assistant", "content": [TEXT, TOOL]},
        {"role": "user", "content": []},
    ]


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (Wire.CHAT, b'{"messages":[{"role":"assistant","reasoning_content":"x","type":"reasoning"}]}'),
        (Wire.EMBEDDINGS, b'{"input":["reasoning"]}'),
        (Wire.RESPONSES, b'{ "input":"x" , "reasoning" : {"effort":"low"} }'),
        (Wire.RESPONSES, b'{ "input":["reasoning", 3, null], "x": 1.0}'),
        (Wire.MESSAGES, b'{ "thinking" : {"type":"enabled"}, "messages":[{"role":"user","content":"x"}] }'),
        (Wire.MESSAGES, b'{"messages":"thinking"}'),
        (Wire.MESSAGES, b'{"messages":[1,{"content":["thinking"]}]}'),
    ],
)
def test_the_very_same_bytes(wire: Wire, body: bytes):
    """Where there is nothing to leave out, not a byte changes."""
    assert drop_reasoning(body, wire) == (body, 0)


def test_half_a_surrogate_pair():
    """It can be escaped in JSON; the rest of the body must still arrive."""
    held = b'{"input":[{"type":"reasoning"},{"type":"message","content":"\\ud83d \\u00e9"}]}'
    body, dropped = drop_reasoning(held, Wire.RESPONSES)

    assert dropped == 1
    assert json.loads(body) == {"input": [{"type": "message", "content": "\ud83d é"}]}
