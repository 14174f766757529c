"""The store in memory, with clocks that the test moves: nothing is exceeded, nothing leaks, nothing grows."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from llm_router.routing.health import Availability, Health, HealthPolicy, State
from llm_router.routing.limits import UNLIMITED, Ask, KeyLimits, Limit, Refused
from llm_router.state.memory import MOST_NAMES, MemoryStore
from llm_router.state.memory_limits import Bounds, Clocks
from llm_router.state.port import Admitted, SessionUse

LIMITS = KeyLimits(
    requests_per_minute=5, session_tokens=100, session_concurrency=1, session_queue=2, concurrency=2, messages=0
)


def clock(start: float = 1000.0) -> SimpleNamespace:
    """Two clocks that stand still."""
    return SimpleNamespace(steady=start, wall=1_800_000_000.0)


def store_at(moment: SimpleNamespace, **bounds: float) -> MemoryStore:
    clocks = Clocks(steady=lambda: moment.steady, wall=lambda: moment.wall)
    return MemoryStore(clocks=clocks, bounds=replace(Bounds(), **bounds))


async def serve(store: MemoryStore, ask: Ask, charge: int = 0) -> None:
    found = await store.admit(ask)
    assert isinstance(found, Admitted)
    await store.finish(found, charge)


async def test_the_minute_slides():
    """One more fits exactly when the oldest request is a minute old, and not before."""
    moment = clock()
    store = store_at(moment)
    limits = replace(UNLIMITED, requests_per_minute=2)
    ask = Ask("app", "s", limits)
    await serve(store, ask)
    moment.steady += 20
    await serve(store, ask)

    moment.steady += 39.5
    found = await store.admit(ask)
    assert isinstance(found, Refused)
    assert (found.limit, found.retry_after) == (Limit.RATE, 0.5)
    moment.steady += 0.5
    await serve(store, ask)
    assert isinstance(await store.admit(ask), Refused)


async def test_the_wall_clock_does_not_matter_to_limits():
    """Set forward by a year it opens nothing, set back by a year it locks nobody out."""
    moment = clock()
    store = store_at(moment)
    ask = Ask("app", "s", replace(UNLIMITED, requests_per_minute=1, session_tokens=10), tokens=10)
    await serve(store, ask, charge=10)

    moment.wall += 365 * 86400
    assert isinstance(await store.admit(ask), Refused)
    moment.wall -= 2 * 365 * 86400
    moment.steady += 60
    await serve(store, replace(ask, session="other"))


async def test_idle_sessions_are_forgotten():
    """A day after its last request a session's budget is gone; one that is used stays."""
    moment = clock()
    store = store_at(moment, session_ttl=100)
    ask = Ask("app", "old", replace(UNLIMITED, session_tokens=100), tokens=1)
    await serve(store, ask, charge=50)
    moment.steady += 60
    await serve(store, replace(ask, session="used"), charge=50)
    moment.steady += 60

    await serve(store, replace(ask, session="new"))

    assert await store.session_use("app", "old") == SessionUse()
    assert await store.session_use("app", "used") == SessionUse(50, 0)


async def test_the_number_of_sessions_is_bounded():
    """The longest idle goes first, never one whose request runs."""
    store = store_at(clock(), most_sessions=10)
    ask = Ask("app", "running", replace(UNLIMITED, session_tokens=100), tokens=7)
    running = await store.admit(ask)
    assert isinstance(running, Admitted)

    for number in range(1000):
        await serve(store, replace(ask, session=f"s{number}"), charge=1)

    assert await store.session_use("app", "running") == SessionUse(0, 7)
    assert await store.session_use("app", "s0") == SessionUse()
    assert await store.session_use("app", "s999") == SessionUse(1, 0)
    assert len(store._sessions) <= 11


async def test_bindings_last_an_hour_after_their_last_use():
    """Asking refreshes them, and their number is bounded."""
    moment = clock()
    store = store_at(moment, most_sessions=10)
    await store.bind("a", "acme/large")
    moment.steady += 3000
    assert await store.affinity("a") == "acme/large"
    moment.steady += 3599
    assert await store.affinity("a") == "acme/large"
    moment.steady += 3600
    assert await store.affinity("a") is None

    for number in range(100):
        await store.bind(f"s{number}", "acme/large")
    assert await store.affinity("s0") is None
    assert await store.affinity("s99") == "acme/large"
    assert len(store._bindings) == 10


