"""The contract of the state port: the same for the store in memory and for the one in Redis."""

import asyncio
from dataclasses import replace

from llm_router.routing.health import HEALTHY, Availability, Health, HealthPolicy, State, failed, paused, succeeded
from llm_router.routing.limits import UNLIMITED, Ask, KeyLimits, Limit, Refused
from llm_router.routing.outcome import Outcome
from llm_router.state.port import Admitted, SessionUse, StateStore

APP = KeyLimits()
ONE_AT_A_TIME = replace(UNLIMITED, session_concurrency=1, session_queue=20)


def ask(limits: KeyLimits = APP, *, key: str = "app", session: str = "a1", messages: int = 1, tokens: int = 10) -> Ask:
    return Ask(key, session, limits, messages, tokens)


async def admitted(store: StateStore, wanted: Ask) -> Admitted:
    found = await store.admit(wanted)
    assert isinstance(found, Admitted), found
    return found


async def refused(store: StateStore, wanted: Ask) -> Refused:
    found = await store.admit(wanted)
    assert isinstance(found, Refused), found
    return found


async def serve(store: StateStore, wanted: Ask, charge: int = 0) -> None:
    await store.finish(await admitted(store, wanted), charge)


async def queued(store: StateStore, wanted: Ask, name: str) -> "tuple[asyncio.Task[Admitted | Refused], int]":
    """A request that waits in line, and its place."""
    place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(store.admit(wanted, place.set_result), name=name)
    return task, await asyncio.wait_for(place, 5)


async def test_requests_of_a_minute(store: StateStore):
    """As many as the limit pass, the next is told when to come again, and another key is not concerned."""
    limits = replace(UNLIMITED, requests_per_minute=5)
    for number in range(5):
        await serve(store, ask(limits, session=f"s{number}"))

    found = await refused(store, ask(limits, session="another"))

    assert (found.limit, found.ceiling, found.remaining) == (Limit.RATE, 5, 0)
    assert found.retry_after is not None
    assert 30 < found.retry_after <= 60
    await serve(store, ask(limits, key="other"))


async def test_a_limit_that_is_changed(store: StateStore):
    """The minute goes on: what was counted under the old limit counts under the new one."""
    few, many = replace(UNLIMITED, requests_per_minute=2), replace(UNLIMITED, requests_per_minute=4)
    for _ in range(2):
        await serve(store, ask(few))
    for _ in range(2):
        await serve(store, ask(many))

    assert Limit.RATE is (await refused(store, ask(many))).limit
    assert Limit.RATE is (await refused(store, ask(few))).limit


async def test_refused_requests_are_counted_nowhere(store: StateStore):
    """However often a full session asks, its key's minute and its budget stay as they were."""
    limits = replace(UNLIMITED, requests_per_minute=3, session_tokens=100)
    await serve(store, ask(limits, tokens=100), charge=100)
    for _ in range(5):
        assert Limit.BUDGET is (await refused(store, ask(limits, tokens=1))).limit

    await serve(store, ask(limits, session="b", tokens=1))
    await serve(store, ask(limits, session="c", tokens=1))

    assert Limit.RATE is (await refused(store, ask(limits, session="d", tokens=1))).limit
    assert SessionUse(100, 0) == await store.session_use("app", "a1")
    assert SessionUse(0, 0) == await store.session_use("app", "d")


async def test_budget_at_its_edge(store: StateStore):
    """199 200 used and 800 more is the whole budget; 801 is too much; the estimate gives way to what was reported."""
    await serve(store, ask(tokens=500), charge=199_200)

    found = await refused(store, ask(tokens=801))
    held = await admitted(store, ask(tokens=800))

    assert (found.limit, found.ceiling, found.remaining, found.retry_after) == (Limit.BUDGET, 200_000, 800, None)
    assert SessionUse(199_200, 800) == await store.session_use("app", "a1")
    await store.finish(held, 300)
    assert SessionUse(199_500, 0) == await store.session_use("app", "a1")


async def test_reservations_of_requests_in_flight_count(store: StateStore):
    """Two requests that fit one by one do not fit together; a failed one costs nothing."""
    limits = replace(UNLIMITED, session_tokens=1000)
    first = await admitted(store, ask(limits, tokens=600))

    assert Limit.BUDGET is (await refused(store, ask(limits, tokens=600))).limit
    await store.finish(first, 0)
    await serve(store, ask(limits, tokens=1000), charge=7)

    assert SessionUse(7, 0) == await store.session_use("app", "a1")


