"""The port: what several requests, and with Redis several gateways, must agree on.

    limits     admit → (wait) → Admitted | Refused, then finish; a request that dies without `finish` loses its lease
    health     read, change through the pure functions of routing.health, claim the one probe
    affinity   session → candidate, for an hour after its last use
    turns      a counter a model, for round-robin and weighted orders

When shared state cannot be reached, limits fail closed (`Limit.STATE`), and health, affinity and turns fail open: the
gateway goes on with what it knows itself. `on_event` tells of both moments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from llm_router.routing.health import Availability, Health, HealthPolicy, State
from llm_router.routing.limits import Ask, Refused

AFFINITY_TTL = 3600.0  # seconds
SESSION_TTL = 24 * 3600.0  # seconds without a request, after which a session's budget is forgotten

type OnEvent = Callable[[str, str], None]  # event name, detail: `state_unavailable`, `state_recovered`, `state_lost`
type OnWait = Callable[[int], None]  # the place in the line, from 1
type HealthChange = Callable[[Health], Health]


def no_event(event: str, detail: str) -> None:
    """Tell nobody."""


@dataclass(slots=True, eq=False)
class Admitted:
    """A request that may go to an upstream. Give it to `finish` exactly when it ends, however it ends."""

    ask: Ask
    handle: object  # the store's own
    position: int = 0  # the place it had in the line; 0 when it ran at once
    waited: float = 0.0  # seconds in the line
    left_waiting: int = 0  # requests of its session that waited when it began to run
    finished: bool = False


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """What `change_health` found and left. They are equal when nothing changed."""

    before: Health
    after: Health


@dataclass(frozen=True, slots=True)
class SessionUse:
    """What a session has used of its budget: charged tokens, and those reserved by requests that run or wait."""

    charged: int = 0
    reserved: int = 0


class StateStore(Protocol):
    """Shared state. Methods raise nothing but CancelledError."""

    async def open(self) -> None:
        """Load or connect. State that cannot be reached is reported through `on_event`, and tried again."""
        ...

    async def close(self) -> None:
        """Keep what is to be kept and let go of files and connections."""
        ...

    def now(self) -> float:
        """Seconds since the epoch, by the clock that all gateways of this state share; for health."""
        ...

    async def admit(self, ask: Ask, on_wait: OnWait | None = None) -> Admitted | Refused:
        """Check every limit and count the request; wait while it has no place. Cancelled, it gives everything back."""
        ...

    async def finish(self, admitted: Admitted, charge: int) -> None:
        """Free its place and turn its reservation into `charge` tokens, 0 when it failed. Twice is once."""
        ...

    async def session_use(self, key: str, session: str) -> SessionUse:
        """What a session has used."""
        ...

    async def health(self, names: Sequence[str]) -> Mapping[str, Health]:
        """What is known of each candidate; healthy where nothing is."""
        ...

    async def all_health(self) -> Mapping[str, Health]:
        """What is known of every candidate of which anything is known."""
        ...

    async def change_health(self, name: str, change: HealthChange) -> HealthChanged:
        """Apply a pure change to what is known now; no other change comes between."""
        ...

    async def claim(self, name: str, policy: HealthPolicy) -> Availability:
        """OPEN; PROBE when the caller's request is the one probe from now on; CLOSED for everybody else."""
        ...

    async def affinity(self, session: str) -> str | None:
        """The candidate that a session is bound to; asking refreshes it."""
        ...

    async def bind(self, session: str, name: str) -> None:
        """Bind a session to a candidate."""
        ...

    async def unbind(self, session: str) -> None:
        """Forget a session's candidate."""
        ...

    async def turn(self, model: str) -> int:
        """The number of this choice for `model`, from 0."""
        ...


def is_forgettable(health: Health) -> bool:
    """Whether it says no more than that nothing is known."""
    return health.state is State.HEALTHY and not health.failures and not health.episodes
