"""Error bodies of each wire."""

import pytest

from llm_router.routing.plan import Wire
from llm_router.sandbox import failures


@pytest.mark.parametrize(
    ("status", "kind", "code", "messages_kind"),
    [
        (400, "invalid_request_error", None, "invalid_request_error"),
        (401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        (402, "insufficient_quota", "insufficient_quota", "billing_error"),
        (418, "invalid_request_error", None, "invalid_request_error"),
        (429, "requests", "rate_limit_exceeded", "rate_limit_error"),
        (500, "server_error", "server_error", "api_error"),
        (529, "server_error", "overloaded", "overloaded_error"),
        (599, "server_error", "server_error", "api_error"),
    ],
)
def test_codes(status: int, kind: str, code: str | None, messages_kind: str):
    """Both families name the same failure in their own words."""
    said = {"message": "m"}

    for wire in (Wire.CHAT, Wire.RESPONSES, Wire.EMBEDDINGS):
        assert failures.body(wire, status, "d", "m") == {"error": {**said, "type": kind, "param": None, "code": code}}
    assert failures.body(Wire.MESSAGES, status, "d", "m") == {
        "type": "error",
        "error": {"type": messages_kind, **said},
        "request_id": "req_d",
    }
