"""What failures mean and what a client is told in the end."""

import pytest

from llm_router.gateway import verdicts
from llm_router.gateway.upstream_failure import Reason, UpstreamFailure
from llm_router.gateway.verdicts import Verdict, final, ledger_code, of_network, of_reading, of_unusable
from llm_router.routing.health import Availability
from llm_router.routing.order import Choice
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Candidate, Wire
from llm_router.routing.readings import Reading
from llm_router.wire.errors import Failure

A, B = Candidate("a", "m"), Candidate("b", "m")


def closed(candidate: Candidate, reason: str, chance: float | None) -> Choice:
    return Choice(candidate, Availability.CLOSED, reason, chance)


def read(outcome: Outcome, *, status: int = 500, wait: float | None = None, code: str = "", name: str = "a") -> Verdict:
    return of_reading(name, status, Reading(outcome, code, f"{name} says no", wait))


@pytest.mark.parametrize("reason", list(Reason))
def test_network_failures(reason: Reason):
    """A time-out is 504, the rest 503; only what never reached an upstream's work may be tried again."""
    verdict = of_network("a", UpstreamFailure(reason, "why"))

    if reason in {Reason.CONNECT_TIMEOUT, Reason.FIRST_BYTE_TIMEOUT, Reason.IDLE_TIMEOUT}:
        assert verdict.failure == Failure(504, "timeout", "`a` did not answer: why")
    else:
        assert verdict.failure == Failure(503, "provider_unavailable", "`a` cannot be reached: why", retry_after=1.0)
    assert (verdict.outcome, verdict.reason, verdict.status) == (Outcome.OUTAGE, reason.value, None)
    assert verdict.counts
    assert verdict.retries is (reason in {Reason.DNS, Reason.CONNECT, Reason.CONNECT_TIMEOUT, Reason.BROKEN})


@pytest.mark.parametrize(
    ("outcome", "status", "expected"),
    [
        (Outcome.CREDENTIAL, 401, (502, "upstream_auth_failed", None, False)),
        (Outcome.REQUEST, 422, (422, "c", None, None)),
        (Outcome.REQUEST, 200, (400, "c", None, None)),  # an error event in place of output
        (Outcome.THROTTLE, 429, (429, "c", 60.0, None)),
        (Outcome.OUTAGE, 503, (503, "c", 60.0, None)),
        (Outcome.OUTAGE, 200, (502, "c", 60.0, None)),
    ],
)
def test_refusals(outcome: Outcome, status: int, expected: tuple[int, str, float | None, bool | None]):
    """Never a status below 400, never a 401 of an upstream's, never a Retry-After that an SDK ignores."""
    verdict = of_reading("a", status, Reading(outcome, "c", "words", 7000.0))
    failure = verdict.failure

    assert (failure.status, failure.code, failure.retry_after, failure.should_retry) == expected
    assert (verdict.reason, verdict.status, verdict.wait) == ("c", status, 7000.0)


def test_what_cannot_be_called_says_nothing_of_its_health():
    """No upstream was asked."""
    assert (of_unusable("no key").counts, of_unusable("no key").retries) == (False, False)


@pytest.mark.parametrize(
    ("failed", "choices", "expected"),
    [
        pytest.param(
            {A: read(Outcome.OUTAGE), B: read(Outcome.THROTTLE, name="b")},
            [closed(A, "degraded (outage) for another 30 s", 30), closed(B, "cooling (throttle) for another 9 s", 9)],
            (503, "provider_unavailable", "a says no; b says no", 9, None),
            id="asked in vain: each said once",
        ),
        pytest.param(
            {},
            [closed(A, "degraded (outage) for another 700 s", 700), closed(B, "paused (x) until it is resumed", None)],
            (
                *(503, "provider_unavailable"),
                "`a/m` is degraded (outage) for another 700 s; `b/m` is paused (x) until it is resumed",
                *(60, None),
            ),
            id="nobody could be asked",
        ),
        pytest.param(
            {A: read(Outcome.THROTTLE, status=429, code="slow_down")},
            [closed(A, "cooling (throttle) for another 9 s", 9), closed(B, "cooling (exhausted) for another 50 s", 50)],
            (429, "slow_down", "a says no; `b/m` is cooling (exhausted) for another 50 s", 9, None),
            id="all throttled or used up",
        ),
        pytest.param(
            {A: read(Outcome.EXHAUSTED, status=429, code="insufficient_quota")},
            [closed(A, "cooling (exhausted) for another 900 s", 900)],
            (429, "insufficient_quota", "a says no; open again in 900 s", None, False),
            id="used up for long",
        ),
        pytest.param(
            {A: read(Outcome.CREDENTIAL, status=401)},
            [closed(A, "cooling (credential) for another 900 s", 900)],
            (502, "upstream_auth_failed", "`a` refused the router's key with 401: a says no", None, False),
            id="refused keys",
        ),
        pytest.param(
            {A: of_unusable("the key of `a` cannot be read")},
            [Choice(A, Availability.OPEN, "healthy", 0.0)],
            (503, "provider_unavailable", "the key of `a` cannot be read", 1, None),
            id="no key to be had",
        ),
        pytest.param(
            {A: of_network("a", UpstreamFailure(Reason.FIRST_BYTE_TIMEOUT, "slow"))},
            [Choice(A, Availability.OPEN, "healthy", 0.0)],
            (504, "timeout", "`a` did not answer: slow", None, None),
            id="one time-out",
        ),
        pytest.param(
            {},
            [],
            (503, "provider_unavailable", "no account can answer for this model", 60, None),
            id="nobody there",
        ),
    ],
)
def test_the_final_answer(failed: dict[Candidate, Verdict], choices: list[Choice], expected: tuple[object, ...]):
    """Status, code, every reason once, and when to try again."""
    failure = final(failed, choices)

    assert (failure.status, failure.code, failure.message, failure.retry_after, failure.should_retry) == expected


def test_a_lone_accounts_words():
    """Told as they are, where LiteLLM stood between."""
    verdict = read(Outcome.OUTAGE, status=500, code="server_error")
    choices = [closed(A, "degraded (outage) for another 30 s", 30)]

    assert final({A: verdict}, choices, alone=True) == verdict.failure
    assert final({A: verdict}, choices).status == 503


def test_codes_for_the_ledger():
    """The contract's names, and an upstream's own where the caller was wrong."""
    codes = {
        "provider_unavailable": ledger_code(verdicts.unavailable("x")),
        "upstream_auth_failed": ledger_code(read(Outcome.CREDENTIAL, status=401).failure),
        "timeout": ledger_code(Failure(504, "timeout", "x")),
        "server_error": ledger_code(Failure(500, "server_error", "x")),
        "context_length_exceeded": ledger_code(Failure(400, "context_length_exceeded", "x")),
    }
    assert codes == {
        "provider_unavailable": "AI_PROVIDER_UNAVAILABLE",
        "upstream_auth_failed": "AI_AUTH_FAILED",
        "timeout": "TIMEOUT",
        "server_error": "LLM_API_ERROR",
        "context_length_exceeded": "context_length_exceeded",
    }


def test_lanes_and_scopes():
    """Both are the caller's own business, and no retry helps."""
    assert verdicts.no_lane(A, Wire.EMBEDDINGS).should_retry is False
    assert verdicts.out_of_scope("m" * 1000).message == f"This key may not ask for `{'m' * 200}`"
