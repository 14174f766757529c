"""What a client key may use: its limits as values, and what each refusal tells the client.

Checks come in this order, and the first that trips answers: messages, session budget, rate, queue. A refused request
is counted nowhere. `0` turns a limit off.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from llm_router.errors import UsageError
from llm_router.wire.errors import Failure
from llm_router.wire.formats import Wire

WINDOW = 60.0  # seconds over which requests are counted
OUTPUT_RESERVE = 256  # tokens kept for an answer whose length nobody capped
QUEUE_RETRY = 5.0  # seconds; nobody knows when a waiting request will be done
STATE_RETRY = 2.0  # seconds; shared state that is gone is asked again about as often

# Beyond these a number is a slip of the hand: it would never bind, or never let anything through in time.
LARGEST: Mapping[str, int] = MappingProxyType(
    {
        "requests_per_minute": 1_000_000,
        "session_tokens": 1_000_000_000_000,
        "output_cap": 10_000_000,
        "messages": 1_000_000,
        "session_concurrency": 10_000,
        "session_queue": 10_000,
        "concurrency": 10_000,
    }
)


class BadLimit(UsageError):
    """A limit is negative, no whole number, or larger than makes sense."""

    code = "key.bad_limit"


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What one client key may use; 0 turns a limit off. Raises BadLimit for a number out of its range."""

    requests_per_minute: int = 60
    session_tokens: int = 200_000
    output_cap: int = 4096  # tokens of one answer
    messages: int = 2000  # in one request
    session_concurrency: int = 1  # requests of one session that run at the same time; more of them wait
    session_queue: int = 20  # requests of one session that wait
    concurrency: int = 8  # requests of the key that run at the same time; more of them wait

    def __post_init__(self) -> None:
        """Refuse what no limit can be. Raises BadLimit."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST[one.name]:
                raise BadLimit(
                    f"`{one.name}` must be a whole number from 0 to {LARGEST[one.name]}, not {value!r}",
                    hints=["0 turns a limit off"],
                    unharmed="Nothing was changed",
                )


UNLIMITED = KeyLimits(0, 0, 0, 0, 0, 0, 0)
# An agent sends calls in parallel, sets large output caps of its own, and works for hours in one session.
PRESETS: Mapping[str, KeyLimits] = MappingProxyType(
    {
        "app": KeyLimits(),
        "agent": KeyLimits(requests_per_minute=600, session_tokens=20_000_000, output_cap=0, session_concurrency=0),
    }
)


class Limit(StrEnum):
    """Which check refused a request, by the stable code that ledger and events use."""

    MESSAGES = "CONFLICT"
    BUDGET = "AI_SESSION_TOKEN_BUDGET_EXCEEDED"
    RATE = "AI_RATE_LIMITED"
    QUEUE = "SKILL_QUEUE_OVERFLOW"
    STATE = "AI_STATE_UNAVAILABLE"  # limits are kept in shared state, and it cannot be asked


@dataclass(slots=True)  # not frozen, which would double the cost of making one; nobody changes it
class Ask:
    """What a request would use. `session` is a hash of what the client calls its conversation, never its own text."""

    key: str
    session: str
    limits: KeyLimits
    messages: int = 0
    tokens: int = 0  # an estimate: prompt and answer


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that must not reach an upstream. Times are seconds from now."""

    limit: Limit
    message: str
    ceiling: int = 0
    remaining: int = 0
    reset: float | None = None  # until one more request fits
    retry_after: float | None = None  # None: trying again is of no use

    @property
    def code(self) -> str:
        """The stable code for ledger and events."""
        return self.limit.value

    def failure(self, wire: Wire, now: float) -> Failure:
        """The answer in a client's own wire; `now` is seconds since the epoch, for the form that names a moment."""
        status, code, openai, anthropic = ANSWERS[self.limit]
        return Failure(
            status,
            code,
            self.message,
            retry_after=None if self.retry_after is None else math.ceil(self.retry_after),
            should_retry=False if self.retry_after is None else None,
            type=anthropic if wire is Wire.MESSAGES else openai,
            more_headers=tuple(self._headers(wire, now)),
        )

    def _headers(self, wire: Wire, now: float) -> list[tuple[str, str]]:
        found = []
        if self.retry_after is not None:
            found.append(("retry-after-ms", str(max(1, math.ceil(self.retry_after * 1000)))))
        if self.limit is Limit.RATE and self.reset is not None:
            found += rate_headers(wire, self.ceiling, self.remaining, self.reset, now)
        return found


