"""The embeddings wire: one short vector for each input, made from the input's digest."""

import base64
import hashlib
import struct
from typing import Any

from llm_router.sandbox.conversation import count_words, whole_number
from llm_router.sandbox.frames import as_bytes

DIMENSIONS = 16
MOST_DIMENSIONS = 4096


def whole(body: dict[str, Any]) -> dict[str, Any]:
    """The answer to an embeddings request: `dimensions` and `encoding_format` are respected."""
    inputs = _inputs(body.get("input"))
    size = min(whole_number(body.get("dimensions")) or DIMENSIONS, MOST_DIMENSIONS)
    as_text = body.get("encoding_format") == "base64"
    vectors = [vector(text, size) for text in inputs]
    spent = sum(count_words(text) for text in inputs)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _packed(values) if as_text else values}
            for index, values in enumerate(vectors)
        ],
        "model": str(body.get("model") or ""),
        "usage": {"prompt_tokens": spent, "total_tokens": spent},
    }


def vector(text: str, size: int) -> list[float]:
    """A vector of length 1 with `size` numbers: equal texts give equal vectors."""
    stream = hashlib.shake_256(as_bytes(text)).digest(size)
    values = [(byte - 127.5) / 127.5 for byte in stream]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def _inputs(given: object) -> list[str]:
    if isinstance(given, list) and not all(isinstance(item, int) for item in given):
        return [item if isinstance(item, str) else str(item) for item in given]
    return [given if isinstance(given, str) else str(given)]


def _packed(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
