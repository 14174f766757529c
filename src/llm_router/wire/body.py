"""Facts of a request body, and the one change made to it: the model's name, with every other byte left as it came."""

import json
import re
from dataclasses import dataclass
from typing import Any

_MODEL_KEY = b'"model"'
_MODEL_MEMBER = re.compile(rb'"model"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')
_SPACE = re.compile(r"[ \t\n\r]*")
_scan = json.JSONDecoder().raw_decode
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
        # Bytes would be taken for UTF-16 or UTF-32 if they look like it, in which no model name could be replaced.
        held = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"the body is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise InvalidBody("the body is not a JSON object")
    return held


def replace_model(body: bytes, model: str) -> bytes:
    """The same bytes with the top-level model name replaced. `body` has passed `read_facts`."""
    name = json.dumps(model).encode()
    # Nearly every body has the word once: a search for bytes costs far less than one for a pattern.
    if body.count(_MODEL_KEY) == 1 and _ESCAPED_LETTER not in body:
        found = _MODEL_MEMBER.match(body, body.find(_MODEL_KEY))
        if found is not None:
            return b"".join((body[: found.start(1)], name, body[found.end(1) :]))
    spans = _top_level_values(body, "model")
    for start, end in reversed(spans):
        body = body[:start] + name + body[end:]
    return body


def _top_level_values(body: bytes, name: str) -> list[tuple[int, int]]:
    """Where the text values of the member `name` of the outermost object stand; several when the member repeats."""
    text = body.decode("latin-1")  # one character for each byte, so that places in the text are places in the body
    spans: list[tuple[int, int]] = []
    at = _after_space(text, 0)
    while text[at] in "{,":
        at = _after_space(text, at + 1)
        if text[at] == "}":
            break
        key, at = _scan(text, at)
        start = _after_space(text, _after_space(text, at) + 1)
        value, at = _scan(text, start)
        if key == name and isinstance(value, str):
            spans.append((start, at))
        at = _after_space(text, at)
    return spans


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
