"""What only a shared store can show: several gateways, one that dies, and a Redis that goes away and comes back."""

import asyncio
import json
import os
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from support.polling import eventually
from support.redis_server import RedisServer, running

from llm_router.routing.health import HEALTHY, Availability, Health, HealthPolicy, State
from llm_router.routing.limits import UNLIMITED, WINDOW, Ask, KeyLimits, Limit, Refused
from llm_router.state.link import connect
from llm_router.state.port import Admitted, SessionUse
from llm_router.state.redis import RedisOptions, RedisStore

pytestmark = pytest.mark.needs("redis")
TESTS = Path(__file__).parents[2]
ONE = replace(UNLIMITED, concurrency=1)


async def gateway(url: str, prefix: str, *, lease: float = 30.0, events: "list[str] | None" = None) -> RedisStore:
    told = events if events is not None else []
    options = RedisOptions(prefix=prefix, lease=lease)
    store = RedisStore(connect(url, None), options=options, on_event=lambda event, _: told.append(event))
    await store.open()
    return store


async def crash(store: RedisStore) -> None:
    """The process ends without giving anything back."""
    for task in store._tasks:
        task.cancel()
    await asyncio.wait(store._tasks)
    await store._link.close()


async def admitted(store: RedisStore, ask: Ask) -> Admitted:
    found = await store.admit(ask)
    assert isinstance(found, Admitted), found
    return found


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex


