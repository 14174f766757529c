"""State in one process: dictionaries, bounded, with a checkpoint that survives a restart and a kill.

Windows and idle times are measured by a clock that never jumps; health by the wall clock, whose jumps routing.health
bounds. Every operation costs the same for ten sessions and for a hundred thousand: what is idle leaves from the old end
of an ordered dictionary, a few at a time.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from llm_router.routing.health import HEALTHY, Availability, Health, HealthPolicy, availability, begin_probe
from llm_router.routing.limits import (
    WINDOW,
    Ask,
    RateWindow,
    Refused,
    check_budget,
    check_messages,
    queue_refusal,
    rate_refusal,
)
from llm_router.routing.slots import Line, Slots, Stage, Ticket
from llm_router.state.checkpoint import Keeper, Kept
from llm_router.state.port import (
    AFFINITY_TTL,
    SESSION_TTL,
    Admitted,
    HealthChange,
    HealthChanged,
    OnWait,
    SessionUse,
    is_forgettable,
)

MOST_SESSIONS = 250_000
MOST_NAMES = 10_000  # candidates and models: a glob lets clients make up names
_LOOKED_AT = 2  # old sessions looked at for each new one, so their number can shrink


@dataclass(frozen=True, slots=True)
class Clocks:
    """`steady` never jumps and measures durations; `wall` is seconds since the epoch."""

    steady: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long, in seconds, and how many."""

    session_ttl: float = SESSION_TTL
    affinity_ttl: float = AFFINITY_TTL
    most_sessions: int = MOST_SESSIONS


REAL_CLOCKS = Clocks()
DEFAULT_BOUNDS = Bounds()


@dataclass(slots=True, eq=False)
class Session(Line):
    """One session of one key: its budget and its line."""

    charged: int = 0
    reserved: int = 0
    used_at: float = 0.0


@dataclass(slots=True, eq=False)
class KeyState:
    """One key: the requests of the last minute, and its places."""

    window: RateWindow = field(default_factory=RateWindow)
    slots: Slots = field(default_factory=Slots)


@dataclass(slots=True, eq=False)
class _Place(Ticket):
    """A request's place, where its reservation is, and the future that wakes it when it waits."""

    label: str = ""
    session: Session = field(default_factory=Session)
    key: KeyState = field(default_factory=KeyState)
    woken: "asyncio.Future[None] | None" = None


