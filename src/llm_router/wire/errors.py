"""Error bodies as each wire's own clients read them, whole or as an event inside a stream that has begun."""

import json
from dataclasses import dataclass, field
from typing import Any

from llm_router.wire.formats import Wire

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "service_unavailable",
    504: "timeout",
}
LONGEST_MESSAGE = 2000
_TRACEBACK = "Traceback (most recent call last)"  # LiteLLM puts its own into messages, with this machine's paths


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request as the router tells it. `code` is stable; `message` is for people and holds no secret."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: float | None = None  # seconds
    should_retry: bool | None = None  # what the SDKs' `x-should-retry` is told; None leaves it to the status
    type: str = field(default="")  # the wire's own type is chosen by status when empty
    more_headers: tuple[tuple[str, str], ...] = ()  # further ones that belong to this failure, names in lower case

    def status_for(self, wire: Wire) -> int:
        """The status to answer with: Anthropic clients know an unavailable service as 529."""
        return 529 if wire is Wire.MESSAGES and self.status == 503 else self.status

    def headers(self) -> list[tuple[str, str]]:
        """The headers that steer a client's own retries."""
        found = []
        if self.retry_after is not None:
            found.append(("retry-after", str(max(1, round(self.retry_after)))))
        if self.should_retry is not None:
            found.append(("x-should-retry", "true" if self.should_retry else "false"))
        return [*found, *self.more_headers]


def error_body(failure: Failure, wire: Wire, request_id: str) -> bytes:
    """The JSON body of a failed request."""
    return json.dumps(_error_object(failure, wire, request_id)).encode()


def error_event(failure: Failure, wire: Wire, request_id: str) -> bytes:
    """The event that ends a stream which cannot go on."""
    if wire is Wire.RESPONSES:
        response = {
            "id": f"resp_{request_id}",
            "object": "response",
            "created_at": 0,
            "status": "failed",
            "error": {"code": failure.code, "message": failure.message[:LONGEST_MESSAGE]},
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }
        return _event("response.failed", {"type": "response.failed", "sequence_number": 0, "response": response})
    name = "error" if wire is Wire.MESSAGES else ""
    return _event(name, _error_object(failure, wire, request_id))


def _event(name: str, body: dict[str, Any]) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(body)}\n\n".encode()


def _error_object(failure: Failure, wire: Wire, request_id: str) -> dict[str, Any]:
    message = failure.message[:LONGEST_MESSAGE]
    if wire is Wire.MESSAGES:
        kind = failure.type or _ANTHROPIC_TYPES.get(failure.status_for(wire), "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
    kind = failure.type or _OPENAI_TYPES.get(failure.status, "api_error")
    return {"error": {"message": message, "type": kind, "param": failure.param, "code": failure.code}}


def read_error(body: bytes) -> tuple[str, str]:
    """Message and code of an upstream's error body, whichever wire it speaks; empty texts where it says neither."""
    try:
        held = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    error = held.get("error", held) if isinstance(held, dict) else held
    if isinstance(error, str):
        return _told(error), ""
    if not isinstance(error, dict):
        return "", ""
    message = error.get("message") or error.get("detail") or ""
    code = error.get("code") or error.get("type") or ""
    return _told(str(message)), str(code)


def _told(message: str) -> str:
    """A message as it may be told: without a program's traceback behind it."""
    return message.partition(_TRACEBACK)[0].rstrip()[:LONGEST_MESSAGE]
