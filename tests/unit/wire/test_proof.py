"""Whether a stream's beginning is output, an error, or neither yet."""

import pytest

from llm_router.wire.formats import Wire
from llm_router.wire.proof import Proof, prove

CHAT, RESPONSES, MESSAGES = Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES


def event(data: bytes, name: bytes = b"") -> bytes:
    return (b"event: " + name + b"\n" if name else b"") + b"data: " + data + b"\n\n"


@pytest.mark.parametrize(
    ("wire", "head"),
    [
        (CHAT, b'{"choices":[{"delta":{"role":"assistant","content":"Hi"}}]}'),
        (CHAT, b'{"choices":[{"delta":{"reasoning_content":"Hm"}}]}'),
        (CHAT, b'{"choices":[{"delta":{"reasoning":"Hm"}}]}'),
        (CHAT, b'{"choices": [ {"delta": {"content" : "Hi"}}]}'),
        (CHAT, b'{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}'),
        (CHAT, b'{"choices":[{"delta":{"function_call":{"name":"f"}}}]}'),
        (CHAT, b'{"choices":[{"delta":{"refusal":"No"}}]}'),
        (CHAT, b'{"choices":[{"delta":{},"finish_reason":"stop"}]}'),
        (CHAT, b'{"choices":[{"delta":{"content":"\\"error\\""}}]}'),
        (CHAT, b"[DONE]"),
        (RESPONSES, b'{"type":"response.output_item.added","item":{}}'),
        (RESPONSES, b'{"type":"response.output_text.delta","delta":"x"}'),
        (RESPONSES, b'{"type":"response.function_call_arguments.delta","delta":""}'),
        (RESPONSES, b'{"type":"response.completed"}'),
        (RESPONSES, b'{"type":"response.incomplete"}'),
        (MESSAGES, b'{"type":"content_block_start","index":0}'),
        (MESSAGES, b'{"type":"content_block_delta","index":0}'),
        (MESSAGES, b'{"type":"message_delta"}'),
        (MESSAGES, b'{"type":"message_stop"}'),
    ],
)
def test_output(wire: Wire, head: bytes):
    """Words, thoughts, tools, refusals and ends prove that the upstream answers."""
    assert prove(wire, event(head)) is Proof.OUTPUT


@pytest.mark.parametrize(
    ("wire", "head"),
    [
        (CHAT, event(b'{"error":{"message":"overloaded","code":529}}')),
        (CHAT, event(b'{ "error": "x"}')),
        (RESPONSES, event(b'{"type":"error","code":"slow_down"}', b"error")),
        (RESPONSES, event(b'{"type":"response.failed","response":{"error":{}}}')),
        (RESPONSES, event(b'{"type":"response.created"}') + event(b'{"type":"response.failed"}')),
        (MESSAGES, event(b'{"type":"error","error":{"type":"overloaded_error"}}', b"error")),
        (MESSAGES, event(b'{"type":"message_start"}') + event(b'{"type": "error"}')),
    ],
)
def test_errors(wire: Wire, head: bytes):
    """An error event before any output, in each wire's form."""
    assert prove(wire, head) is Proof.ERROR


@pytest.mark.parametrize(
    ("wire", "head"),
    [
        (CHAT, b""),
        (CHAT, b": ping\n\n"),
        (CHAT, event(b'{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}')),
        (CHAT, event(b'{"choices":[{"delta":{"content":null}}]}')),
        (RESPONSES, event(b'{"type":"response.created","response":{"error":null}}')),
        (RESPONSES, event(b'{"type":"response.in_progress"}')),
        (MESSAGES, event(b'{"type":"message_start","message":{"content":[]}}')),
        (MESSAGES, event(b'{"type":"ping"}', b"ping")),
    ],
)
def test_neither_yet(wire: Wire, head: bytes):
    """Greetings and pings prove nothing: an error may still follow."""
    assert prove(wire, head) is Proof.PENDING


def test_what_comes_first_counts():
    """An error after output is too late to go elsewhere."""
    output, error = event(b'{"choices":[{"delta":{"content":"a"}}]}'), event(b'{"error":{}}')

    assert (prove(CHAT, output + error), prove(CHAT, error + output)) == (Proof.OUTPUT, Proof.ERROR)


def test_words_are_no_events():
    """An answer that talks about errors is output."""
    said = event(rb'{"choices":[{"delta":{"content":"\ndata: {\"error\": 1}\nevent: error"}}]}')

    assert prove(CHAT, said) is Proof.OUTPUT
