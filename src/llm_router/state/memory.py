"""State in one process: limits, health, affinity and turns, with a checkpoint that survives a restart and a kill.

Health is measured by the wall clock, whose jumps routing.health bounds; everything else by a clock that never jumps.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from llm_router.routing.health import HEALTHY, Availability, Health, HealthPolicy, availability, begin_probe
from llm_router.routing.limits import WINDOW
from llm_router.state.checkpoint import Binding, Keeper, Kept, Source
from llm_router.state.memory_limits import DEFAULT_BOUNDS, REAL_CLOCKS, Bounds, Clocks, KeyState, MemoryLimits, Session
from llm_router.state.port import HealthChange, HealthChanged, is_forgettable
from llm_router.state.roll import Roll

MOST_NAMES = 10_000  # candidates and models: a glob lets clients make up names


class MemoryStore(MemoryLimits):
    """The store of a single gateway. `keeper` writes the checkpoint; without one, nothing outlives the process."""

    def __init__(
        self, keeper: Keeper | None = None, *, clocks: Clocks = REAL_CLOCKS, bounds: Bounds = DEFAULT_BOUNDS
    ) -> None:
        super().__init__(keeper, clocks, bounds)
        self._bindings: OrderedDict[str, Binding] = OrderedDict()
        self._bound: Roll[Binding] = Roll()
        self._health: dict[str, Health] = {}
        self._turns: dict[str, int] = {}

    async def open(self) -> None:
        """Load the checkpoint and begin to write the next."""
        if self._keeper is not None:
            self._restore(self._keeper.load())
            self._keeper.start(Source(self._small, self._adopt, self._steady, self._charged, self._bound))

    async def close(self) -> None:
        """Write the last checkpoint."""
        if self._keeper is not None:
            await self._keeper.stop()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._wall()

    # ── health

    async def health(self, names: Sequence[str]) -> Mapping[str, Health]:
        """What is known of each candidate."""
        found = dict.fromkeys(names, HEALTHY)
        if self._health:
            for name in names:
                found[name] = self._health.get(name, HEALTHY)
        return found

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
        if now - held.used_at >= self._bounds.affinity_ttl:
            self._release(session)
            return None
        self._rebind(session, held.name, now)
        return held.name

    async def bind(self, session: str, name: str) -> None:
        """Bind a session to a candidate."""
        now = self._steady()
        while self._bindings:
            held = self._bindings[oldest := next(iter(self._bindings))]
            if now - held.used_at < self._bounds.affinity_ttl and len(self._bindings) < self._bounds.most_sessions:
                break
            self._release(oldest)
        self._rebind(session, name, now)

    async def unbind(self, session: str) -> None:
        """Forget a session's candidate."""
        if session in self._bindings:
            self._release(session)

    async def turn(self, model: str) -> int:
        """The number of this choice."""
        number = self._turns.get(model, 0)
        if number == 0:
            _bound(self._turns)
        self._turns[model] = number + 1
        return number

    def _rebind(self, session: str, name: str, now: float) -> None:
        held = self._bindings.get(session)
        if held is None:
            held = self._bindings[session] = Binding(name, now)
            self._bound.put(session, held)
        else:
            held.name, held.used_at = name, now
            self._bindings.move_to_end(session)
        if self._keeper is not None:
            self._keeper.touched()

    def _release(self, session: str) -> None:
        del self._bindings[session]
        self._bound.drop(session)

    # ── what outlives the process

    def _small(self) -> Kept:
        """All but sessions and bindings, as it stands."""
        now, wall = self._steady(), self._wall()
        return Kept(
            rates={name: [wall - (now - hit) for hit in key.window.hits] for name, key in self._keys.items()},
            health=dict(self._health),
            turns=dict(self._turns),
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
            session = self._sessions[label] = Session(charged=charged, used_at=now - idle)
            self._charged.put(label, session)
        for bound, name, idle in sorted(kept.bindings, key=lambda row: -row[2]):
            self._rebind(bound, name, now - idle)
        self._health.update(kept.health)
        self._turns.update(kept.turns)

    def _adopt(self, kept: Kept) -> None:
        """An older gateway ended later than this one began: of two totals of a session, the larger counts."""
        now = self._steady()
        for label, charged, _ in kept.sessions:
            session = self._sessions.get(label)
            if session is None:
                session = self._sessions[label] = Session(used_at=now)
            if charged > session.charged:
                session.charged = charged
                self._charged.put(label, session)


def _bound[Held](held: dict[str, Held]) -> None:
    if len(held) >= MOST_NAMES:
        del held[next(iter(held))]
