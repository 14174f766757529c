"""Two real workers of one home under load: one is killed, the number changes, and the ledger has every answer once."""

import asyncio
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.load import Load, Target, failures, summary
from support.rawhttp import answer, ask, scripted_upstream
from support.redis_server import running

from llm_router.home import Home
from llm_router.routing.plan import (
    Candidate,
    GatewaySettings,
    Model,
    Plan,
    Policy,
    TranslatorSettings,
    Upstream,
    Wire,
)
from llm_router.routing.shared_state import SharedState
from llm_router.secrets.client_keys import Wanted, create_key
from llm_router.supervisor.launches import Commands
from llm_router.supervisor.runner import Timing
from llm_router.supervisor.sockets import free_port
from llm_router.testing.supervised import Supervised

pytestmark = pytest.mark.needs("redis")
LIMITS = {"requests_per_minute": 0, "session_tokens": 0, "session_concurrency": 0, "concurrency": 2000}
GOOD = answer(200, b'{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}}')
TARGET = Target("direct", "/v1/chat/completions", {"model": "m", "messages": []}, 150.0, '"total_tokens":25')


def plan_of(workers: int, upstream: int, redis: str, port: int = 0) -> Plan:
    return Plan(
        "load",
        GatewaySettings(port=port or free_port(), workers=workers),
        TranslatorSettings(enabled=False),
        {"up": Upstream("up", "openai", f"http://127.0.0.1:{upstream}/v1", tuple(Wire))},
        (Model("m", (Candidate("up", "real"),)),),
        Policy(retries=0),
        state=SharedState(redis),
    )


@contextmanager
def served(folder: Path, plan: Plan) -> Iterator[tuple[Supervised, str]]:
    """A supervisor with real gateways, and a client key."""
    home = Home(folder / ".router")
    home.create()
    _, secret = create_key(home, "load", Wanted(limits=LIMITS))
    held = Supervised(home, plan, commands=Commands(), timing=Timing(probe_starting=0.05, stop_grace=10.0))
    try:
        held.start()
        yield held, secret.reveal()
    finally:
        held.end()


def load(held: Supervised, key: str) -> Load:
    return Load(f"http://127.0.0.1:{held.plan.gateway.port}", key, (TARGET,), keep_alive=False)


def workers(held: Supervised) -> dict[str, int]:
    return {unit["unit"]: unit["pid"] for unit in held.client.call("status")["units"]}


def rows(held: Supervised) -> tuple[int, int, int]:
    """How many rows and trace ids the ledger has, and the sum of its tokens."""
    with closing(sqlite3.connect(f"file:{held.home.ledger}?mode=ro", uri=True)) as ledger:
        count, ids, tokens = ledger.execute(
            "SELECT count(*), count(DISTINCT trace_id), sum(input + output) FROM requests WHERE status = 200"
        ).fetchone()
    return int(count), int(ids), int(tokens)


async def test_a_worker_is_killed_and_the_number_changes_under_load(tmp_path: Path) -> None:
    """Nobody is refused; only what the killed one had in flight fails; every answer has its row, whoever wrote it."""
    with running(tmp_path) as server:
        async with scripted_upstream(GOOD) as up:
            with served(tmp_path, plan_of(2, up.port, server.url)) as (held, key):
                await asyncio.to_thread(held.client.call, "wait", units=["gateway"], wait=20)
                async with load(held, key) as under_load:
                    await under_load.answers(150, within=30)
                    victim = (await asyncio.to_thread(workers, held))["gateway-2"]
                    os.kill(victim, signal.SIGKILL)
                    await under_load.answers(150, within=30)
                    ready = await asyncio.to_thread(held.client.call, "wait", units=["gateway-2"], wait=20)
                    await under_load.answers(150, within=30)
                outcomes = list(under_load.outcomes)
                lost = failures(outcomes)
                assert ready["units"][0]["restarts"] == 1
                assert not [one for one in lost if "refused" in one.error.lower() or one.status is not None], lost
                moment = max((one.ended for one in lost), default=0.0)
                assert all(one.in_flight_at(moment) or moment - one.ended < 0.25 for one in lost), summary(outcomes)
                good = len(outcomes) - len(lost)
                count, ids, tokens = rows(held)
                # A row is written before the last byte: of those in flight some were answered for nobody to hear.
                assert good <= count <= good + len(lost)
                assert (ids, tokens) == (count, 25 * count)

                async with load(held, key) as under_load:
                    for number in (3, 1, 2):
                        held.write_plan(replace(held.plan, gateway=replace(held.plan.gateway, workers=number)))
                        await asyncio.to_thread(held.client.call, "apply", wait=30)
                        await asyncio.to_thread(held.client.call, "wait", units=["gateway"], wait=30)
                        assert len(await asyncio.to_thread(workers, held)) == number
                        await under_load.answers(100, within=30)
                assert failures(under_load.outcomes) == [], summary(under_load.outcomes)
                assert rows(held)[0] == count + len(under_load.outcomes)


async def test_rows_of_two_workers_at_full_speed(tmp_path: Path) -> None:
    """As fast as it goes, from clients side by side: as many rows as answers, no id twice, all tokens."""
    with running(tmp_path) as server:
        async with scripted_upstream(GOOD) as up:
            with served(tmp_path, plan_of(2, up.port, server.url)) as (held, key):
                await asyncio.to_thread(held.client.call, "wait", units=["gateway"], wait=20)
                body = json.dumps(TARGET.body).encode()
                shown = [("authorization", f"Bearer {key}")]

                async def client(number: int) -> list[int]:
                    mine = [*shown, ("x-session-id", f"s{number}")]
                    port = held.plan.gateway.port
                    return [(await ask(port, "POST", TARGET.path, body, mine)).status for _ in range(60)]

                statuses = await asyncio.gather(*(client(number) for number in range(24)))
                assert {status for held_back in statuses for status in held_back} == {200}
                answered = 24 * 60
                assert rows(held) == (answered, answered, 25 * answered)
                events = [json.loads(line) for line in held.home.events.read_text().splitlines()]
                begun = [event["traceId"] for event in events if event["event"] == "ai_run_started"]
                assert len(begun) == len(set(begun)) == answered
                assert all(
                    unit["problems"] == [] for unit in (await asyncio.to_thread(held.client.call, "status"))["units"]
                )
