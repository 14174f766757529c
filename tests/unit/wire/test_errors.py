"""Errors as each wire's clients read them."""

import json

import pytest

from llm_router.wire.errors import LONGEST_MESSAGE, Failure, error_body, error_event, read_error
from llm_router.wire.formats import Wire

LOST = Failure(503, "provider_unavailable", "Nobody can answer", retry_after=1)
UNKNOWN = Failure(404, "model_not_found", "There is no model `x`", param="model")


def openai(message: str, kind: str, code: str, param: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def anthropic(message: str, kind: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "r1"}


@pytest.mark.parametrize("wire", [Wire.CHAT, Wire.RESPONSES, Wire.EMBEDDINGS])
def test_openai_bodies(wire: Wire):
    """Everything OpenAI's has one error shape."""
    assert openai("Nobody can answer", "service_unavailable", "provider_unavailable") == json.loads(
        error_body(LOST, wire, "r1")
    )
    assert openai("There is no model `x`", "invalid_request_error", "model_not_found", "model") == json.loads(
        error_body(UNKNOWN, wire, "r1")
    )


def test_anthropic_bodies():
    """Anthropic's shape names a type and the request."""
    assert anthropic("Nobody can answer", "overloaded_error") == json.loads(error_body(LOST, Wire.MESSAGES, "r1"))
    assert anthropic("There is no model `x`", "not_found_error") == json.loads(error_body(UNKNOWN, Wire.MESSAGES, "r1"))


@pytest.mark.parametrize(
    ("status", "openai_type", "anthropic_type"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (403, "permission_error", "permission_error"),
        (413, "invalid_request_error", "request_too_large"),
        (429, "rate_limit_error", "rate_limit_error"),
        (500, "api_error", "api_error"),
        (502, "api_error", "api_error"),
        (503, "service_unavailable", "overloaded_error"),
        (504, "timeout", "timeout_error"),
    ],
)
def test_types_by_status(status: int, openai_type: str, anthropic_type: str):
    """A client tells errors apart by type."""
    failure = Failure(status, "code", "text")

    assert openai_type == json.loads(error_body(failure, Wire.CHAT, ""))["error"]["type"]
    assert anthropic_type == json.loads(error_body(failure, Wire.MESSAGES, ""))["error"]["type"]


def test_statuses_and_headers():
    """Anthropic's clients know an unavailable service as 529; retries are steered by headers."""
    refused = Failure(401, "invalid_api_key", "no", should_retry=False)

    assert [LOST.status_for(wire) for wire in (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)] == [503, 503, 529]
    assert LOST.headers() == [("retry-after", "1")]
    assert Failure(503, "x", "x", retry_after=0.2).headers() == [("retry-after", "1")]
    assert refused.headers() == [("x-should-retry", "false")]


def test_events():
    """A stream that cannot go on ends with its own format's error event."""
    cut = Failure(502, "stream_disconnected", "The upstream broke off")
    chat, responses, messages = (
        error_event(cut, wire, "r1").decode() for wire in (Wire.CHAT, Wire.RESPONSES, Wire.MESSAGES)
    )

    assert f"data: {json.dumps(openai(cut.message, 'api_error', cut.code))}\n\n" == chat
    assert f"event: error\ndata: {json.dumps(anthropic(cut.message, 'api_error'))}\n\n" == messages
    name, data, end = responses.split("\n", 2)
    assert (name, end) == ("event: response.failed", "\n")
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "response.failed",
        "sequence_number": 0,
        "response": {
            "id": "resp_r1",
            "object": "response",
            "created_at": 0,
            "status": "failed",
            "error": {"code": "stream_disconnected", "message": "The upstream broke off"},
            "incomplete_details": None,
            "output": [],
            "usage": None,
        },
    }


def test_long_and_odd_messages():
    """A message is cut, and text that UTF-8 cannot hold is escaped."""
    body = error_body(Failure(400, "x", "\ud800" + "x" * 9000), Wire.CHAT, "r1")

    assert len(json.loads(body)["error"]["message"]) == LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"message":"m","code":"c","type":"t"}}', ("m", "c")),
        (b'{"error":{"message":"m","type":"t"}}', ("m", "t")),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', ("m", "overloaded_error")),
        (b'{"error":"text"}', ("text", "")),
        (b'{"detail":"d"}', ("d", "")),
        (b'{"message":"m","code":7}', ("m", "7")),
        (b"[1]", ("", "")),
        (b"<html>", ("", "")),
        (b"", ("", "")),
        (b"[" * 200_000, ("", "")),
        (b"\xff\xfe", ("", "")),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_reading_an_upstreams_error(body: bytes, expected: tuple[str, str]):
    """Message and code are found in any wire's shape; what is no error object says nothing."""
    assert expected == read_error(body)
