"""In which order candidates are tried, and why each would be chosen or skipped: one function for both uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from llm_router.routing.health import Availability, Health, HealthPolicy, availability, next_chance
from llm_router.routing.plan import Candidate, Strategy


@dataclass(frozen=True, slots=True)
class Standing:
    """One candidate and what is known of it."""

    candidate: Candidate
    health: Health
    weight: int = 1
    cost: float | None = None  # USD per million tokens, blended; None when unknown, 0 for a plan account
    latency: float | None = None  # seconds to the first byte, smoothed; None when never measured


@dataclass(frozen=True, slots=True)
class Choice:
    """One candidate's place: `open` and `probe` may be called, in order; `closed` is skipped."""

    candidate: Candidate
    availability: Availability
    reason: str
    next_chance: float | None  # seconds; None when only a person can open it

    @property
    def is_skipped(self) -> bool:
        """Whether it is left out now."""
        return self.availability is Availability.CLOSED


def choose(
    standings: Sequence[Standing],
    strategy: Strategy,
    policy: HealthPolicy,
    *,
    now: float,
    bound: Candidate | None = None,
    turn: int = 0,
) -> list[Choice]:
    """Every candidate with its place: those that may be called first, in order, then the skipped ones.

    `bound` is the candidate that the session is bound to: first if it may be called at all. `turn` counts the choices
    made for this model and moves round-robin and weighted on. A candidate that needs a probe keeps its place: a real
    request is the only probe there is, and failover saves the request when it fails.
    """
    ranked = _rank(standings, strategy, turn)
    choices = [_choice(standing, policy, now=now, bound=bound) for standing in ranked]
    callable_ = [choice for choice in choices if not choice.is_skipped]
    callable_.sort(key=lambda choice: choice.candidate != bound)
    return [*callable_, *(choice for choice in choices if choice.is_skipped)]


def nearest_chance(choices: Sequence[Choice]) -> float | None:
    """Seconds until the first of the skipped candidates may be tried; None when only a person can open one."""
    return min((choice.next_chance for choice in choices if choice.next_chance is not None), default=None)


def _choice(standing: Standing, policy: HealthPolicy, *, now: float, bound: Candidate | None) -> Choice:
    state = availability(standing.health, now, policy)
    wait = next_chance(standing.health, now, policy)
    health = standing.health
    match state:
        case Availability.OPEN if standing.candidate == bound:
            reason = "the session is bound to it"
        case Availability.OPEN:
            reason = "healthy" if not health.failures else f"healthy, {health.failures} failures in a row"
        case Availability.PROBE:
            reason = f"{health.state}: this request is the probe"
        case _:
            until = "until it is resumed" if wait is None else f"for another {wait:.0f} s"
            reason = f"{health.state} ({health.reason}) {until}"
    return Choice(standing.candidate, state, reason, wait)


def _rank(standings: Sequence[Standing], strategy: Strategy, turn: int) -> list[Standing]:
    listed = list(standings)
    if len(listed) < 2:
        return listed
    match strategy:
        case Strategy.AS_LISTED:
            return listed
        case Strategy.ROUND_ROBIN:
            first = turn % len(listed)
            return listed[first:] + listed[:first]
        case Strategy.WEIGHTED:
            return _weighted(listed, turn)
        case Strategy.CHEAPEST:
            return sorted(listed, key=lambda held: (held.cost is None, held.cost or 0.0))
        case Strategy.FASTEST:
            # One that was never measured goes first once, else it never would be.
            return sorted(listed, key=lambda held: (held.latency is not None, held.latency or 0.0))


def _weighted(standings: list[Standing], turn: int) -> list[Standing]:
    """Each first as often as its weight says, spread evenly; the rest in the order of their weights."""
    total = sum(max(standing.weight, 0) for standing in standings)
    if total == 0:
        return standings
    # A golden-ratio walk over the weights spreads the turns without any state beside the counter.
    place = (turn * 0.618033988749895 % 1.0) * total
    for index, standing in enumerate(standings):
        place -= max(standing.weight, 0)
        if place < 0:
            rest = standings[:index] + standings[index + 1 :]
            return [standing, *sorted(rest, key=lambda held: -held.weight)]
    return standings
