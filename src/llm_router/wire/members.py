"""Where the members of a JSON object stand in its bytes, so that one can be changed and every other byte left alone."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = re.compile(r"[ \t\n\r]*")
_scan = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the outermost object: its name, its value, and the span of the value's bytes."""

    name: str
    value: object
    start: int
    end: int


def members(body: bytes) -> Iterator[Member]:
    """The members of the outermost object, in order, each as often as it stands there.

    `body` is a JSON object in UTF-8. Text values come as Latin-1, one character for each byte.
    """
    text = body.decode("latin-1")
    at = _after_space(text, 0)
    while text[at] in "{,":
        at = _after_space(text, at + 1)
        if text[at] == "}":
            return
        name, at = _scan(text, at)
        start = _after_space(text, _after_space(text, at) + 1)
        value, at = _scan(text, start)
        yield Member(name, value, start, at)
        at = _after_space(text, at)


def opening(body: bytes) -> int:
    """Where the first member of the outermost object may be put: the place behind its brace."""
    return body.index(b"{") + 1


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
