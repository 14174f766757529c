"""The health of one account for one model: Rule 1 is that nothing that affects a transition lives elsewhere.

    state       event                         next
    ─────────   ───────────────────────────   ─────────────────────────────────────────────────────────
    any         success                       healthy; failures and episodes forgotten
    healthy     outage, fewer than the limit  healthy, one failure more
    healthy     outage, the limit reached     degraded, for base × 2^episodes seconds, at most the cap
    degraded    outage (a late answer)        degraded, its time unchanged
    half-open   outage (the probe failed)     degraded, for twice as long as before, at most the cap
    any         throttle                      cooling, for the server's time within the throttle cap
    any         exhausted, credential         cooling, for the server's time within the reason's cap
    degraded    its time is over, a request   half-open: that request is the one probe
    cooling     its time is over, a request   throttle: healthy again; else half-open: that request is the one probe
    half-open   another request               refused until the probe ends or its lease runs out
    half-open   probe abandoned               as before the probe, free for the next one at once
    any         paused by a person            paused, until resumed
    paused      resumed by a person           healthy

A caller's own fault (`Outcome.REQUEST`) is not an event: it never moves an account's health. Times are seconds since
the epoch, given by the caller. No wait is longer than the cap of its reason, whatever the clock does: when it is over,
or when the clock was set back to before it began, a real request probes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from llm_router.routing.outcome import Outcome


class State(StrEnum):
    """Where an account × model stands."""

    HEALTHY = "healthy"
    COOLING = "cooling"
    DEGRADED = "degraded"
    HALF_OPEN = "half-open"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """The numbers of a profile, all times in seconds."""

    failures_until_degraded: int = 3
    base: float = 30.0
    cap: float = 900.0
    probe_lease: float = 120.0  # a probe that has not ended by then no longer bars the next one
    default_waits: Mapping[Outcome, float] = field(
        default_factory=lambda: MappingProxyType(
            {Outcome.THROTTLE: 10.0, Outcome.EXHAUSTED: 900.0, Outcome.CREDENTIAL: 900.0}
        )
    )
    caps: Mapping[Outcome, float] = field(
        default_factory=lambda: MappingProxyType(
            {Outcome.THROTTLE: 900.0, Outcome.EXHAUSTED: 3600.0, Outcome.CREDENTIAL: 1800.0}
        )
    )


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one account × model."""

    state: State = State.HEALTHY
    reason: str = ""  # an Outcome, or the words of the person who paused it
    failures: int = 0  # outages in a row
    episodes: int = 0  # how often it was degraded without a success between
    since: float = 0.0
    until: float = 0.0  # when a probe may be made; 0 while healthy or paused
    probe_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state, for the event log."""

    before: State
    after: State
    reason: str


class Availability(StrEnum):
    """What a request may do with an account × model now."""

    OPEN = "open"
    PROBE = "probe"
    CLOSED = "closed"


HEALTHY = Health()


def availability(health: Health, now: float, policy: HealthPolicy) -> Availability:
    """Whether a request may use it, may be its probe, or must go elsewhere."""
    match health.state:
        case State.HEALTHY:
            return Availability.OPEN
        case State.PAUSED:
            return Availability.CLOSED
        case State.HALF_OPEN:
            return Availability.CLOSED if 0 <= now - health.probe_since < policy.probe_lease else Availability.PROBE
    if health.since <= now < _bounded_until(health, policy):
        return Availability.CLOSED
    return Availability.OPEN if health.reason == Outcome.THROTTLE else Availability.PROBE


def next_chance(health: Health, now: float, policy: HealthPolicy) -> float | None:
    """Seconds until a request may try it: 0 when it may now, None when only a person can open it."""
    if availability(health, now, policy) is not Availability.CLOSED:
        return 0.0
    match health.state:
        case State.PAUSED:
            return None
        case State.HALF_OPEN:
            return _left(health.probe_since, policy.probe_lease, now)
    return min(_left(health.since, _cap(health, policy), now), max(0.0, health.until - now))


def begin_probe(health: Health, now: float) -> Health:
    """The request about to be sent is the probe."""
    return replace(health, state=State.HALF_OPEN, since=now, probe_since=now)


def abandon_probe(health: Health, now: float) -> Health:
    """The probe ended without a verdict (its client left): the next request may probe."""
    if health.state is not State.HALF_OPEN:
        return health
    return replace(health, state=State.DEGRADED, since=now, until=now, probe_since=0.0)


def succeeded(health: Health, now: float) -> Health:
    """An answer was given."""
    if health.state is State.PAUSED or health == HEALTHY:
        return health
    return Health(since=now)


def failed(health: Health, outcome: Outcome, now: float, policy: HealthPolicy, *, wait: float | None = None) -> Health:
    """A call ended with `outcome`; `wait` is the seconds that the server asked for, if it did."""
    if health.state is State.PAUSED or outcome in {Outcome.SUCCESS, Outcome.REQUEST}:
        return health
    if health.state is State.COOLING and availability(health, now, policy) is Availability.OPEN:
        health = replace(health, state=State.HEALTHY)
    if outcome is Outcome.OUTAGE:
        return _outage(health, now, policy)
    asked = policy.default_waits[outcome] if wait is None or wait < 0 else wait
    until = now + min(asked, policy.caps[outcome])
    if health.state is State.COOLING and health.since <= now and health.until > until and health.reason == outcome:
        return health
    return replace(health, state=State.COOLING, reason=outcome.value, since=now, until=until, probe_since=0.0)


def paused(health: Health, now: float, words: str) -> Health:
    """A person closed it."""
    return replace(health, state=State.PAUSED, reason=words, since=now, until=0.0, probe_since=0.0)


def resumed(now: float) -> Health:
    """A person opened it, whatever it waited for."""
    return Health(since=now)


def transition(before: Health, after: Health) -> Transition | None:
    """What changed for the event log; None when the state is the same."""
    if before.state is after.state:
        return None
    return Transition(before.state, after.state, after.reason or before.reason)


def _outage(health: Health, now: float, policy: HealthPolicy) -> Health:
    match health.state:
        case State.HALF_OPEN:
            return _degrade(health, now, policy)
        case State.DEGRADED | State.COOLING:
            return replace(health, failures=health.failures + 1)
    failures = health.failures + 1
    if failures < policy.failures_until_degraded:
        return replace(health, failures=failures, reason=Outcome.OUTAGE.value)
    return _degrade(health, now, policy)


def _degrade(health: Health, now: float, policy: HealthPolicy) -> Health:
    # 2**16 base times is beyond any cap, and keeps the power of two small.
    wait = min(policy.base * 2.0 ** min(health.episodes, 16), policy.cap)
    return Health(
        state=State.DEGRADED,
        reason=Outcome.OUTAGE.value,
        failures=health.failures + 1,
        episodes=health.episodes + 1,
        since=now,
        until=now + wait,
    )


def _bounded_until(health: Health, policy: HealthPolicy) -> float:
    """The end of a wait: a cap that was lowered meanwhile counts too."""
    return min(health.until, health.since + _cap(health, policy))


def _cap(health: Health, policy: HealthPolicy) -> float:
    """The longest that a wait of this kind may be."""
    if health.state is State.COOLING and health.reason in policy.caps:
        return policy.caps[Outcome(health.reason)]
    return policy.cap


def _left(begun: float, length: float, now: float) -> float:
    """What is left of a wait; moments since the epoch are coarse, and rounding must not make it longer."""
    return min(length, max(0.0, begun + length - now))
