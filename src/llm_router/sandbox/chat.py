"""The chat completions wire: its requests read, its answers built, whole or as chunks."""

from collections.abc import Iterator
from typing import Any

from llm_router.routing.plan import Wire
from llm_router.sandbox.conversation import (
    Ask,
    Entry,
    Speaker,
    Tool,
    entries_of,
    listing,
    mapping,
    texts_in,
    whole_number,
)
from llm_router.sandbox.frames import CREATED, DONE, as_bytes, data, dump
from llm_router.sandbox.script import Call, Reply, fragments

_SPEAKERS = {
    "assistant": Speaker.ASSISTANT,
    "system": Speaker.SYSTEM,
    "developer": Speaker.SYSTEM,
    "tool": Speaker.RESULT,
    "function": Speaker.RESULT,
}


def read(body: dict[str, Any], digest: str) -> Ask:
    """The request behind a chat completions body."""
    tools = () if body.get("tool_choice") == "none" else tuple(_tools(body))
    return Ask(
        wire=Wire.CHAT,
        model=str(body.get("model") or ""),
        digest=digest,
        entries=tuple(_entries(body)),
        tools=tools,
        forced=_forced(body.get("tool_choice")),
        one_call=body.get("parallel_tool_calls") is False,
        schema=_schema(mapping(body.get("response_format"))),
        stream=body.get("stream") is True,
        include_usage=mapping(body.get("stream_options")).get("include_usage") is True,
        limit=whole_number(body.get("max_completion_tokens")) or whole_number(body.get("max_tokens")),
    )


def _entries(body: dict[str, Any]) -> Iterator[Entry]:
    for message in listing(body.get("messages")):
        speaker = _SPEAKERS.get(str(message.get("role")), Speaker.USER)
        if speaker is Speaker.RESULT:
            yield Entry(speaker, "\n".join(texts_in(message.get("content"))))
            continue
        yield from entries_of(speaker, message.get("content"))
        for call in listing(message.get("tool_calls")):
            yield Entry(speaker, str(mapping(call.get("function")).get("arguments", "")))


def _tools(body: dict[str, Any]) -> Iterator[Tool]:
    for tool in listing(body.get("tools")):
        if tool.get("type") == "custom":
            yield Tool(str(mapping(tool.get("custom")).get("name")), free_text=True)
        else:
            function = mapping(tool.get("function"))
            yield Tool(str(function.get("name")), mapping(function.get("parameters")))


def _forced(choice: object) -> str:
    if choice in {"required", "any"} if isinstance(choice, str) else False:
        return "*"
    wanted = mapping(choice)
    if wanted.get("type") == "allowed_tools":
        return "*" if mapping(wanted.get("allowed_tools")).get("mode") == "required" else ""
    return str(mapping(wanted.get("function") or wanted.get("custom")).get("name", ""))


def _schema(wanted: dict[str, Any]) -> dict[str, Any] | None:
    if wanted.get("type") == "json_schema":
        return mapping(mapping(wanted.get("json_schema")).get("schema"))
    return {"type": "object"} if wanted.get("type") == "json_object" else None


def whole(ask: Ask, reply: Reply) -> dict[str, Any]:
    """The answer as one `chat.completion`."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if reply.calls else reply.text,
        "refusal": None,
        "annotations": [],
    }
    if reply.calls:
        message["tool_calls"] = [_call(ask, index, call) for index, call in enumerate(reply.calls)]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(reply)}
    return {**_head(ask, "chat.completion"), "choices": [choice], "usage": _usage(reply)}


def events(ask: Ask, reply: Reply) -> list[bytes]:
    """The answer as chunks: the role, the pieces, the finish reason, the usage when asked for, `[DONE]`."""
    head = _head(ask, "chat.completion.chunk")
    tail: dict[str, Any] = {"usage": None} if ask.include_usage else {}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data({**head, "choices": [choice], **tail})

    sent = [chunk({"role": "assistant", "content": None if reply.calls else "", "refusal": None})]
    before, after = chunk({"content": "\0"}).split(b'"\\u0000"')
    sent += [before + as_bytes(dump(word)) + after for word in reply.words()]
    for index, call in enumerate(reply.calls):
        sent += [chunk({"tool_calls": [piece]}) for piece in _call_pieces(ask, index, call)]
    sent.append(chunk({}, _finish(reply)))
    if ask.include_usage:
        sent.append(data({**head, "choices": [], "usage": _usage(reply)}))
    sent.append(DONE)
    return sent


def _head(ask: Ask, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{ask.digest}",
        "object": kind,
        "created": CREATED,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    }


def _call(ask: Ask, index: int, call: Call) -> dict[str, Any]:
    head = {"id": f"call_{ask.digest}{index}", "type": "custom" if call.tool.free_text else "function"}
    if call.tool.free_text:
        return {**head, "custom": {"name": call.tool.name, "input": call.arguments}}
    return {**head, "function": {"name": call.tool.name, "arguments": call.arguments}}


def _call_pieces(ask: Ask, index: int, call: Call) -> Iterator[dict[str, Any]]:
    kind, field = ("custom", "input") if call.tool.free_text else ("function", "arguments")
    yield {"index": index, "id": f"call_{ask.digest}{index}", "type": kind, kind: {"name": call.tool.name, field: ""}}
    for piece in fragments(call.arguments):
        yield {"index": index, kind: {field: piece}}


def _finish(reply: Reply) -> str:
    if reply.calls:
        return "tool_calls"
    return "length" if reply.cut else "stop"


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