async def test_finishing_twice_is_finishing_once(store: StateStore):
    """The second charge is nobody's."""
    held = await admitted(store, ask(tokens=5))

    await store.finish(held, 5)
    await store.finish(held, 5)

    assert SessionUse(5, 0) == await store.session_use("app", "a1")


async def test_messages_of_a_conversation(store: StateStore):
    """2000 pass; message 2001 is refused before anything else is looked at, and trying again is of no use."""
    await serve(store, ask(messages=2000))

    found = await refused(store, ask(messages=2001, tokens=10**9))

    assert (found.limit, found.ceiling, found.retry_after) == (Limit.MESSAGES, 2000, None)


async def test_order_of_the_checks(store: StateStore):
    """Budget before rate before queue."""
    limits = KeyLimits(requests_per_minute=2, session_tokens=100, session_concurrency=1, session_queue=1)
    running = await admitted(store, ask(limits, tokens=1))
    waiting, _ = await queued(store, ask(limits, tokens=1), "waiting")

    assert Limit.BUDGET is (await refused(store, ask(limits, tokens=1000))).limit
    assert Limit.RATE is (await refused(store, ask(limits, tokens=1))).limit

    await store.finish(running, 0)
    await store.finish(await waiting, 0)


async def test_one_session_runs_one_request_at_a_time(store: StateStore):
    """The rest wait in the order in which they came, and each is told its place."""
    running = await admitted(store, ask(ONE_AT_A_TIME))
    tasks = [await queued(store, ask(ONE_AT_A_TIME), f"waiting-{number}") for number in range(3)]
    assert [place for _, place in tasks] == [1, 2, 3]
    await serve(store, ask(ONE_AT_A_TIME, session="another session is not concerned"))

    order = []
    for number, (task, _) in enumerate(tasks):
        assert not task.done()
        await store.finish(running, 0)
        running = await asyncio.wait_for(task, 5)
        order.append((running.position, running.left_waiting))
        assert [False] * (2 - number) == [later.done() for later, _ in tasks[number + 1 :]]
    await store.finish(running, 0)

    assert order == [(1, 2), (2, 1), (3, 0)]


async def test_the_line_is_bounded(store: StateStore):
    """Twenty wait, the twenty-first is refused and may come again."""
    running = await admitted(store, ask(ONE_AT_A_TIME))
    tasks = [(await queued(store, ask(ONE_AT_A_TIME), f"waiting-{number}"))[0] for number in range(20)]

    found = await refused(store, ask(ONE_AT_A_TIME))

    assert (found.limit, found.ceiling) == (Limit.QUEUE, 20)
    assert found.retry_after
    for task in tasks:
        await store.finish(running, 0)
        running = await asyncio.wait_for(task, 5)
    await store.finish(running, 0)
    await serve(store, ask(ONE_AT_A_TIME))


async def test_a_key_runs_so_many_requests_at_a_time(store: StateStore):
    """Requests of all its sessions share the key's places, first come first served."""
    limits = replace(UNLIMITED, concurrency=2)
    first, second = [await admitted(store, ask(limits, session=name)) for name in "ab"]
    third, _ = await queued(store, ask(limits, session="c"), "third")
    fourth, _ = await queued(store, ask(limits, session="d"), "fourth")

    await store.finish(second, 0)
    running = await asyncio.wait_for(third, 5)

    assert not fourth.done()
    for held in (first, running, await _after(store, first, fourth)):
        await store.finish(held, 0)


async def _after(store: StateStore, held: Admitted, task: "asyncio.Task[Admitted | Refused]") -> Admitted:
    await store.finish(held, 0)
    found = await asyncio.wait_for(task, 5)
    assert isinstance(found, Admitted)
    return found


async def test_a_client_that_leaves_while_it_waits(store: StateStore):
    """Its place in line, its reservation and its turn are free again."""
    limits = replace(ONE_AT_A_TIME, session_tokens=100)
    running = await admitted(store, ask(limits))
    leaving, _ = await queued(store, ask(limits), "leaving")
    staying, place = await queued(store, ask(limits), "staying")
    leaving.cancel()
    await asyncio.wait([leaving])
    assert place == 2

    await store.finish(running, 0)
    await store.finish(await asyncio.wait_for(staying, 5), 4)
    await serve(store, ask(limits, tokens=96))

    assert SessionUse(4, 0) == await store.session_use("app", "a1")


