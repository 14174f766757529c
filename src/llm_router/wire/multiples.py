"""What multiplies or outgrows an output cap: several answers to one request, and thinking that counts as output."""

import json

from llm_router.wire.formats import Wire
from llm_router.wire.members import members

_MARKS = (b'"n"', b'"best_of"', b"\\u006e", b"\\u006E")  # names, or the letter n of either as an escape
_NAMES = frozenset({"n", "best_of"})
_THINKING = b"thinking"
_LEAST_THINKING = 1024  # Anthropic's API takes no smaller budget


def choices_of(body: bytes, wire: Wire) -> int:
    """How many answers a request asks for: the largest number that stands for it, at least 1. Raises nothing.

    A member may stand twice, and upstreams differ in which counts.
    """
    if wire is not Wire.CHAT:
        return 1
    for mark in _MARKS:  # a loop, because this is on the way of every request
        if mark in body:
            break
    else:
        return 1
    asked = (member.value for member in members(body) if member.name in _NAMES)
    return max(1, *(value for value in asked if isinstance(value, int) and not isinstance(value, bool)), 1)


def fit_thinking(body: bytes, wire: Wire, cap: int) -> bytes:
    """The body with its thinking budget below `cap`, as the Messages format asks; without thinking where that is too
    little for any. The same object when nothing is above.
    """
    if wire is not Wire.MESSAGES or _THINKING not in body:
        return body
    for member in reversed([member for member in members(body) if member.name == "thinking"]):
        budget = member.value.get("budget_tokens") if isinstance(member.value, dict) else None
        if not isinstance(member.value, dict) or not isinstance(budget, int) or budget < cap:
            continue
        fitting = {**member.value, "budget_tokens": cap - 1} if cap > _LEAST_THINKING else {"type": "disabled"}
        # The members were read byte by byte, so they are written back so.
        body = body[: member.start] + json.dumps(fitting, ensure_ascii=False).encode("latin-1") + body[member.end :]
    return body
