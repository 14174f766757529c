"""Limits as values: their bounds, the edge of each check, and how each refusal is told in each wire."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_router.routing.limits import (
    LARGEST,
    PRESETS,
    UNLIMITED,
    WINDOW,
    BadLimit,
    KeyLimits,
    Limit,
    RateWindow,
    check_budget,
    check_messages,
    clamped_header,
    output_cap,
    queue_refusal,
    rate_refusal,
    state_refusal,
    tokens_to_reserve,
)
from llm_router.wire.formats import Wire

NOW = 1_800_000_000.0


def test_presets():
    """An app is kept small; an agent sends calls in parallel, long ones, with large caps of its own."""
    assert KeyLimits(60, 200_000, 4096, 2000, 1, 20, 8) == PRESETS["app"]
    assert KeyLimits(600, 20_000_000, 0, 2000, 0, 20, 8) == PRESETS["agent"]


@pytest.mark.parametrize("field", sorted(LARGEST))
@pytest.mark.parametrize("bad", [-1, 10**15, 1.5, True, "60"])
def test_absurd_limits_are_refused(field, bad):
    """Negative, huge, fractional or no number at all: the error names the limit and says what may stand there."""
    with pytest.raises(BadLimit, match=field) as caught:
        replace(KeyLimits(), **{field: bad})

    assert caught.value.hints == ("0 turns a limit off",)


@pytest.mark.parametrize(
    ("used", "tokens", "passes"), [(199_200, 800, True), (199_200, 801, False), (200_001, 0, False)]
)
def test_budget_at_its_edge(used, tokens, passes):
    """Equality passes."""
    assert (check_budget(KeyLimits(), used, tokens) is None) is passes


@pytest.mark.parametrize(("messages", "passes"), [(2000, True), (2001, False)])
def test_messages_at_their_edge(messages, passes):
    """2000 pass."""
    assert (check_messages(KeyLimits(), messages) is None) is passes


def test_zero_turns_a_limit_off():
    """Nothing is too much."""
    assert check_budget(UNLIMITED, 10**12, 10**12) is None
    assert check_messages(UNLIMITED, 10**6) is None
    assert output_cap(UNLIMITED, 10**6) is None


@pytest.mark.parametrize(("asked", "written"), [(4096, None), (4097, 4096), (None, 4096), (0, None)])
def test_output_cap(asked, written):
    """What is asked for within the cap stays as it is; anything else is written anew and said."""
    assert output_cap(KeyLimits(), asked) == written


def test_clamped_header():
    """Member, what was asked, what is in force."""
    assert clamped_header("max_tokens", 8192, 4096) == ("x-router-clamped", "max_tokens=8192->4096")
    assert clamped_header("max_output_tokens", None, 4096) == ("x-router-clamped", "max_output_tokens=unset->4096")


def test_tokens_to_reserve():
    """The cap in force, or a small guess where there is none."""
    assert (tokens_to_reserve(100, 4096), tokens_to_reserve(100, None)) == (4196, 356)


def test_rate_refusal_in_openai_wires():
    """429, with the moment at which one more fits in whole seconds, milliseconds and the provider's own headers."""
    failure = rate_refusal(KeyLimits(), 12.3456).failure(Wire.CHAT, NOW)

    assert (failure.status, failure.code, failure.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert failure.headers() == [
        ("retry-after", "13"),
        ("retry-after-ms", "12346"),
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "12.346s"),
    ]


def test_rate_refusal_in_the_anthropic_wire():
    """The same, with a moment instead of a duration."""
    failure = rate_refusal(KeyLimits(), 0.2).failure(Wire.MESSAGES, NOW)

    assert (failure.status, failure.type) == (429, "rate_limit_error")
    assert failure.headers() == [
        ("retry-after", "1"),
        ("retry-after-ms", "200"),
        ("anthropic-ratelimit-requests-limit", "60"),
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:01Z"),
    ]


@pytest.mark.parametrize(
    ("wire", "kind"), [(Wire.RESPONSES, "insufficient_quota"), (Wire.MESSAGES, "rate_limit_error")]
)
def test_budget_refusal(wire, kind):
    """429 without a Retry-After: the session's budget does not come back."""
    refused = check_budget(KeyLimits(), 199_800, 800)

    assert refused is not None
    failure = refused.failure(wire, NOW)
    assert (refused.code, failure.status) == ("AI_SESSION_TOKEN_BUDGET_EXCEEDED", 429)
    assert (failure.code, failure.type) == ("session_token_budget_exceeded", kind)
    assert failure.headers() == [("x-should-retry", "false")]
    assert "199800 of its 200000" in failure.message


def test_a_conversation_too_long():
    """409 with advice, and no retry."""
    refused = check_messages(KeyLimits(), 2001)

    assert refused is not None
    failure = refused.failure(Wire.CHAT, NOW)
    assert (refused.code, failure.status, failure.code) == ("CONFLICT", 409, "conversation_too_long")
    assert failure.type == "invalid_request_error"
    assert failure.headers() == [("x-should-retry", "false")]
    assert "archive it" in failure.message


def test_a_full_queue():
    """429 that may be tried again."""
    refused = queue_refusal(KeyLimits())
    failure = refused.failure(Wire.CHAT, NOW)

    assert (refused.code, failure.status, failure.code) == ("SKILL_QUEUE_OVERFLOW", 429, "queue_full")
    assert failure.headers() == [("retry-after", "5"), ("retry-after-ms", "5000")]


def test_state_out_of_reach():
    """503, and 529 for clients that know an unavailable service by that number."""
    failure = state_refusal().failure(Wire.MESSAGES, NOW)

    assert (failure.status_for(Wire.MESSAGES), failure.type) == (529, "overloaded_error")
    assert (state_refusal().limit, failure.headers()[0]) == (Limit.STATE, ("retry-after", "2"))


@given(st.lists(st.integers(0, 30_000), max_size=200), st.integers(1, 20))
def test_never_more_than_the_limit_in_any_window(steps, limit):
    """However requests are spread, no 60 seconds hold more than the limit, and a wait that was told is enough."""
    window, now, taken = RateWindow(), 0, []
    for step in steps:
        now += step
        wait = window.wait(limit, now / 1000)
        if wait:
            assert 0 < wait <= WINDOW
            assert RateWindow(window.hits.copy()).wait(limit, now / 1000 + wait + 1e-6) == 0.0
            continue
        window.hits.append(now / 1000)
        taken.append(now)

    for index, moment in enumerate(taken):
        assert sum(moment <= other < moment + 60_000 for other in taken[index:]) <= limit


@given(st.lists(st.floats(-1e6, 1e6, allow_nan=False), max_size=60), st.integers(1, 5))
def test_a_clock_that_jumps_locks_nobody_out(jumps, limit):
    """Whatever the clock did before, one more fits after a minute; and never more than the limit at one moment."""
    window, now = RateWindow(), 0.0
    for jump in jumps:
        now += jump
        for _ in range(limit + 1):
            if not window.wait(limit, now):
                window.hits.append(now)
        assert len(window.hits) <= limit
        assert window.wait(limit, now) <= WINDOW
    assert window.wait(limit, now + WINDOW + 0.001) == 0.0