class MemoryStore:
    """The store of a single gateway. `keeper` writes the checkpoint; without one, nothing outlives the process."""

    def __init__(
        self, keeper: Keeper | None = None, *, clocks: Clocks = REAL_CLOCKS, bounds: Bounds = DEFAULT_BOUNDS
    ) -> None:
        self._keeper = keeper
        self._steady, self._wall = clocks.steady, clocks.wall
        self._bounds = bounds
        self._keys: dict[str, KeyState] = {}
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._bindings: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._health: dict[str, Health] = {}
        self._turns: dict[str, int] = {}

    async def open(self) -> None:
        """Load the checkpoint and begin to write the next."""
        if self._keeper is not None:
            self._restore(self._keeper.load())
            self._keeper.start(self._kept)

    async def close(self) -> None:
        """Write the last checkpoint."""
        if self._keeper is not None:
            await self._keeper.stop()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._wall()

    # ── limits

    async def admit(self, ask: Ask, on_wait: OnWait | None = None) -> Admitted | Refused:
        """Check every limit and count the request; wait while it has no place."""
        decided = self._decide(ask, self._steady())
        if isinstance(decided, Refused):
            return decided
        if decided.stage is Stage.RUNNING:
            return Admitted(ask, decided)
        return await self._wait(ask, decided, on_wait)

    async def finish(self, admitted: Admitted, charge: int) -> None:
        """Free its place and turn its reservation into `charge` tokens."""
        if admitted.finished:
            return
        admitted.finished = True
        place = admitted.handle
        if isinstance(place, _Place):
            self._give_back(admitted.ask, place, charge)

    async def session_use(self, key: str, session: str) -> SessionUse:
        """What a session has used."""
        held = self._sessions.get(f"{key}/{session}")
        return SessionUse(held.charged, held.reserved) if held is not None else SessionUse()

    def _decide(self, ask: Ask, now: float) -> "Refused | _Place":
        limits = ask.limits
        if refused := check_messages(limits, ask.messages):
            return refused
        key = self._keys.get(ask.key)
        if key is None:
            key = self._keys[ask.key] = KeyState()
        label = f"{ask.key}/{ask.session}"
        session = self._sessions.get(label)
        if session is None:
            session = Session()
        if refused := check_budget(limits, session.charged + session.reserved, ask.tokens):
            return refused
        if limits.requests_per_minute and (wait := key.window.wait(limits.requests_per_minute, now)):
            return rate_refusal(limits, wait)
        if key.slots.is_full(session, limits):
            return queue_refusal(limits)
        return self._count(ask, now, _Place(session, Stage.NEW, label, session, key))

    def _count(self, ask: Ask, now: float, place: _Place) -> _Place:
        """Everything passed: only now is the request counted anywhere."""
        session, key = place.session, place.key
        try:
            self._sessions.move_to_end(place.label)
        except KeyError:
            self._sweep(now)
            self._sessions[place.label] = session
        session.used_at = now
        session.reserved += ask.tokens
        if ask.limits.requests_per_minute:
            key.window.hits.append(now)
            if self._keeper is not None:
                self._keeper.hit(ask.key)
        key.slots.enter(place, ask.limits)
        return place

    async def _wait(self, ask: Ask, place: _Place, on_wait: OnWait | None) -> Admitted:
        position = place.session.waiting
        place.woken = asyncio.get_running_loop().create_future()
        began = self._steady()
        try:
            if on_wait is not None:
                on_wait(position)
            await place.woken
        except BaseException:
            self._give_back(ask, place, 0)
            raise
        return Admitted(ask, place, position, self._steady() - began, place.session.waiting)

    def _give_back(self, ask: Ask, place: _Place, charge: int) -> None:
        session = place.session
        session.reserved -= ask.tokens
        session.used_at = self._steady()
        self._sessions.move_to_end(place.label)
        if charge > 0:
            session.charged += charge
            if self._keeper is not None:
                self._keeper.charge(place.label, session.charged)
        for other in place.key.slots.leave(place, ask.limits):
            if isinstance(other, _Place) and other.woken is not None and not other.woken.done():
                other.woken.set_result(None)

    def _sweep(self, now: float) -> None:
        """Forget what is idle for too long, or oldest when there are too many; never what runs or waits."""
        for _ in range(_LOOKED_AT):
            label = next(iter(self._sessions), None)
            if label is None:
                return
            session = self._sessions[label]
            if not session.is_idle:
                self._sessions.move_to_end(label)
            elif now - session.used_at >= self._bounds.session_ttl or len(self._sessions) >= self._bounds.most_sessions:
                del self._sessions[label]
            else:
                return

    # ── health

    async def health(self, names: Sequence[str]) -> Mapping[str, Health]:
        """What is known of each candidate."""
        known = self._health
        return {name: known.get(name, HEALTHY) for name in names}

    async def all_health(self) -> Mapping[str, Health]:
        """What is known of every candidate."""
        return dict(self._health)

    async def change_health(self, name: str, change: HealthChange) -> HealthChanged:
        """Apply a pure change."""
        before = self._health.get(name, HEALTHY)
        after = change(before)
        if after != before:
            self._set_health(name, after)
        return HealthChanged(before, after)

    async def claim(self, name: str, policy: HealthPolicy) -> Availability:
        """OPEN, PROBE for exactly one, or CLOSED."""
        held = self._health.get(name)
        if held is None:
            return Availability.OPEN
        now = self._wall()
        state = availability(held, now, policy)
        if state is Availability.PROBE:
            self._set_health(name, begin_probe(held, now))
        return state

    def _set_health(self, name: str, health: Health) -> None:
        if is_forgettable(health):
            self._health.pop(name, None)
        else:
            _bound(self._health)
            self._health[name] = health
        if self._keeper is not None:
            self._keeper.health(name, health)

    # ── affinity and turns

    async def affinity(self, session: str) -> str | None:
        """The candidate that a session is bound to."""
        held = self._bindings.get(session)
        if held is None:
            return None
        now = self._steady()
        name, used_at = held
        if now - used_at >= self._bounds.affinity_ttl:
            del self._bindings[session]
            return None
        self._rebind(session, name, now)
        return name

    async def bind(self, session: str, name: str) -> None:
        """Bind a session to a candidate."""
        now = self._steady()
        while self._bindings:
            _, used_at = self._bindings[oldest := next(iter(self._bindings))]
            if now - used_at < self._bounds.affinity_ttl and len(self._bindings) < self._bounds.most_sessions:
                break
            del self._bindings[oldest]
        self._rebind(session, name, now)

    async def unbind(self, session: str) -> None:
        """Forget a session's candidate."""
        self._bindings.pop(session, None)

    async def turn(self, model: str) -> int:
        """The number of this choice."""
        number = self._turns.get(model, 0)
        if number == 0:
            _bound(self._turns)
        self._turns[model] = number + 1
        return number

    def _rebind(self, session: str, name: str, now: float) -> None:
        self._bindings[session] = (name, now)
        self._bindings.move_to_end(session)
        if self._keeper is not None:
            self._keeper.touched()

    # ── what outlives the process

    def _kept(self) -> Kept:
        """Everything as it stands; sessions and bindings are encoded later, a few at a time."""
        now, wall = self._steady(), self._wall()
        return Kept(
            rates={name: [wall - (now - hit) for hit in key.window.hits] for name, key in self._keys.items()},
            health=dict(self._health),
            turns=dict(self._turns),
            # The inner lists are made now, the rows when they are encoded: a newer total is as right as this one.
            sessions=(
                (label, held.charged, now - held.used_at)
                for label, held in list(self._sessions.items())
                if held.charged
            ),
            bindings=((session, name, now - used_at) for session, (name, used_at) in list(self._bindings.items())),
        )

    def _restore(self, kept: Kept) -> None:
        """Take over what another process left. Idle times go on where they stood: a clock that was set forward must
        not make budgets forgotten, and one set back must not keep a window full for longer than a window.
        """
        now, wall = self._steady(), self._wall()
        for name, moments in kept.rates.items():
            ages = sorted((max(0.0, wall - moment) for moment in moments), reverse=True)
            self._keys.setdefault(name, KeyState()).window.hits.extend(now - age for age in ages if age < WINDOW)
        for label, charged, idle in sorted(kept.sessions, key=lambda row: -row[2]):
            self._sessions[label] = Session(charged=charged, used_at=now - idle)
        for session, name, idle in sorted(kept.bindings, key=lambda row: -row[2]):
            self._bindings[session] = (name, now - idle)
        self._health.update(kept.health)
        self._turns.update(kept.turns)


def _bound[Held](held: dict[str, Held]) -> None:
    if len(held) >= MOST_NAMES:
        del held[next(iter(held))]
