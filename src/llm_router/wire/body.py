"""Facts of a request body, and the one change made to it: the model's name, with every other byte left as it came."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any

from llm_router.wire.members import members

_read_first = json.JSONDecoder().raw_decode
_MODEL_KEY = b'"model"'
_MODEL_MEMBER = re.compile(rb'"model"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')
# The letters of `model` written as \u escapes all begin so.
_ESCAPED_LETTER = b"\\u006"


class InvalidBody(ValueError):
    """A request body that is not what its path asks for; the text says what is wrong."""


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class RequestFacts:
    """What the router reads of a request, and nothing else."""

    model: str
    stream: bool


def read_facts(body: bytes) -> RequestFacts:
    """Read the facts of a request. Raises InvalidBody when it is not a JSON object with a model name."""
    return facts_of(decode(body))


def facts_of(held: Mapping[str, Any]) -> RequestFacts:
    """The facts of a decoded request. Raises InvalidBody when it has no model name."""
    model = held.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidBody("the body has no `model`, which must be a text")
    return RequestFacts(model=model, stream=held.get("stream") is True)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of a request. Raises InvalidBody when it is none."""
    try:
        # Bytes would be taken for UTF-16 or UTF-32 if they look like it, in which no model name could be replaced.
        text = body.decode()
        held = _whole(text)
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"the body is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise InvalidBody("the body is not a JSON object")
    return held


def _whole(text: str) -> object:
    """`json.loads`, which looks twice for spaces that are hardly ever there. Raises ValueError and RecursionError."""
    if text[:1] == "{" and text[-1:] == "}":
        held, end = _read_first(text)
        if end == len(text):
            return held
    return json.loads(text)


def replace_model(body: bytes, model: str) -> bytes:
    """The same bytes with the top-level model name replaced. `body` has passed `read_facts`."""
    name = encode_basestring_ascii(model).encode()
    # Nearly every body has the word once: a search for bytes costs far less than one for a pattern.
    if body.count(_MODEL_KEY) == 1 and _ESCAPED_LETTER not in body:
        found = _MODEL_MEMBER.match(body, body.find(_MODEL_KEY))
        if found is not None:
            if found[1] == name:
                return body
            return b"".join((body[: found.start(1)], name, body[found.end(1) :]))
    standing = [member for member in members(body) if member.name == "model" and isinstance(member.value, str)]
    for member in reversed(standing):
        body = body[: member.start] + name + body[member.end :]
    return body
