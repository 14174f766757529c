"""How calls fail and what a client is told in the end: decisions on values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_router.gateway.upstream_failure import Reason, UpstreamFailure
from llm_router.routing.health import Availability
from llm_router.routing.order import Choice, nearest_chance
from llm_router.routing.outcome import Outcome
from llm_router.routing.plan import Candidate, Wire
from llm_router.routing.readings import Reading
from llm_router.wire.errors import Failure

LONGEST_RETRY_AFTER = 60.0  # seconds; SDKs ignore more
_TIMED_OUT = frozenset({Reason.CONNECT_TIMEOUT, Reason.FIRST_BYTE_TIMEOUT, Reason.IDLE_TIMEOUT})
# A connection that never came about, or broke before an answer, may be tried again; the rest would come again.
_WORTH_RETRY = frozenset({Reason.DNS, Reason.CONNECT, Reason.CONNECT_TIMEOUT, Reason.BROKEN})
# The gateway's own codes, as the ledger and the audit trail name them.
_LEDGER_CODES = {
    "provider_unavailable": "AI_PROVIDER_UNAVAILABLE",
    "upstream_auth_failed": "AI_AUTH_FAILED",
    "invalid_api_key": "AI_AUTH_FAILED",
    "ai_not_configured": "AI_NOT_CONFIGURED",
    "rate_limit_exceeded": "AI_RATE_LIMITED",
    "timeout": "TIMEOUT",
    "internal_error": "INTERNAL",
    "stream_disconnected": "LLM_API_ERROR",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one call failed: for the health machine, for the ledger, and for the client."""

    outcome: Outcome
    reason: str  # a short code: the network's reason, or the upstream's own code
    failure: Failure
    status: int | None = None  # None when there was no answer
    wait: float | None = None  # seconds that the server asked for
    counts: bool = True  # whether it says anything about the account's health
    retries: bool = False  # whether the same call may be made again


def ledger_code(failure: Failure) -> str:
    """The code under which a failure stands in the ledger."""
    if (code := _LEDGER_CODES.get(failure.code)) is not None:
        return code
    if failure.status == 429:
        return "AI_RATE_LIMITED"
    return "LLM_API_ERROR" if failure.status >= 500 or failure.status == 408 else failure.code


def unavailable(message: str, *, retry_after: float = 1.0) -> Failure:
    """Nobody can answer now."""
    return Failure(503, "provider_unavailable", message, retry_after=min(max(retry_after, 1.0), LONGEST_RETRY_AFTER))


def of_network(upstream: str, error: UpstreamFailure, *, counts: bool = True) -> Verdict:
    """An upstream that could not be reached or did not answer."""
    if error.reason in _TIMED_OUT:
        failure = Failure(504, "timeout", f"`{upstream}` did not answer: {error.detail}")
    else:
        failure = unavailable(f"`{upstream}` cannot be reached: {error.detail}")
    retries = error.reason in _WORTH_RETRY
    return Verdict(Outcome.OUTAGE, error.reason.value, failure, counts=counts, retries=retries)


def of_unusable(message: str) -> Verdict:
    """A candidate that cannot be called: it has no address, or its key cannot be read."""
    return Verdict(Outcome.CREDENTIAL, "not_usable", unavailable(message), counts=False)


def of_reading(upstream: str, status: int, reading: Reading) -> Verdict:
    """An upstream's refusal."""
    told = reading.message or f"`{upstream}` answered {status}"
    if reading.outcome is Outcome.CREDENTIAL:
        # A client that is told 401 throws its own sign-in away, though it was the upstream's that failed.
        text = f"`{upstream}` refused the router's key with {status}: {reading.message or 'no reason given'}"
        failure = Failure(502, "upstream_auth_failed", text, should_retry=False)
    elif reading.outcome is Outcome.REQUEST:
        failure = Failure(max(status, 400), reading.code or "invalid_request_error", told)
    else:
        retry_after = None if reading.wait is None else min(reading.wait, LONGEST_RETRY_AFTER)
        code = reading.code or "upstream_error"
        failure = Failure(status if status >= 400 else 502, code, told, retry_after=retry_after)
    return Verdict(reading.outcome, reading.code or f"status_{status}", failure, status, reading.wait)


def no_lane(candidate: Candidate, wire: Wire) -> Failure:
    """A candidate that cannot be asked in this format."""
    return Failure(400, "unsupported_format", f"`{candidate}` cannot be asked in the {wire} format", should_retry=False)


def out_of_scope(model: str) -> Failure:
    """A model that this client key may not ask for."""
    return Failure(403, "model_not_allowed", f"This key may not ask for `{model[:200]}`", should_retry=False)


def final(failed: Mapping[Candidate, Verdict], choices: Sequence[Choice], *, alone: bool = False) -> Failure:
    """What the client is told when nobody answered. `alone`: there was one candidate, whose own words are told."""
    verdicts = list(failed.values())
    nearest = nearest_chance(choices)
    outcomes = {verdict.outcome for verdict in verdicts}
    closed = [choice for choice in choices if choice.availability is Availability.CLOSED]
    skipped = [choice for choice in closed if choice.candidate not in failed]
    if alone and len(verdicts) == 1 and verdicts[0].outcome is Outcome.OUTAGE and verdicts[0].status is not None:
        return verdicts[0].failure
    outcomes |= {_outcome_of(choice) for choice in skipped}
    reasons = [verdict.failure.message for verdict in verdicts]
    reasons += [f"`{choice.candidate}` is {choice.reason}" for choice in skipped]
    text = "; ".join(dict.fromkeys(reasons)) or "no account can answer for this model"
    if outcomes == {Outcome.CREDENTIAL} and any(verdict.counts for verdict in verdicts):
        return Failure(502, "upstream_auth_failed", text, should_retry=False)
    if outcomes and outcomes <= {Outcome.THROTTLE, Outcome.EXHAUSTED}:
        return _throttled(text, verdicts, nearest)
    if len(verdicts) == 1 and not skipped and verdicts[0].failure.status == 504:
        return verdicts[0].failure
    return unavailable(text, retry_after=nearest if nearest is not None else LONGEST_RETRY_AFTER)


def _throttled(text: str, verdicts: Sequence[Verdict], nearest: float | None) -> Failure:
    code = next((verdict.reason for verdict in verdicts if verdict.reason), "rate_limit_exceeded")
    wait = nearest if nearest is not None else LONGEST_RETRY_AFTER
    if wait > LONGEST_RETRY_AFTER:
        # A longer Retry-After is ignored by the SDKs, which would ask again at once.
        return Failure(429, code, f"{text}; open again in {wait:.0f} s", should_retry=False, type="rate_limit_error")
    return Failure(429, code, text, retry_after=max(wait, 1.0), type="rate_limit_error")


def _outcome_of(choice: Choice) -> Outcome:
    for outcome in (Outcome.THROTTLE, Outcome.EXHAUSTED, Outcome.CREDENTIAL):
        if f"({outcome.value})" in choice.reason:
            return outcome
    return Outcome.OUTAGE
