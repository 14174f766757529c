"""JSON and server-sent events as bytes, and the constants that every answer shares."""

import json

# Answers are the same every time, so they were all made at one moment.
CREATED = 1_767_225_600  # 2026-01-01T00:00:00Z
DONE = b"data: [DONE]\n\n"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dump(value: object) -> str:
    """Compact JSON text, as providers send it."""
    return _ENCODER.encode(value)


def as_bytes(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which JSON can carry and UTF-8 cannot, becomes a question mark."""
    return text.encode("utf-8", "replace")


def encoded(value: object) -> bytes:
    """A JSON body."""
    return as_bytes(dump(value))


def data(value: object) -> bytes:
    """An unnamed event."""
    return as_bytes(f"data: {dump(value)}\n\n")


def named(kind: str, value: object) -> bytes:
    """An event with its name."""
    return as_bytes(f"event: {kind}\ndata: {dump(value)}\n\n")
