"""The responses wire: its requests read, its answers built, whole or as numbered events."""

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
from llm_router.sandbox.frames import CREATED, as_bytes, dump, named
from llm_router.sandbox.script import Call, Reply, fragments

_SPEAKERS = {"assistant": Speaker.ASSISTANT, "system": Speaker.SYSTEM, "developer": Speaker.SYSTEM}


def read(body: dict[str, Any], digest: str) -> Ask:
    """The request behind a responses body."""
    return Ask(
        wire=Wire.RESPONSES,
        model=str(body.get("model") or ""),
        digest=digest,
        entries=tuple(_entries(body)),
        tools=() if body.get("tool_choice") == "none" else tuple(_tools(listing(body.get("tools")))),
        forced=_forced(body.get("tool_choice")),
        one_call=body.get("parallel_tool_calls") is False,
        schema=_schema(mapping(mapping(body.get("text")).get("format"))),
        stream=body.get("stream") is True,
        limit=whole_number(body.get("max_output_tokens")),
    )


def _entries(body: dict[str, Any]) -> Iterator[Entry]:
    for text in texts_in(body.get("instructions")):
        yield Entry(Speaker.SYSTEM, text)
    given = body.get("input")
    if isinstance(given, str):
        yield Entry(Speaker.USER, given)
    for item in listing(given):
        kind = str(item.get("type") or "message")
        if kind.endswith("_call_output"):
            yield Entry(Speaker.RESULT, "\n".join(texts_in(item.get("output"))))
        elif kind == "message":
            yield from entries_of(_SPEAKERS.get(str(item.get("role")), Speaker.USER), item.get("content"))
        else:
            yield Entry(Speaker.ASSISTANT, str(item.get("arguments") or item.get("input") or ""))


def _tools(tools: list[dict[str, Any]], namespace: str = "") -> Iterator[Tool]:
    for tool in tools:
        name, kind = str(tool.get("name") or tool.get("type")), tool.get("type")
        if kind == "namespace":
            yield from _tools(listing(tool.get("tools")), name)
        elif kind in {"function", "custom"}:
            yield Tool(name, mapping(tool.get("parameters")), namespace, free_text=kind == "custom")


def _forced(choice: object) -> str:
    if isinstance(choice, str):
        return "*" if choice in {"required", "any"} else ""
    wanted = mapping(choice)
    if wanted.get("type") == "allowed_tools":
        return "*" if wanted.get("mode") == "required" else ""
    return str(wanted.get("name", ""))


def _schema(wanted: dict[str, Any]) -> dict[str, Any] | None:
    if wanted.get("type") == "json_schema":
        return mapping(wanted.get("schema"))
    return {"type": "object"} if wanted.get("type") == "json_object" else None


def whole(ask: Ask, reply: Reply) -> dict[str, Any]:
    """The answer as one finished `response`."""
    return _response(ask, reply, [_item(ask, reply, index) for index in range(_item_count(reply))])


def events(ask: Ask, reply: Reply) -> list[bytes]:
    """The answer as events, from `response.created` to `response.completed`, numbered from 0."""
    numbered = _Numbered()
    opened = _response(ask, None, [])
    numbered.add("response.created", {"response": opened})
    numbered.add("response.in_progress", {"response": opened})
    for index in range(_item_count(reply)):
        item = _item(ask, reply, index)
        empty = {key: value for key, value in _EMPTY.items() if key in item}
        place = {"output_index": index}
        numbered.add("response.output_item.added", {**place, "item": {**item, **empty}})
        place = {"item_id": item["id"], **place}
        if reply.calls:
            _call_events(numbered, place, reply.calls[index])
        else:
            _text_events(numbered, place, reply, item["content"][0])
        numbered.add("response.output_item.done", {"output_index": index, "item": item})
    finished = whole(ask, reply)
    numbered.add(f"response.{finished['status']}", {"response": finished})
    return numbered.sent


_EMPTY: dict[str, Any] = {"status": "in_progress", "content": [], "arguments": "", "input": ""}


class _Numbered:
    """The events so far; each carries its type and its number."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def add(self, kind: str, fields: dict[str, Any]) -> None:
        self.sent.append(named(kind, {"type": kind, "sequence_number": len(self.sent), **fields}))

    def add_deltas(self, kind: str, fields: dict[str, Any], pieces: list[str]) -> None:
        # The frame of a delta is built once: a long answer has thousands of them.
        after = f",{dump(fields)[1:]}\n\n"
        before = f'event: {kind}\ndata: {{"type":"{kind}","sequence_number":'
        first = len(self.sent)
        self.sent += [
            as_bytes(f'{before}{number},"delta":{dump(piece)}{after}') for number, piece in enumerate(pieces, first)
        ]


def _text_events(numbered: _Numbered, place: dict[str, Any], reply: Reply, part: dict[str, Any]) -> None:
    place = {**place, "content_index": 0}
    numbered.add("response.content_part.added", {**place, "part": {**part, "text": ""}})
    numbered.add_deltas("response.output_text.delta", {**place, "logprobs": []}, reply.words())
    numbered.add("response.output_text.done", {**place, "text": reply.text, "logprobs": []})
    numbered.add("response.content_part.done", {**place, "part": part})


def _call_events(numbered: _Numbered, place: dict[str, Any], call: Call) -> None:
    kind, field = (
        ("custom_tool_call_input", "input") if call.tool.free_text else ("function_call_arguments", "arguments")
    )
    numbered.add_deltas(f"response.{kind}.delta", place, fragments(call.arguments))
    name = {} if call.tool.free_text else {"name": call.tool.name}
    numbered.add(f"response.{kind}.done", {**place, **name, field: call.arguments})


def _item_count(reply: Reply) -> int:
    return len(reply.calls) or 1


def _item(ask: Ask, reply: Reply, index: int) -> dict[str, Any]:
    if not reply.calls:
        part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
        status = "incomplete" if reply.cut else "completed"
        return {
            "id": f"msg_{ask.digest}",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part],
        }
    call = reply.calls[index]
    custom = call.tool.free_text
    return {
        "id": f"{'ctc' if custom else 'fc'}_{ask.digest}{index}",
        "type": "custom_tool_call" if custom else "function_call",
        "status": "completed",
        "call_id": f"call_{ask.digest}{index}",
        "name": call.tool.name,
        **({"namespace": call.tool.namespace} if call.tool.namespace else {}),
        "input" if custom else "arguments": call.arguments,
    }


def _response(ask: Ask, reply: Reply | None, output: list[dict[str, Any]]) -> dict[str, Any]:
    cut = reply is not None and reply.cut
    status = "in_progress" if reply is None else "incomplete" if cut else "completed"
    return {
        "id": f"resp_{ask.digest}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "completed_at": CREATED if status == "completed" else None,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": None,
        "max_output_tokens": ask.limit,
        "model": ask.model,
        "output": output,
        "parallel_tool_calls": not ask.one_call,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if reply is None else _usage(reply),
        "user": None,
        "metadata": {},
    }


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