async def test_names_that_clients_make_up_are_bounded():
    """A glob lets a client ask for any model."""
    store = store_at(clock())
    for number in range(MOST_NAMES + 10):
        await store.turn(f"m{number}")
        await store.change_health(f"acme/m{number}", lambda _: Health(State.PAUSED))

    assert (len(store._turns), len(await store.all_health())) == (MOST_NAMES, MOST_NAMES)
    assert await store.claim(f"acme/m{MOST_NAMES + 9}", HealthPolicy()) is Availability.CLOSED


class Traffic(RuleBasedStateMachine):
    """Requests come, wait, leave and end in any order; what was admitted is counted beside the store."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = clock()
        self.runner = asyncio.Runner()
        self.store = store_at(self.moment)
        self.tasks: list[tuple[Ask, asyncio.Task[Admitted | Refused]]] = []
        self.running: list[Admitted] = []
        self.hits: list[float] = []
        self.charged = {"a": 0, "b": 0, "c": 0}

    def teardown(self) -> None:
        """Everybody leaves: no place and no reservation is left over."""
        for _, task in self.tasks:
            task.cancel()
        self.turn()
        while self.running:
            self.end(0)
            self.turn()
        for session in self.charged:
            assert self.use(session) == SessionUse(self.charged[session], 0)
        key = self.store._keys.get("app")
        assert key is None or (key.slots.running, len(key.slots.queue)) == (0, 0)
        assert all(session.is_idle for session in self.store._sessions.values())
        self.runner.close()

    @rule(session=st.sampled_from("abc"), tokens=st.integers(0, 60))
    def come(self, session: str, tokens: int) -> None:
        ask = Ask("app", session, LIMITS, tokens=tokens)
        before = len(self.hits)
        task = self.runner.get_loop().create_task(self.store.admit(ask), name="request")
        self.turn()
        if task.done() and isinstance(refused := task.result(), Refused):
            fits = [hit for hit in self.hits if hit > self.moment.steady - 60]
            use = self.use(session)
            expected = Limit.BUDGET if use.charged + use.reserved + tokens > 100 else Limit.RATE
            if expected is Limit.RATE and len(fits) < 5:
                expected = Limit.QUEUE
            assert refused.limit is expected
            assert len(self.hits) == before
            return
        self.hits.append(self.moment.steady)
        self.tasks.append((ask, task))
        self.turn()

    @precondition(lambda self: any(not task.done() for _, task in self.tasks))
    @rule(data=st.data())
    def leave_while_waiting(self, data: st.DataObject) -> None:
        waiting = [task for _, task in self.tasks if not task.done()]
        data.draw(st.sampled_from(waiting)).cancel()
        self.turn()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), share=st.floats(0, 1))
    def finish(self, data: st.DataObject, share: float) -> None:
        number = data.draw(st.integers(0, len(self.running) - 1))
        self.running.append(self.running.pop(number))
        self.end(int(self.running[-1].ask.tokens * share))

    @rule(seconds=st.integers(1, 45))
    def time_passes(self, seconds: int) -> None:
        self.moment.steady += seconds

    @rule(seconds=st.integers(-(10**9), 10**9))
    def the_wall_clock_jumps(self, seconds: int) -> None:
        self.moment.wall += seconds

    def end(self, charge: int) -> None:
        held = self.running.pop()
        self.charged[held.ask.session] += charge
        self.runner.run(self.store.finish(held, charge))
        self.turn()

    def turn(self) -> None:
        """Let everybody go on who can."""

        async def some() -> None:
            for _ in range(4):
                await asyncio.sleep(0)

        self.runner.run(some())
        for ask, task in list(self.tasks):
            if task.done():
                self.tasks.remove((ask, task))
                if not task.cancelled():
                    found = task.result()
                    assert isinstance(found, Admitted)
                    self.running.append(found)

    def use(self, session: str) -> SessionUse:
        return self.runner.run(self.store.session_use("app", session))

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert len([hit for hit in self.hits if hit > self.moment.steady - 60]) <= 5
        assert len(self.running) <= 2
        for session in self.charged:
            use = self.use(session)
            assert use.charged + use.reserved <= 100
            assert use.charged == self.charged[session]
            assert sum(held.ask.session == session for held in self.running) <= 1
            assert sum(ask.session == session for ask, _ in self.tasks) <= 2


Traffic.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestTraffic = Traffic.TestCase
