"""Server-sent events on their way through: cut at event boundaries, and watched for the end their format promises."""

import re
from enum import StrEnum

from llm_router.wire.formats import Wire


class End(StrEnum):
    """How a stream ends."""

    LAST = "last"  # nothing follows
    SOFT = "soft"  # the answer is whole, but its usage may follow
    ERROR = "error"  # the upstream says itself that it failed


# What ends a stream, for each wire: a word that is quickly looked for, and what must stand around it to be an end.
# Inside JSON text quotes are escaped and newlines too, so none of these can stand in an answer's words.
_TERMINAL = {
    Wire.CHAT: (
        (b"[DONE]", re.compile(rb"^data:\s*\[DONE\]", re.MULTILINE), End.LAST),
        (b'"finish_reason"', re.compile(rb'"finish_reason"\s*:\s*"'), End.SOFT),
        (b'"error"', re.compile(rb'^data:\s*\{\s*"error"', re.MULTILINE), End.ERROR),
    ),
    Wire.RESPONSES: (
        (b'"response.', re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete|cancelled)"'), End.LAST),
        (b'"response.failed', re.compile(rb'"type"\s*:\s*"response\.failed"'), End.ERROR),
        (b"error", re.compile(rb'"type"\s*:\s*"error"|^event:\s*error', re.MULTILINE), End.ERROR),
    ),
    Wire.MESSAGES: (
        (b"message_stop", re.compile(rb'"type"\s*:\s*"message_stop"|^event:\s*message_stop', re.MULTILINE), End.LAST),
        (b"error", re.compile(rb'"type"\s*:\s*"error"|^event:\s*error', re.MULTILINE), End.ERROR),
    ),
}
_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LONGEST_BOUNDARY = 4
LARGEST_EVENT = 8 * 1024 * 1024


class EventStream:
    """Passes a stream's bytes on in whole events, unchanged and in order.

    A client can do nothing with half an event, so it is held until the rest arrives; when the upstream breaks off, the
    half is dropped and an error event can follow a clean boundary. An event over 8 MiB is passed on in pieces.
    """

    __slots__ = ("_held", "_terminal", "end")

    def __init__(self, wire: Wire) -> None:
        self._terminal = _TERMINAL[wire]
        self._held = bytearray()
        self.end: End | None = None

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived; returns the bytes that may be sent on now."""
        if not self._held and chunk.endswith(b"\n\n"):
            return self._watched(chunk)
        # What was held has no boundary in it, but one may begin in its last bytes.
        seen = max(0, len(self._held) - _LONGEST_BOUNDARY + 1)
        self._held += chunk
        end = _boundary(self._held, seen)
        if not end and len(self._held) > LARGEST_EVENT:
            end = len(self._held)
        if not end:
            return b""
        ready = bytes(self._held[:end])
        del self._held[:end]
        return self._watched(ready)

    def rest(self) -> bytes:
        """What is still held when the upstream has ended in good order, if it completes the stream.

        An end without its blank line is no event for any client, and is not sent unless it is the stream's last word.
        """
        rest = self._watched(bytes(self._held))
        self._held.clear()
        return rest if self.finished else b""

    @property
    def finished(self) -> bool:
        """Whether the answer is whole, or the upstream has said why it is not."""
        return self.end is not None

    def _watched(self, ready: bytes) -> bytes:
        if self.end is None or self.end is End.SOFT:
            for word, pattern, end in self._terminal:
                if word in ready and pattern.search(ready):
                    self.end = end
                    break
        return ready


def has_terminal(wire: Wire) -> bool:
    """Whether streams in this wire promise an end that can be watched for."""
    return wire in _TERMINAL


def whole_events(data: bytes) -> int:
    """How many bytes of `data` are whole events."""
    return _boundary(data, 0)


def _boundary(data: bytearray | bytes, start: int) -> int:
    """Where the last whole event at or after `start` ends; 0 when there is none."""
    if data.endswith(b"\n\n"):
        return len(data)
    ends = [at + len(mark) for mark in _BOUNDARIES if (at := data.rfind(mark, start)) >= 0]
    return max(ends, default=0)
