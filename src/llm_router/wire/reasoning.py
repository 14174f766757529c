"""Reasoning that only the account which wrote it can read: signed thinking and encrypted reasoning items."""

import json
from typing import Any

from llm_router.wire.formats import Wire

_THINKING = frozenset({"thinking", "redacted_thinking"})
_MARKS = {Wire.RESPONSES: (b'"reasoning"',), Wire.MESSAGES: (b'"thinking"', b'"redacted_thinking"')}


def drop_reasoning(body: bytes, wire: Wire) -> tuple[bytes, int]:
    """The body without such items, and how many were left out; the same bytes when there is none."""
    if not any(mark in body for mark in _MARKS.get(wire, ())):
        return body, 0
    held: dict[str, Any] = json.loads(body)
    dropped = _from_input(held) if wire is Wire.RESPONSES else _from_messages(held)
    # Escapes stay escapes: half a surrogate pair can stand in JSON, but not in UTF-8.
    return (json.dumps(held).encode(), dropped) if dropped else (body, 0)


def _from_input(held: dict[str, Any]) -> int:
    items = held.get("input")
    if not isinstance(items, list):
        return 0
    kept = [item for item in items if not (isinstance(item, dict) and item.get("type") == "reasoning")]
    held["input"] = kept
    return len(items) - len(kept)


def _from_messages(held: dict[str, Any]) -> int:
    messages = held.get("messages")
    if not isinstance(messages, list):
        return 0
    dropped, kept = 0, []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            rest = [block for block in content if not (isinstance(block, dict) and block.get("type") in _THINKING)]
            dropped += len(content) - len(rest)
            if content and not rest:
                continue  # a message of nothing but thinking has nothing left to say
            message = {**message, "content": rest}  # noqa: PLW2901 - the list is built anew
        kept.append(message)
    held["messages"] = kept
    return dropped
