"""The limits of a single gateway: dictionaries, bounded, with a line in the journal for whatever is counted.

Windows and idle times are measured by a clock that never jumps. Every operation costs the same for ten sessions and for
a hundred thousand: what is idle leaves from the old end of an ordered dictionary, a few at a time.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_router.routing.limits import (
    Ask,
    RateWindow,
    Refused,
    check_budget,
    check_messages,
    queue_refusal,
    rate_refusal,
)
from llm_router.routing.slots import Line, Slots, Stage, Ticket
from llm_router.state.checkpoint import Charged, Keeper
from llm_router.state.port import AFFINITY_TTL, SESSION_TTL, Admitted, OnWait, SessionUse
from llm_router.state.roll import Roll

MOST_SESSIONS = 250_000
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


class _Place(Ticket):
    """A request's place, where its reservation is, and the future that wakes it when it waits."""

    __slots__ = ("key", "label", "session", "woken")

    def __init__(self, label: str, session: Session, key: KeyState) -> None:
        self.line = session
        self.stage = Stage.NEW
        self.label = label
        self.session = session
        self.key = key
        self.woken: asyncio.Future[None] | None = None


class MemoryLimits:
    """Rate windows, budgets and lines of one process."""

    def __init__(self, keeper: Keeper | None, clocks: Clocks, bounds: Bounds) -> None:
        self._keeper = keeper
        self._steady, self._wall = clocks.steady, clocks.wall
        self._bounds = bounds
        self._keys: dict[str, KeyState] = {}
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._charged: Roll[Charged] = Roll()

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
        # A limit that holds is not asked for its refusal: this is on the way of every request.
        if ask.messages > limits.messages and (refused := check_messages(limits, ask.messages)):
            return refused
        key = self._keys.get(ask.key)
        if key is None:
            key = self._keys[ask.key] = KeyState()
        label = f"{ask.key}/{ask.session}"
        session = self._sessions.get(label)
        if session is None:
            session = Session()
        used = session.charged + session.reserved
        if used + ask.tokens > limits.session_tokens and (refused := check_budget(limits, used, ask.tokens)):
            return refused
        if limits.requests_per_minute and (wait := key.window.wait(limits.requests_per_minute, now)):
            return rate_refusal(limits, wait)
        if session.waiting and key.slots.is_full(session, limits):
            return queue_refusal(limits)
        return self._count(ask, now, _Place(label, session, key))

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
                self._keeper.hit(ask.key, self._wall())
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
            if not session.charged:
                self._charged.put(place.label, session)
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
                self._charged.drop(label)
            else:
                return
