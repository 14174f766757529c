"""The messages wire: its requests read, its answers built, whole or as events."""

import json
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
from llm_router.sandbox.frames import as_bytes, dump, named
from llm_router.sandbox.script import Call, Reply, fragments

_SPEAKERS = {"assistant": Speaker.ASSISTANT, "system": Speaker.SYSTEM}


def read(body: dict[str, Any], digest: str) -> Ask:
    """The request behind a messages body."""
    choice = mapping(body.get("tool_choice"))
    return Ask(
        wire=Wire.MESSAGES,
        model=str(body.get("model") or ""),
        digest=digest,
        entries=tuple(_entries(body)),
        tools=() if choice.get("type") == "none" else tuple(_tools(body)),
        forced={"any": "*", "tool": str(choice.get("name", ""))}.get(str(choice.get("type")), ""),
        one_call=choice.get("disable_parallel_tool_use") is True,
        schema=_schema(body),
        stream=body.get("stream") is True,
        limit=whole_number(body.get("max_tokens")),
    )


def _entries(body: dict[str, Any]) -> Iterator[Entry]:
    for text in texts_in(body.get("system")):
        yield Entry(Speaker.SYSTEM, text)
    for message in listing(body.get("messages")):
        speaker = _SPEAKERS.get(str(message.get("role")), Speaker.USER)
        content = message.get("content")
        if isinstance(content, str) or not content:
            yield from entries_of(speaker, content)
            continue
        texts: list[object] = []
        for block in listing(content):
            if block.get("type") == "tool_result":
                yield Entry(Speaker.RESULT, "\n".join(texts_in(block.get("content"))))
            elif block.get("type") == "tool_use":
                yield Entry(speaker, dump(block.get("input")))
            else:
                texts.append(block)
        if texts:
            yield from entries_of(speaker, texts)


def _tools(body: dict[str, Any]) -> Iterator[Tool]:
    for tool in listing(body.get("tools")):
        yield Tool(str(tool.get("name")), mapping(tool.get("input_schema")))


def _schema(body: dict[str, Any]) -> dict[str, Any] | None:
    wanted = mapping(body.get("output_format") or mapping(body.get("output_config")).get("format"))
    return mapping(wanted.get("schema")) if wanted.get("type") == "json_schema" else None


def whole(ask: Ask, reply: Reply) -> dict[str, Any]:
    """The answer as one `message`."""
    content = [_tool_use(ask, index, call, call.arguments) for index, call in enumerate(reply.calls)]
    message = _message(ask, content or [{"type": "text", "text": reply.text}], _usage(reply, reply.output_tokens))
    return {**message, "stop_reason": _stop(reply)}


def events(ask: Ask, reply: Reply) -> list[bytes]:
    """The answer as events, from `message_start` to `message_stop`, with one `ping` as providers send it."""
    start = {"type": "message_start", "message": _message(ask, [], _usage(reply, 1))}
    sent = [named("message_start", start)]
    if reply.calls:
        for index, call in enumerate(reply.calls):
            pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in fragments(call.arguments)]
            sent += _block(index, _tool_use(ask, index, call, "{}"), [dump(piece) for piece in pieces])
    else:
        words = ['{"type":"text_delta","text":' + dump(word) + "}" for word in reply.words()]
        sent += _block(0, {"type": "text", "text": ""}, words)
    sent.insert(2, named("ping", {"type": "ping"}))
    delta = {"stop_reason": _stop(reply), "stop_sequence": None}
    usage = {key: value for key, value in _usage(reply, reply.output_tokens).items() if isinstance(value, int)}
    sent.append(named("message_delta", {"type": "message_delta", "delta": delta, "usage": usage}))
    sent.append(named("message_stop", {"type": "message_stop"}))
    return sent


def count(ask: Ask) -> dict[str, Any]:
    """The answer of `count_tokens`: the same number that a reply's usage has."""
    return {"input_tokens": ask.input_tokens()}


def _block(index: int, block: dict[str, Any], deltas: list[str]) -> list[bytes]:
    start = {"type": "content_block_start", "index": index, "content_block": block}
    before = f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{index},"delta":'
    return [
        named("content_block_start", start),
        *(as_bytes(before + delta + "}\n\n") for delta in deltas),
        named("content_block_stop", {"type": "content_block_stop", "index": index}),
    ]


def _message(ask: Ask, content: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"msg_{ask.digest}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _tool_use(ask: Ask, index: int, call: Call, arguments: str) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_{ask.digest}{index}",
        "name": call.tool.name,
        "input": json.loads(arguments),
    }


def _stop(reply: Reply) -> str:
    if reply.calls:
        return "tool_use"
    return "max_tokens" if reply.cut else "end_turn"


def _usage(reply: Reply, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
