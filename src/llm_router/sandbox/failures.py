"""Errors in the shape and with the codes of each wire, as its provider would send them."""

from typing import Any

from llm_router.routing.plan import Wire

# status -> (type, code) of the OpenAI wires, type of the messages wire, and what both say.
_KINDS: dict[int, tuple[str, str | None, str, str]] = {
    400: ("invalid_request_error", None, "invalid_request_error", "The request is not valid"),
    401: ("invalid_request_error", "invalid_api_key", "authentication_error", "The API key is not valid"),
    402: ("insufficient_quota", "insufficient_quota", "billing_error", "The account has no credit left"),
    403: ("permission_error", "permission_denied", "permission_error", "The API key may not do this"),
    404: ("invalid_request_error", "not_found", "not_found_error", "There is nothing at this address"),
    408: ("timeout_error", "request_timeout", "timeout_error", "The request took too long to arrive"),
    409: ("conflict_error", "conflict", "invalid_request_error", "The request conflicts with another"),
    413: ("invalid_request_error", "request_too_large", "request_too_large", "The request is too large"),
    422: ("invalid_request_error", "unprocessable", "invalid_request_error", "The request cannot be processed"),
    429: ("requests", "rate_limit_exceeded", "rate_limit_error", "Rate limit reached, please try again later"),
    500: ("server_error", "server_error", "api_error", "The server had an error"),
    502: ("server_error", "bad_gateway", "api_error", "Bad gateway"),
    503: ("server_error", "service_unavailable", "overloaded_error", "The service is unavailable for now"),
    504: ("server_error", "gateway_timeout", "timeout_error", "The request took too long"),
    529: ("server_error", "overloaded", "overloaded_error", "Overloaded"),
}


def body(wire: Wire, status: int, digest: str, message: str = "") -> dict[str, Any]:
    """The error body for `status`; statuses without a row of their own take that of 400 or 500."""
    kind, code, messages_kind, said = _KINDS.get(status) or _KINDS[500 if status >= 500 else 400]
    if wire is Wire.MESSAGES:
        error = {"type": messages_kind, "message": message or said}
        return {"type": "error", "error": error, "request_id": f"req_{digest}"}
    return {"error": {"message": message or said, "type": kind, "param": None, "code": code}}
