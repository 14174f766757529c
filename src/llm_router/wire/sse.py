"""Server-sent events on their way through: cut at event boundaries, and watched for the end their format promises."""

import re

from llm_router.wire.formats import Wire

# Inside JSON text quotes are escaped and newlines too, so none of these can stand in an answer's words.
_TERMINAL = {
    Wire.CHAT: re.compile(rb'^data:\s*\[DONE\]|"finish_reason"\s*:\s*"|^data:\s*\{\s*"error"', re.MULTILINE),
    Wire.RESPONSES: re.compile(
        rb'"type"\s*:\s*"(?:response\.(?:completed|failed|incomplete|cancelled)|error)"|^event:\s*error', re.MULTILINE
    ),
    Wire.MESSAGES: re.compile(rb'"type"\s*:\s*"(?:message_stop|error)"|^event:\s*(?:message_stop|error)', re.MULTILINE),
}
_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r")
LARGEST_EVENT = 8 * 1024 * 1024


class EventStream:
    """Passes a stream's bytes on in whole events, unchanged and in order.

    A client can do nothing with half an event, so it is held until the rest arrives; when the upstream breaks off, the
    half is dropped and an error event can follow a clean boundary. An event over 8 MiB is passed on in pieces.
    """

    __slots__ = ("_held", "_terminal", "finished")

    def __init__(self, wire: Wire) -> None:
        self._terminal = _TERMINAL[wire]
        self._held = b""
        self.finished = False

    def feed(self, chunk: bytes) -> bytes:
        """Take what arrived; returns the bytes that may be sent on now."""
        data = self._held + chunk if self._held else chunk
        end = _boundary(data)
        if not end and len(data) > LARGEST_EVENT:
            end = len(data)
        ready, self._held = data[:end], data[end:]
        if ready and not self.finished and self._terminal.search(ready):
            self.finished = True
        return ready

    def rest(self) -> bytes:
        """What is still held when the upstream has ended in good order."""
        rest, self._held = self._held, b""
        if rest and self._terminal.search(rest):
            self.finished = True
        return rest


def _boundary(data: bytes) -> int:
    """Where the last whole event ends; 0 when there is none."""
    if data.endswith(b"\n\n"):
        return len(data)
    ends = [at + len(mark) for mark in _BOUNDARIES if (at := data.rfind(mark)) >= 0]
    return max(ends, default=0)