# limit -> status, the wires' own code, OpenAI's type, Anthropic's type
ANSWERS: Mapping[Limit, tuple[int, str, str, str]] = {
    Limit.MESSAGES: (409, "conversation_too_long", "invalid_request_error", "invalid_request_error"),
    Limit.BUDGET: (429, "session_token_budget_exceeded", "insufficient_quota", "rate_limit_error"),
    Limit.RATE: (429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_error"),
    Limit.QUEUE: (429, "queue_full", "rate_limit_error", "rate_limit_error"),
    Limit.STATE: (503, "state_unavailable", "service_unavailable", "overloaded_error"),
}


def rate_headers(wire: Wire, limit: int, remaining: int, reset: float, now: float) -> list[tuple[str, str]]:
    """The rate headers as each wire's own providers write them: OpenAI a duration, Anthropic a moment."""
    if wire is Wire.MESSAGES:
        moment = datetime.fromtimestamp(math.ceil(now + reset), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        values = {"limit": str(limit), "remaining": str(remaining), "reset": moment}
        return [(f"anthropic-ratelimit-requests-{name}", value) for name, value in values.items()]
    values = {"limit": str(limit), "remaining": str(remaining), "reset": f"{max(0.0, reset):.3f}s"}
    return [(f"x-ratelimit-{name}-requests", value) for name, value in values.items()]


def check_messages(limits: KeyLimits, messages: int) -> Refused | None:
    """Refuse a conversation that has grown too long; as many as the limit still pass."""
    if not limits.messages or messages <= limits.messages:
        return None
    return Refused(
        Limit.MESSAGES,
        f"The conversation has {messages} messages, and this key allows {limits.messages}; "
        "archive it and begin a new one",
        ceiling=limits.messages,
    )


def check_budget(limits: KeyLimits, used: int, tokens: int) -> Refused | None:
    """Refuse when `used` (charged and reserved) and `tokens` are more than the budget; equality passes."""
    if not limits.session_tokens or used + tokens <= limits.session_tokens:
        return None
    return budget_refusal(limits, used, tokens)


def budget_refusal(limits: KeyLimits, used: int, tokens: int) -> Refused:
    """The answer to a session whose budget does not hold this request."""
    return Refused(
        Limit.BUDGET,
        f"This session has used {used} of its {limits.session_tokens} tokens, and the request needs about {tokens}; "
        "begin a new session, or raise the key's session budget",
        ceiling=limits.session_tokens,
        remaining=max(0, limits.session_tokens - used),
    )


def rate_refusal(limits: KeyLimits, wait: float) -> Refused:
    """The answer to one request too many in a minute; `wait` is the time until one more fits."""
    wait = min(max(wait, 0.001), WINDOW)
    return Refused(
        Limit.RATE,
        f"This key allows {limits.requests_per_minute} requests a minute; one more fits in {math.ceil(wait)} s",
        ceiling=limits.requests_per_minute,
        reset=wait,
        retry_after=wait,
    )


def queue_refusal(limits: KeyLimits) -> Refused:
    """The answer to one waiting request too many."""
    return Refused(
        Limit.QUEUE,
        f"{limits.session_queue} requests of this session wait already",
        ceiling=limits.session_queue,
        retry_after=QUEUE_RETRY,
    )


def state_refusal() -> Refused:
    """The answer while the state that holds the limits cannot be reached: nothing uncounted is let through."""
    return Refused(
        Limit.STATE, "The router cannot reach the state that holds this key's limits", retry_after=STATE_RETRY
    )


def output_cap(limits: KeyLimits, asked: int | None) -> int | None:
    """The cap to write into a request, or None when it may stay as it is."""
    if not limits.output_cap or (asked is not None and asked <= limits.output_cap):
        return None
    return limits.output_cap


def clamped_header(member: str, asked: int | None, cap: int) -> tuple[str, str]:
    """What the client is told about a cap that was put in force."""
    return ("x-router-clamped", f"{member}={'unset' if asked is None else asked}->{cap}")


def tokens_to_reserve(prompt: int, cap: int | None) -> int:
    """What a request may use at most, as far as it is known: its prompt and the cap of its answer."""
    return prompt + (OUTPUT_RESERVE if cap is None else cap)


@dataclass(slots=True)
class RateWindow:
    """The moments of the requests of the last minute: exact, in the order they came."""

    hits: deque[float] = field(default_factory=deque)

    def wait(self, limit: int, now: float) -> float:
        """Seconds until one more fits; 0 when it does now."""
        hits = self.hits
        if hits and hits[-1] > now:
            self._clock_went_back(now)
        oldest = now - WINDOW
        while hits and hits[0] <= oldest:
            hits.popleft()
        over = len(hits) - limit
        # Rounding may make a window a hair longer than it is.
        return min(hits[over] + WINDOW - now, WINDOW) if over >= 0 else 0.0

    def _clock_went_back(self, now: float) -> None:
        """Count what lies in the future as of now: nobody waits longer than a window, and nothing is forgotten."""
        self.hits = deque(min(hit, now) for hit in self.hits)
