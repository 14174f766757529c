"""The names of the headers that explain an answer, and the W3C trace context that links it to its caller's trace."""

import re
from dataclasses import dataclass

REQUEST_ID = "x-request-id"
ACCOUNT = "x-router-account"  # the upstream that answered
ATTEMPTS = "x-router-attempts"  # how many upstreams were asked
LANE = "x-router-lane"  # direct | translated | raw
CLAMPED = "x-router-clamped"  # what was lowered, e.g. `max_tokens=4096`
TRACEPARENT = "traceparent"

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class TraceParent:
    """Where a request stands in its caller's trace. Ids are lower-case hex; `flags` is as it came."""

    trace_id: str
    parent_id: str
    flags: str

    def __str__(self) -> str:
        """The header's text, in the version that this code speaks."""
        return f"00-{self.trace_id}-{self.parent_id}-{self.flags}"

    def child(self, span_id: str) -> "TraceParent":
        """The context to send on, with `span_id` (16 hex digits) as the parent of what follows."""
        return TraceParent(self.trace_id, span_id, self.flags)


def read_traceparent(value: str) -> TraceParent | None:
    """Read a `traceparent` header; None when it is not one, which the standard asks to be taken as absent."""
    found = _TRACEPARENT.fullmatch(value.strip())
    if found is None:
        return None
    version, trace_id, parent_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not parent_id.strip("0"):
        return None
    return TraceParent(trace_id, parent_id, flags)
