"""Small good answers in each wire, for upstreams that a test scripts."""

import json
from typing import Any

from llm_router.routing.plan import Wire
from support.rawhttp import Script, answer, stream


def events_of(*data: dict[str, Any] | str) -> bytes:
    """Server-sent events, one for each."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in data]
    return b"".join(f"data: {line}\n\n".encode() for line in lines)


_USAGE = {
    Wire.CHAT: {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    Wire.RESPONSES: {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    Wire.MESSAGES: {"input_tokens": 1, "output_tokens": 1},
}
_WHOLE = {
    Wire.CHAT: {"choices": [], "usage": _USAGE[Wire.CHAT]},
    Wire.RESPONSES: {"output": [], "usage": _USAGE[Wire.RESPONSES]},
    Wire.MESSAGES: {"content": [], "usage": _USAGE[Wire.MESSAGES]},
}
# The first output of a stream, and its end.
OUTPUT = {
    Wire.CHAT: events_of({"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]}),
    Wire.RESPONSES: events_of({"type": "response.output_text.delta", "delta": "hi"}),
    Wire.MESSAGES: events_of(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ),
}
_REST = {
    Wire.CHAT: events_of({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"),
    Wire.RESPONSES: events_of({"type": "response.completed", "response": {"usage": _USAGE[Wire.RESPONSES]}}),
    Wire.MESSAGES: events_of({"type": "message_stop"}),
}


def good(wire: Wire, *, streamed: bool) -> Script:
    """A whole good answer."""
    if streamed:
        return stream(OUTPUT[wire] + _REST[wire])
    return answer(200, json.dumps(_WHOLE[wire]).encode())


def error_in_200(wire: Wire, *, streamed: bool) -> Script:
    """An answer whose status says that all is well, and whose body does not."""
    error = {"message": "The server had an error", "type": "server_error", "code": "server_error"}
    if wire is Wire.MESSAGES:
        body: dict[str, Any] = {"type": "error", "error": {"type": "api_error", "message": error["message"]}}
    else:
        body = {"error": error}
    if not streamed:
        return answer(200, json.dumps(body).encode())
    if wire is Wire.RESPONSES:
        body = {"type": "response.failed", "response": {"status": "failed", "error": error}}
    return stream(events_of(body))