@pytest.mark.parametrize(
    ("kind", "limits", "expected"), [("rate", (60, 0, 0), 60), ("budget", (0, 605, 0), 60), ("slots", (0, 0, 3), 200)]
)
async def test_two_processes_never_exceed_one_limit(redis_server, prefix, kind, limits, expected):
    """100 requests from each of two gateways at the same time: exactly as many as one gateway would let through."""
    worker = TESTS / "support" / "redis_worker.py"
    command = [sys.executable, str(worker), redis_server.url, prefix, *map(str, limits), "100", kind]
    processes = [
        await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        await process.stdin.drain()
    reports = [json.loads((await process.communicate())[0]) for process in processes]

    assert sum(report["admitted"] for report in reports) == expected
    if kind == "slots":
        assert max(report["most"] for report in reports) <= 3


async def test_a_place_given_back_by_one_gateway_wakes_a_request_of_another(redis_server, prefix):
    """First come first served over both."""
    first, second = await gateway(redis_server.url, prefix), await gateway(redis_server.url, prefix)
    held = await admitted(first, Ask("app", "s", ONE))
    places: list[int] = []
    waiting = asyncio.create_task(second.admit(Ask("app", "s", ONE), places.append), name="waiting")
    await eventually(lambda: places == [1])

    await first.finish(held, 0)
    found = await asyncio.wait_for(waiting, 5)

    assert isinstance(found, Admitted)
    await second.finish(found, 0)
    await first.close()
    await second.close()


async def test_a_gateway_that_dies_frees_its_places_after_a_lease(redis_server, prefix):
    """Its running request, its reservation and its place in line; the others go on."""
    dying = await gateway(redis_server.url, prefix, lease=1.5)
    living = await gateway(redis_server.url, prefix, lease=1.5)
    limits = replace(ONE, session_tokens=100)
    await admitted(dying, Ask("app", "s", limits, tokens=80))
    await crash(dying)
    places: list[int] = []

    found = await asyncio.wait_for(living.admit(Ask("app", "other", limits, tokens=100), places.append), 20)

    assert isinstance(found, Admitted)
    assert places == [1]
    assert await living.session_use("app", "s") == SessionUse()
    await living.close()


async def test_leases_of_the_living_are_renewed(redis_server, prefix):
    """A request that takes longer than a lease keeps its place."""
    store = await gateway(redis_server.url, prefix, lease=1.5)
    held = await admitted(store, Ask("app", "s", ONE))
    waiting = asyncio.create_task(store.admit(Ask("app", "s", ONE)), name="waiting")

    done, _ = await asyncio.wait([waiting], timeout=3.0)

    assert not done
    await store.finish(held, 0)
    await store.finish(await asyncio.wait_for(waiting, 5), 0)
    await store.close()


async def test_the_minute_slides(redis_server, prefix):
    """What is older than a minute by the server's clock counts no more; what lies in its future counts as of now."""
    store = await gateway(redis_server.url, prefix)
    ask = Ask("app", "s", replace(UNLIMITED, requests_per_minute=2))
    client = connect(redis_server.url, None)
    for _ in range(2):
        await store.finish(await admitted(store, ask), 0)
    place = next(iter(await client.keys(f"{prefix}:rate*")))

    moments = [float(moment) for moment in await client.lrange(place, 0, -1)]
    await client.lset(place, 1, str(moments[1] - WINDOW - 1))
    await store.finish(await admitted(store, ask), 0)
    assert isinstance(await store.admit(ask), Refused)

    await client.lset(place, 0, str(moments[0] + 10**8))
    refused = await store.admit(ask)
    assert isinstance(refused, Refused)
    assert refused.retry_after is not None
    assert refused.retry_after <= WINDOW
    assert 0 < await client.ttl(place) <= WINDOW
    await client.aclose()
    await client.connection_pool.disconnect()
    await store.close()


async def test_redis_goes_away_and_comes_back(tmp_path, prefix):
    """Limits fail closed, health, affinity and turns go on, both moments are told once, nothing is charged twice."""
    limits = KeyLimits(requests_per_minute=60, session_tokens=1000, session_concurrency=0)
    ask = Ask("app", "s", limits, tokens=10)
    degraded = Health(State.DEGRADED, "outage", 3, 1, since=10.0, until=4e9)
    events: list[str] = []
    with running(tmp_path) as server:
        store = await gateway(server.url, prefix, events=events)
        held = await admitted(store, ask)
        await store.change_health("acme/large", lambda _: degraded)
        assert [await store.turn("default") for _ in range(3)] == [0, 1, 2]
        server.stop()

        refused = await store.admit(ask)
        assert isinstance(refused, Refused)
        assert (refused.limit, refused.retry_after) == (Limit.STATE, 2.0)
        assert await store.health(["acme/large", "acme/small"]) == {"acme/large": degraded, "acme/small": HEALTHY}
        assert await store.claim("acme/small", HealthPolicy()) is Availability.OPEN
        assert await store.affinity("s") is None
        await store.bind("s", "acme/large")
        assert await store.turn("default") == 3
        assert isinstance(await store.admit(replace(ask, limits=UNLIMITED)), Admitted)
        await store.finish(held, 25)
        assert events == ["state_unavailable"]

        server.start()
        await eventually(lambda: events == ["state_unavailable", "state_recovered"])
        await eventually(lambda: not store._leases.owed)

        assert await store.session_use("app", "s") == SessionUse(25, 0)
        await store.finish(await admitted(store, ask), 5)
        assert await store.session_use("app", "s") == SessionUse(30, 0)
        await store.close()


async def test_a_gateway_that_starts_before_redis(tmp_path, prefix):
    """It says so, and serves as soon as Redis is there."""
    events: list[str] = []
    server = RedisServer(tmp_path)
    store = await gateway(server.url, prefix, events=events)
    ask = Ask("app", "s", KeyLimits())
    assert isinstance(await store.admit(ask), Refused)
    try:
        server.start()
        await eventually(lambda: "state_recovered" in events)

        await store.finish(await admitted(store, ask), 0)
    finally:
        await store.close()
        server.stop()


async def test_requests_in_flight_count_again_after_redis_lost_everything(tmp_path, prefix):
    """A restarted Redis has forgotten who runs; the gateways tell it, and a waiting request is refused, not stuck."""
    events: list[str] = []
    with running(tmp_path) as server:
        store = await gateway(server.url, prefix, lease=3.0, events=events)
        held = await admitted(store, Ask("app", "s", ONE, tokens=7))
        places: list[int] = []
        waiting = asyncio.create_task(store.admit(Ask("app", "s", ONE), places.append), name="waiting")
        await eventually(lambda: places == [1])
        server.stop()
        server.start()

        found = await asyncio.wait_for(waiting, 20)
        assert isinstance(found, Refused)
        assert found.limit is Limit.STATE
        assert await store.session_use("app", "s") == SessionUse(0, 7)
        again = asyncio.create_task(store.admit(Ask("app", "s", ONE), places.append), name="again")
        await eventually(lambda: places == [1, 1])

        await store.finish(held, 3)
        await store.finish(await asyncio.wait_for(again, 10), 0)
        assert await store.session_use("app", "s") == SessionUse(3, 0)
        await store.close()


async def test_a_request_cancelled_in_the_middle_of_its_admission_holds_nothing(redis_server, prefix):
    """Cancelled at every possible moment, no place and no reservation is left over."""
    store = await gateway(redis_server.url, prefix)
    limits = replace(ONE, session_tokens=1000, requests_per_minute=10_000)
    for turns in range(40):
        task = asyncio.create_task(store.admit(Ask("app", "s", limits, tokens=10)), name="cancelled")
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.done() and isinstance(found := task.result(), Admitted):
            await store.finish(found, 0)
        task.cancel()
        await asyncio.wait([task])
    await eventually(lambda: not store._leases.owed and not store._leases.held)

    assert await store.session_use("app", "s") == SessionUse()
    found = await asyncio.wait_for(admitted(store, Ask("app", "s", limits, tokens=1000)), 5)
    await store.finish(found, 0)
    await store.close()


async def test_what_another_release_wrote_is_as_if_nothing_were_known(redis_server, prefix):
    """Health that cannot be read opens the candidate."""
    store = await gateway(redis_server.url, prefix)
    await store._client.hset(f"{prefix}:health", "acme/large", '{"state": "purple"}')

    assert await store.health(["acme/large"]) == {"acme/large": HEALTHY}
    assert await store.claim("acme/large", HealthPolicy()) is Availability.OPEN
    await store.close()


async def test_redis_hangs(tmp_path, prefix):
    """A server that accepts and never answers is gone like any other, and what it does late holds no place."""
    events: list[str] = []
    limits = replace(ONE, session_tokens=1000)
    with running(tmp_path) as server:
        store = await gateway(server.url, prefix, events=events)
        await store.finish(await admitted(store, Ask("app", "s", limits, tokens=10)), 1)
        server.hang()
        found = await asyncio.wait_for(store.admit(Ask("app", "s", limits, tokens=10)), 15)
        assert isinstance(found, Refused)
        assert (found.limit, events) == (Limit.STATE, ["state_unavailable"])

        server.go_on()
        await eventually(lambda: "state_recovered" in events and not store._leases.owed)

        again = await asyncio.wait_for(admitted(store, Ask("app", "s", limits, tokens=999)), 5)
        await store.finish(again, 0)
        assert await store.session_use("app", "s") == SessionUse(1, 0)
        await store.close()


@pytest.mark.parametrize(("password", "expected"), [("canary-right", []), ("canary-wrong", ["state_unavailable"])])
async def test_a_password(tmp_path, prefix, password, expected):
    """The right one opens; a wrong one is an outage that is told without it."""
    told: list[tuple[str, str]] = []
    with running(tmp_path, "--requirepass", "canary-right") as server:
        store = RedisStore(
            connect(server.url, password),
            options=RedisOptions(prefix=prefix),
            on_event=lambda *event: told.append(event),
        )
        await store.open()
        found = await store.admit(Ask("app", "s", KeyLimits()))
        await store.close()

    assert isinstance(found, Refused if expected else Admitted)
    assert [event for event, _ in told] == expected
    assert "canary" not in str(told)
