"""Facts of a request body, and the one change made to it: the model's name, with every other byte left as it came."""

import json
import re
from dataclasses import dataclass
from typing import Any

_MODEL_MEMBER = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]')
# The letters of `model` written as \u escapes all begin so.
_ESCAPED_LETTER = b"\\u006"


class InvalidBody(ValueError):
    """A request body that is not what its path asks for; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What the router reads of a request, and nothing else."""

    model: str
    stream: bool


def read_facts(body: bytes) -> RequestFacts:
    """Read the facts of a request. Raises InvalidBody when it is not a JSON object with a model name."""
    held = _decode(body)
    model = held.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidBody("the body has no `model`, which must be a text")
    return RequestFacts(model=model, stream=held.get("stream") is True)


def _decode(body: bytes) -> dict[str, Any]:
    try:
        held = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"the body is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise InvalidBody("the body is not a JSON object")
    return held


def replace_model(body: bytes, model: str) -> bytes:
    """The same bytes with the top-level model name replaced. `body` has passed `read_facts`."""
    matches = list(_MODEL_MEMBER.finditer(body))
    if len(matches) == 1 and _ESCAPED_LETTER not in body:
        spans = [matches[0].span(1)]
    else:
        spans = _top_level_values(body, "model")
    name = json.dumps(model).encode()
    for start, end in reversed(spans):
        body = body[:start] + name + body[end:]
    return body


def _top_level_values(body: bytes, name: str) -> list[tuple[int, int]]:
    """Where the text values of the member `name` of the outermost object stand; several when the member repeats."""
    spans: list[tuple[int, int]] = []
    depth, key, in_value = 0, "", False
    for token in _TOKEN.finditer(body):
        mark = token.group()
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
        elif depth == 1 and mark == b":":
            in_value = True
        elif depth == 1 and mark == b",":
            in_value = False
        elif depth == 1 and mark[:1] == b'"':
            if not in_value:
                key = json.loads(mark)
            elif key == name:
                spans.append(token.span())
    return spans