async def test_a_key_without_limits(store: StateStore):
    """Nothing is refused and nothing waits."""
    held = [await admitted(store, ask(UNLIMITED, messages=9999, tokens=10**9)) for _ in range(100)]

    for one in held:
        await store.finish(one, 10**6)


async def test_many_clients_at_once_never_exceed_a_limit(store: StateStore):
    """200 requests of 20 sessions at the same time: no session and no key ever runs more than it may."""
    limits = replace(UNLIMITED, session_concurrency=2, concurrency=5)
    now: dict[str, int] = {}
    most = {"key": 0, "session": 0}

    async def client(number: int) -> None:
        session = f"s{number % 20}"
        held = await admitted(store, ask(limits, session=session))
        now[session] = now.get(session, 0) + 1
        most["session"] = max(most["session"], now[session])
        most["key"] = max(most["key"], sum(now.values()))
        await asyncio.sleep(0)
        now[session] -= 1
        await store.finish(held, 1)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(client(number), name=f"client-{number}")

    assert most["session"] <= 2
    assert most["key"] == 5
    assert [SessionUse(10, 0)] * 20 == [await store.session_use("app", f"s{number}") for number in range(20)]


async def test_health_changes_and_is_seen(store: StateStore):
    """What a pure change makes of a candidate is what everybody reads; healthy again, nothing is kept of it."""
    now, policy = store.now(), HealthPolicy(failures_until_degraded=1)
    changed = await store.change_health("acme/large", lambda held: failed(held, Outcome.OUTAGE, now, policy))

    assert (changed.before, changed.after.state) == (HEALTHY, State.DEGRADED)
    assert {"acme/large": changed.after, "acme/small": HEALTHY} == await store.health(["acme/large", "acme/small"])
    assert {"acme/large": changed.after} == await store.all_health()

    again = await store.change_health("acme/large", lambda held: succeeded(held, now))
    assert State.HEALTHY is again.after.state
    assert await store.all_health() == {}


async def test_no_change_of_health_is_lost(store: StateStore):
    """Fifty failures at once are fifty failures."""
    policy = HealthPolicy(failures_until_degraded=1000)

    async def fail() -> None:
        await store.change_health("acme/large", lambda held: failed(held, Outcome.OUTAGE, 1.0, policy))

    await asyncio.gather(*(fail() for _ in range(50)))

    assert (await store.health(["acme/large"]))["acme/large"].failures == 50


async def test_one_probe_for_all(store: StateStore):
    """After the cool-down one request of many is the probe; the rest go elsewhere until it has ended."""
    policy = HealthPolicy()
    over = Health(State.DEGRADED, "outage", 3, 1, since=store.now() - 100, until=store.now() - 50)
    await store.change_health("acme/large", lambda _: over)

    found = await asyncio.gather(*(store.claim("acme/large", policy) for _ in range(30)))

    assert sorted(found) == [Availability.CLOSED] * 29 + [Availability.PROBE]
    assert Availability.OPEN is await store.claim("acme/small", policy)
    await store.change_health("acme/large", lambda held: succeeded(held, store.now()))
    assert Availability.OPEN is await store.claim("acme/large", policy)


async def test_a_paused_candidate_stays_closed(store: StateStore):
    """A person's word is not overruled."""
    await store.change_health("acme/large", lambda held: paused(held, store.now(), "maintenance"))

    assert Availability.CLOSED is await store.claim("acme/large", HealthPolicy())


async def test_affinity(store: StateStore):
    """A session stays bound until it is bound elsewhere or released."""
    assert await store.affinity("a1") is None

    await store.bind("a1", "acme/large")
    await store.bind("b2", "other/small")
    assert (await store.affinity("a1"), await store.affinity("b2")) == ("acme/large", "other/small")
    await store.bind("a1", "other/small")
    assert await store.affinity("a1") == "other/small"
    await store.unbind("a1")

    assert await store.affinity("a1") is None


async def test_turns(store: StateStore):
    """Every choice of a model has a number of its own."""
    assert ([await store.turn("default") for _ in range(3)], await store.turn("cheap")) == ([0, 1, 2], 0)
