"""Failed answers as providers really send them, and what each means."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.providers import failure_signs as signs
from llm_router.routing.outcome import Outcome
from llm_router.routing.readings import LONGEST_MESSAGE, LONGEST_WAIT, Reading, read_failure, read_stream_error

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC).timestamp()
CLOUDFLARE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


def openai(code: str | None, kind: str, message: str = "words") -> bytes:
    return json.dumps({"error": {"message": message, "type": kind, "param": None, "code": code}}).encode()


def anthropic(kind: str, message: str = "words", **more: object) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **more}}).encode()


def codex(kind: str, **more: object) -> bytes:
    return json.dumps({"error": {"type": kind, "message": "words", "plan_type": "plus", **more}}).encode()


# provider and case -> status, headers, body, and what is read
GOLDEN = {
    "openai-throttle": (
        *(429, {"retry-after": "3"}, openai("rate_limit_exceeded", "requests")),
        Reading(Outcome.THROTTLE, "rate_limit_exceeded", "words", 3.0),
    ),
    "openai-window": (
        429,
        {
            "x-ratelimit-remaining-requests": "12",
            "x-ratelimit-reset-requests": "8m0s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "1m30.5s",
        },
        openai(None, "tokens"),
        Reading(Outcome.THROTTLE, "tokens", "words", 90.5),
    ),
    "openai-quota": (
        *(429, {}, openai("insufficient_quota", "insufficient_quota")),
        Reading(Outcome.EXHAUSTED, "insufficient_quota", "words"),
    ),
    "openai-key": (
        *(401, {}, openai("invalid_api_key", "invalid_request_error")),
        Reading(Outcome.CREDENTIAL, "invalid_api_key", "words"),
    ),
    "openai-context": (
        *(400, {"retry-after": "3"}, openai("context_length_exceeded", "invalid_request_error")),
        Reading(Outcome.REQUEST, "context_length_exceeded", "words"),
    ),
    "openai-broken": (
        *(500, {}, openai(None, "server_error")),
        Reading(Outcome.OUTAGE, "server_error", "words"),
    ),
    "anthropic-throttle": (
        429,
        {
            "anthropic-ratelimit-requests-remaining": "3",
            "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "2026-11-20T12:00:42Z",
        },
        anthropic("rate_limit_error"),
        Reading(Outcome.THROTTLE, "rate_limit_error", "words", 42.0),
    ),
    "anthropic-spend": (
        *(429, {}, anthropic("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})),
        Reading(Outcome.EXHAUSTED, "enforced_spend_limit_reached", "words"),
    ),
    "anthropic-overloaded": (
        *(529, {}, anthropic("overloaded_error")),
        Reading(Outcome.OUTAGE, "overloaded_error", "words"),
    ),
    "anthropic-credit": (
        *(400, {}, anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API.")),
        Reading(
            *(Outcome.EXHAUSTED, "invalid_request_error"),
            "Your credit balance is too low to access the Anthropic API.",
        ),
    ),
    "anthropic-key": (
        *(401, {}, anthropic("authentication_error")),
        Reading(Outcome.CREDENTIAL, "authentication_error", "words"),
    ),
    "anthropic-permission": (
        *(403, {}, anthropic("permission_error")),
        Reading(Outcome.CREDENTIAL, "permission_error", "words"),
    ),
    "anthropic-large": (
        *(413, {}, anthropic("request_too_large")),
        Reading(Outcome.REQUEST, "request_too_large", "words"),
    ),
    "codex-used-up": (
        *(429, {}, codex("usage_limit_reached", resets_in_seconds=5400)),
        Reading(Outcome.EXHAUSTED, "usage_limit_reached", "words", 5400.0),
    ),
    "codex-used-up-until": (
        *(429, {}, codex("usage_limit_reached", resets_at=NOW + 77)),
        Reading(Outcome.EXHAUSTED, "usage_limit_reached", "words", 77.0),
    ),
    "codex-headers": (
        *(429, {"x-codex-primary-reset-after-seconds": "61"}, codex("usage_limit_reached", resets_in_seconds=9)),
        Reading(Outcome.EXHAUSTED, "usage_limit_reached", "words", 61.0),
    ),
    "codex-not-included": (
        *(403, {}, codex("usage_not_included")),
        Reading(Outcome.EXHAUSTED, "usage_not_included", "words"),
    ),
    "copilot-quota": (
        *(402, {}, b'{"error":{"message":"words","code":"quota_exceeded"}}'),
        Reading(Outcome.EXHAUSTED, "quota_exceeded", "words"),
    ),
    "copilot-throttle": (
        *(429, {"retry-after": "600", "x-ratelimit-remaining": "0"}, b'{"error":{"code":"rate_limited"}}'),
        Reading(Outcome.THROTTLE, "rate_limited", "", 600.0),
    ),
    "copilot-window": (
        *(429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 30)}, b"too many requests"),
        Reading(Outcome.THROTTLE, "", "", 30.0),
    ),
    "cloudflare-challenge": (403, {}, CLOUDFLARE, Reading(Outcome.OUTAGE, "", "")),
    "cloudflare-522": (522, {}, b"<html>", Reading(Outcome.OUTAGE, "", "")),
    "gateway-page": (502, {}, b"<html><h1>502 Bad Gateway</h1></html>", Reading(Outcome.OUTAGE, "", "")),
    "proxy-time-out": (408, {}, b"", Reading(Outcome.OUTAGE, "", "")),
    "billing": (402, {}, b"{}", Reading(Outcome.EXHAUSTED, "", "")),
    "not-found": (404, {}, b'{"detail":"Not Found"}', Reading(Outcome.REQUEST, "", "Not Found")),
    "a-text": (400, {}, b'{"error":"bad"}', Reading(Outcome.REQUEST, "", "bad")),
    "list-of-details": (
        *(422, {}, b'{"detail":[{"loc":["x"]}]}'),
        Reading(Outcome.REQUEST, "", '[{"loc": ["x"]}]'),
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_what_providers_send(case: str):
    """Class, code, words and time."""
    status, headers, body, expected = GOLDEN[case]

    assert read_failure(status, headers, body, NOW) == expected


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e300"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)}, 90.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Feb 2026 11:00:00 GMT"}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "999999999"}, LONGEST_WAIT),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1d2h"}, 93600.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7"}, 7.0),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "7s"}, None),
        ({"x-ratelimit-reset-tokens": "7s"}, None),
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "garbage"}, None),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:05",
            },
            5.0,
        ),
    ],
)
def test_when_an_account_is_open_again(headers: dict[str, str], wait: float | None):
    """Seconds, milliseconds, dates, durations and windows; what makes no sense counts as nothing."""
    assert read_failure(429, headers, b"{}", NOW).wait == wait


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"words"}}\n\n',
            Reading(Outcome.OUTAGE, "overloaded_error", "words"),
        ),
        (
            b'data: {"error":{"message":"words","code":429,"metadata":{}}}\n\n',
            Reading(Outcome.THROTTLE, "", "words"),
        ),
        (
            b'data: {"type":"response.failed","response":{"error":{"code":"slow_down","message":"words"}}}\n\n',
            Reading(Outcome.THROTTLE, "slow_down", "words"),
        ),
        (
            b'data: {"type":"error","code":"usage_limit_reached","message":"words","resets_in_seconds":60}\n\n',
            Reading(Outcome.EXHAUSTED, "usage_limit_reached", "words", 60.0),
        ),
        (
            b'data: {"error":{"message":"words","code":"context_length_exceeded"}}\n\n',
            Reading(Outcome.REQUEST, "context_length_exceeded", "words"),
        ),
        (b'data: {"type":"response.failed","response":{"error":null}}\n\n', Reading(Outcome.OUTAGE, "", "")),
        (b'data: {"error":{"message":"words"}}\r\n\r\n', Reading(Outcome.OUTAGE, "", "words")),
        (b'data: {"choices":[{"delta":{"content":"an error"}}]}\n\n', None),
        (b"data: an error\n\n", None),
        (b"", None),
    ],
)
def test_errors_inside_a_stream(head: bytes, expected: Reading | None):
    """Read as their inner code says; without one a stream that fails is an outage."""
    assert read_stream_error(head, NOW) == expected


@pytest.mark.parametrize(
    ("codes", "outcome"),
    [
        (signs.EXHAUSTED_CODES, Outcome.EXHAUSTED),
        (signs.THROTTLE_CODES - signs.VAGUE_CODES, Outcome.THROTTLE),
        (signs.OUTAGE_CODES - signs.VAGUE_CODES, Outcome.OUTAGE),
        (signs.CREDENTIAL_CODES - signs.VAGUE_CODES, Outcome.CREDENTIAL),
        (signs.REQUEST_CODES - signs.VAGUE_CODES, Outcome.REQUEST),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_a_telling_code_decides_whatever_the_status(codes: frozenset[str], outcome: Outcome, status: int):
    """And one that tells nothing leaves it to the status."""
    assert {read_failure(status, {}, openai(code, "api_error"), NOW).outcome for code in codes} == {outcome}


def test_no_code_stands_in_two_tables():
    """Else the order of the tables would decide."""
    tables = [
        *(signs.EXHAUSTED_CODES, signs.THROTTLE_CODES, signs.OUTAGE_CODES),
        *(signs.CREDENTIAL_CODES, signs.REQUEST_CODES),
    ]
    assert sum(map(len, tables)) == len(frozenset().union(*tables))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = [*signs.RESET_HEADERS, *(name for row in signs.WINDOW_HEADERS for name in row[:2])]
HEADERS = st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20) | st.from_regex(r"\A-?\d{1,30}\Z"), max_size=6)
MEMBERS = st.sampled_from(["error", "message", "code", "type", "details", *signs.RESET_IN_MEMBERS, "resets_at"])


@given(
    st.integers(300, 599),
    HEADERS,
    st.one_of(
        st.binary(max_size=50),
        st.dictionaries(MEMBERS, st.dictionaries(MEMBERS, JSON, max_size=4) | JSON, max_size=4).map(
            lambda held: json.dumps(held).encode()
        ),
    ),
)
def test_nothing_that_an_upstream_sends_breaks_the_reading(status: int, headers: dict[str, str], body: bytes):
    """Whatever it is: a class, a bounded text, and a time that makes sense or none."""
    for reading in (read_failure(status, headers, body, NOW), read_stream_error(b"data: " + body + b"\n\n", NOW)):
        if reading is None:
            continue
        assert reading.outcome is not Outcome.SUCCESS
        assert len(reading.message) <= LONGEST_MESSAGE
        assert reading.wait is None or 0 <= reading.wait <= LONGEST_WAIT


def test_hostile_bodies():
    """Neither depth nor size hurts."""
    deep = b'{"error":' * 50_000 + b"1" + b"}" * 50_000
    assert read_failure(500, {}, deep, NOW).outcome is Outcome.OUTAGE
    assert read_failure(500, {}, b'{"error":{"message":1' + b"0" * 5000 + b"}}", NOW).outcome is Outcome.OUTAGE
